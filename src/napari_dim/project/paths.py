"""Paths of a project: relative, inside its folder, and the same on every system.

A project folder may come from anyone. Nothing in it is followed out of it: no absolute
path, no ``..``, no drive letter, no link that leads elsewhere, no device or pipe.
"""

from __future__ import annotations

import re
import stat
import unicodedata
from pathlib import Path

from napari_dim.errors import InputError

LONGEST = 1000
"""Characters of a relative path."""

_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(\..*)?", re.I)
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"|?*\\]')


def inside(root: Path, text: str) -> Path:
    """The path that a project means by `text`.

    Parameters
    ----------
    root
        The project's folder.
    text
        Relative to it, with ``/`` between the parts.

    Raises
    ------
    InputError
        If it leads out of `root`, on this or on another system.
    """
    problem = _fault(text)
    if problem:
        raise InputError(
            f"the path {text[:80]!r} {problem}",
            where=root,
            hint="A project only uses files inside its own folder",
        )
    path = root.joinpath(*text.split("/"))
    try:
        real = path.resolve()
        kept = real.is_relative_to(root.resolve())
    except (OSError, RuntimeError, ValueError):  # a loop of links, a name too long
        kept = False
    if not kept:
        raise InputError(
            f"{text!r} is a link that leads out of the project",
            where=root,
            hint="Put the file itself into the folder",
        )
    return path


def relative_to(root: Path, path: Path) -> str | None:
    """How a project refers to a file: its path inside `root`, or None where it lies elsewhere."""
    try:
        text = path.resolve().relative_to(root.resolve()).as_posix()
    except (OSError, RuntimeError, ValueError):
        return None
    return None if _fault(text) else text


def read_capped(path: Path, cap: int) -> bytes:
    """The bytes of an ordinary file.

    Raises
    ------
    InputError
        If it is missing, no ordinary file, or larger than `cap` bytes.
    """
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):
            raise InputError("this is no ordinary file", where=path)
        if state.st_size > cap:
            raise InputError(f"the file is larger than {cap // 2**20} MiB", where=path)
        with path.open("rb") as file:
            found = file.read(cap + 1)
    except OSError as error:
        raise InputError(
            f"the file can't be read: {error.strerror or error}", where=path
        ) from error
    if len(found) > cap:
        raise InputError(f"the file is larger than {cap // 2**20} MiB", where=path)
    return found


def slug(name: str) -> str:
    """A folder's name made from a case's: letters, digits, ``-`` and ``_`` alone."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    text = re.sub(r"[^a-z0-9_-]+", "-", plain.lower()).strip("-_")[:48].strip("-_")
    return f"case-{text}" if not text or _RESERVED.fullmatch(text) else text


def _fault(text: str) -> str:
    """What is wrong with a relative path; "" if nothing is."""
    if not text or len(text) > LONGEST:
        return "is empty" if not text else "is too long"
    if _FORBIDDEN.search(text):
        return "holds a character that paths of a project can't have"
    if text.startswith("/"):
        return "is absolute"
    for part in text.split("/"):
        if part in ("", ".", ".."):
            return "leads up or nowhere"
        if part != part.strip() or part.endswith(".") or _RESERVED.fullmatch(part):
            return "holds a name that not every system can have"
        if len(part.encode()) > 255:
            return "holds a name that is too long"
    return ""
