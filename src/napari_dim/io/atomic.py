"""Files appear whole or not at all: write beside the target, flush to disk, then rename."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from napari_dim.errors import InputError


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to; on leaving, it becomes `path` in one step.

    The temporary file is hidden, in the same folder, and ends with the same suffixes. If
    the block fails it is removed, and what stood at `path` before stays as it was.

    Raises
    ------
    InputError
        If the folder is missing or read-only, or the disk is full.
    """
    path = Path(path)
    temporary = path.with_name(f".{secrets.token_hex(6)}.{path.name[-60:]}")
    try:
        try:
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
        except OSError as error:
            reason = error.strerror or str(error)
            raise InputError(
                f"the file can't be written: {reason}",
                where=path,
                hint="Check that the folder exists, may be written to, and has space left",
            ) from error
        _sync_folder(path.parent)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text_atomically(path: Path, text: str) -> Path:
    """Write `text` as UTF-8, whole or not at all.

    Raises
    ------
    InputError
        If it can't be written.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
    return Path(path)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself last; where folders can't be opened (Windows), it does so alone."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
