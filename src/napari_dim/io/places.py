"""Where files lie: on this machine's disks, or elsewhere under a URL that fsspec reaches.

A place elsewhere is a `upath.UPath`, which has the ways of a path. Readers and writers work on
local files: what lies elsewhere is fetched before, and put there whole afterwards.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from napari_dim.errors import InputError, one_line
from napari_dim.io.atomic import make_folder, write_text_atomically

_WHOLE = ("s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "oss", "memory")
"""Stores in which what is put appears whole; elsewhere it is renamed when it is complete."""
_TWO_FILES = {".hdr": (".img",), ".img": (".hdr",), ".mhd": (".raw", ".zraw"), ".nhdr": (".raw",)}
"""Images of two files: what the other one ends with."""


def place_of(text: str | Path) -> Path:
    """A path, or what a URL names.

    Parameters
    ----------
    text
        A path, or a URL: ``s3://bucket/scan.nii.gz``, ``memory://...``, ``file:///...``.

    Returns
    -------
    pathlib.Path
        A plain path of what lies on this machine's disks, else an `upath.UPath`.

    Raises
    ------
    InputError
        If nothing that is installed reaches such a URL.
    """
    if isinstance(text, Path) or is_elsewhere(text):
        return cast(Path, text)
    protocol, separator, rest = str(text).partition("://")
    if not separator or len(protocol) < 2:  # C:// is a disk of Windows
        return Path(text)
    if protocol == "file":
        return Path(rest)
    if find_spec("upath") is None:
        raise InputError(
            "files by URL need the package universal-pathlib", where=text,
            hint='Install it with: pip install "napari-dim[cluster]"',
        )  # fmt: skip
    from upath import UPath

    try:
        place = UPath(text)
        _ = place.fs
    except (ImportError, ValueError) as error:
        raise InputError(f"this URL can't be reached: {error}", where=text) from error
    return cast(Path, place)


def is_elsewhere(place: object) -> bool:
    """Whether a place is not on this machine's disks."""
    return not isinstance(place, str | Path) and hasattr(place, "fs")


def in_memory(place: object) -> bool:
    """Whether a place is in the memory of this process, which no other one sees."""
    return is_elsewhere(place) and cast(Any, place).protocol == "memory"


def rooted(place: Path) -> Path:
    """The same place, named from the root of its disk on."""
    return place if is_elsewhere(place) else place.absolute()


def beside(folder: Path, text: str) -> Path:
    """What a table in `folder` names: relative to the folder, or by URL."""
    return place_of(text) if "://" in text else folder / text


def there(place: Path) -> bool:
    """Whether a file or folder exists.

    Raises
    ------
    InputError
        If the store does not answer, or refuses.
    """
    if not is_elsewhere(place):
        return place.exists()
    with one_line(place, "file"):
        return place.exists()


def names_in(folder: Path) -> frozenset[str]:
    """What the files and folders of a folder are called; nothing where there is none.

    Raises
    ------
    InputError
        If it can't be listed.
    """
    with one_line(folder, "folder"):
        if not is_elsewhere(folder):
            return (
                frozenset(one.name for one in folder.iterdir()) if folder.is_dir() else frozenset()
            )
        far = cast(Any, folder)
        far.fs.invalidate_cache(far.path)
        with suppress(FileNotFoundError):
            found = far.fs.ls(far.path, detail=False)
            return frozenset(name.rstrip("/").rsplit("/", 1)[-1] for name in found)
        return frozenset()


def state_of(place: Path) -> str:
    """What changes when a file or folder does: sizes and times, or what its store says.

    Raises
    ------
    InputError
        If there is none.
    """
    with one_line(place, "file"):
        if is_elsewhere(place):
            far = cast(Any, place)
            far.fs.invalidate_cache(far.parent.path)
            if not far.is_dir():
                return str(far.fs.ukey(far.path))
            inner = far.fs.find(far.path, detail=True)
            return ";".join(f"{name} {one.get('size')} {one.get('ETag', one.get('created', ''))}"
                            for name, one in sorted(inner.items()))  # fmt: skip
        files = sorted(p for p in place.rglob("*") if p.is_file()) if place.is_dir() else [place]
        states = [(file, file.stat()) for file in files]
        return ";".join(
            f"{file.relative_to(place).as_posix()} {state.st_size} {state.st_mtime_ns}"
            for file, state in states
        )


def fetched(place: Path, folder: Path) -> Path:
    """A file or folder on this machine: itself, or a copy below `folder`.

    Raises
    ------
    InputError
        If it can't be read.
    """
    if not is_elsewhere(place):
        return place
    far = cast(Any, place)
    target: Path = Path(tempfile.mkdtemp(dir=folder)) / str(far.name)
    with one_line(place, "file"):
        if far.is_dir():
            for name in far.fs.find(far.path):
                inner = target / name[len(far.path.rstrip("/")) :].lstrip("/")
                inner.parent.mkdir(parents=True, exist_ok=True)
                far.fs.get_file(name, str(inner))
            return target
        far.fs.get_file(far.path, str(target))
        for end in _TWO_FILES.get(far.suffix.lower(), ()):
            other = far.with_suffix(end)
            if other.exists():
                other.fs.get_file(other.path, str(target.with_suffix(end)))
    return target


def put(local: Path, place: Path) -> None:
    """Put a local file at a place elsewhere, whole; or a folder's files, each of them whole.

    Raises
    ------
    InputError
        If it can't be written.
    """
    far = cast(Any, place)
    files = sorted(p for p in local.rglob("*") if p.is_file()) if local.is_dir() else [local]
    with one_line(place, "file", "written"):
        for file in files:
            target = far if file == local else far / file.relative_to(local).as_posix()
            fs = target.fs
            fs.makedirs(target.parent.path, exist_ok=True)
            if target.protocol in _WHOLE:
                fs.put_file(str(file), target.path)
                continue
            part = f"{target.parent.path}/.dim-{secrets.token_hex(4)}.{target.name[-60:]}"
            fs.put_file(str(file), part)
            fs.mv(part, target.path)


@contextmanager
def written_to(folder: Path) -> Iterator[Path]:
    """Give a local folder to write into: `folder` itself, or one whose files are put there.

    Raises
    ------
    InputError
        If what was written can't be put there.
    """
    if not is_elsewhere(folder):
        yield make_folder(folder)
        return
    with tempfile.TemporaryDirectory(prefix="napari-dim-") as made:
        yield Path(made)
        put(Path(made), folder)


def read_text(place: Path) -> str | None:
    """The text of a small file; None if there is none.

    Raises
    ------
    InputError
        If it is there and can't be read.
    """
    try:
        with one_line(place, "file"):
            if is_elsewhere(place):
                far = cast(Any, place)
                far.fs.invalidate_cache(far.parent.path)
                return cast(bytes, far.fs.cat_file(far.path)).decode("utf-8")
            return place.read_text(encoding="utf-8")
    except InputError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None
        raise


def write_text(place: Path, text: str) -> None:
    """Write a text file, whole or not at all; its folder is made.

    Raises
    ------
    InputError
        If it can't be written.
    """
    if not is_elsewhere(place):
        make_folder(place.parent)
        write_text_atomically(place, text)
        return
    with tempfile.TemporaryDirectory(prefix="napari-dim-") as made:
        file = Path(made) / place.name
        file.write_text(text, encoding="utf-8")
        put(file, place)
