"""Which files are DICOM: by their first bytes, never by their names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from napari_dim.errors import InputError

MAX_FILES = 100_000
"""A folder with more files is refused."""
_LOOKED_AT = 300
"""So many files of a folder are opened to see whether it holds DICOM."""


def is_dicom(path: Path) -> bool:
    """Whether a file's first bytes, or a folder's files, are DICOM."""
    path = Path(path)
    if path.is_dir():
        return any(starts_like_dicom(file) for file in islice(_walk(path), _LOOKED_AT))
    return starts_like_dicom(path)


def starts_like_dicom(path: Path) -> bool:
    """Whether a file begins as DICOM does, with or without the preamble."""
    try:
        with path.open("rb") as file:
            start = file.read(136)
    except OSError:
        return False
    if start[128:132] == b"DICM":
        return True
    # Without a preamble a file begins with group 2, or with the data set at once, in group 8:
    # a small even element, then its type.
    group = start[:2] in (b"\x02\x00", b"\x08\x00")
    plausible = group and start[3:4] == b"\0" and len(start) > 12
    return plausible and (start[4:6].isalpha() or start[6:8] == b"\0\0")


def _walk(folder: Path) -> Iterator[Path]:
    """All files below a folder, in a fixed order, hidden ones left out."""
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                yield Path(where, name)


def dicom_files(path: Path) -> list[Path]:
    """The DICOM files of a folder, or those that may be of one series with a file.

    Raises
    ------
    InputError
        If there are none, or too many to look through.
    """
    if not path.is_dir():
        return [file for file in sorted(path.parent.iterdir()) if file.is_file()]
    files: list[Path] = []
    for file in _walk(path):
        files.append(file)
        if len(files) > MAX_FILES:
            raise InputError(f"the folder holds more than {MAX_FILES} files", where=path,
                             hint="Open the folder of one study")  # fmt: skip
    return files
