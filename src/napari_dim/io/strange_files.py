"""Files that can't be what their names say, told before a reader is asked: pointers, web pages."""

from __future__ import annotations

from pathlib import Path

from napari_dim.errors import InputError

_FETCH_ANNEX = "Fetch it first: git annex get, or datalad get"
_BEGINNINGS = (
    (b"version https://git-lfs", "only the pointer of Git LFS is here, not the file itself",
     "Fetch it first: git lfs pull"),
    (b"/annex/objects/", "only the pointer of git-annex is here, not the file itself",
     _FETCH_ANNEX),
    (b"<!doctype html", "this is a web page: what was saved is not the file itself",
     "Download it again, signed in where the site asks for that"),
    (b"<html", "this is a web page: what was saved is not the file itself",
     "Download it again, signed in where the site asks for that"),
    (b"pk\x03\x04", "this is a ZIP archive", "Unpack it first"),
    (b"rar!", "this is a RAR archive", "Unpack it first"),
    (b"7z\xbc\xaf", "this is a 7z archive", "Unpack it first"),
    (b"%pdf", "this is a PDF document", "Save the picture in it as PNG"),
)  # fmt: skip
"""How such a file begins, lower case; what is wrong; what to do."""


def refuse_strange(path: Path) -> None:
    """Refuse a file that is empty or begins as no image does; a folder is not looked into.

    Raises
    ------
    InputError
        If it is one.
    """
    problem, hint = strangeness(path)
    if problem:
        raise InputError(problem, where=path, hint=hint)


def strangeness(path: Path) -> tuple[str, str]:
    """Why a file is no image whatever its name says, and what to do; ``""`` where it may be one."""
    try:
        if not path.is_file():
            return "", ""
        with path.open("rb") as file:
            start = file.read(64)
    except (OSError, ValueError):  # whoever reads it says so
        return "", ""
    if not start:
        return "the file is empty", "Copy it again"
    start = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for beginning, problem, hint in _BEGINNINGS:
        if start.startswith(beginning):
            return problem, hint
    return "", ""


def absent(path: Path) -> InputError:
    """What to say of a file that is not there: it may be the end of a link that is missing."""
    try:
        link = path.is_symlink()
        annex = link and "annex/objects" in path.readlink().as_posix()
    except (OSError, ValueError):
        link = annex = False
    if not link:
        return InputError("there is no such file", where=path)
    return InputError(
        "this is a link, and what it leads to is not there", where=path,
        hint=_FETCH_ANNEX if annex else "",
    )  # fmt: skip
