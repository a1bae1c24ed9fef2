"""Files appear whole or not at all.

Write beside the target, flush to the disk, read back and compare, rename, flush the folder.
What a killed process left beside its target is swept by the next one that writes there.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import socket
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from napari_dim.errors import InputError

ABANDONED = 24 * 3600.0
"""Seconds after which a temporary file of another machine is taken for left over."""

_HOST = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]
_TEMPORARY = re.compile(r"\.dim-([0-9a-f]{8})-(\d+)-[0-9a-f]{8}\..+")
_CHUNK = 2**20


def make_folder(folder: Path, where: str | Path | None = None, *, parents: bool = True) -> Path:
    """Make a folder, and its parents.

    Parameters
    ----------
    folder
        It may be there already.
    where
        What it is called in an error; by default its path.
    parents
        Whether its parents are made, too.

    Raises
    ------
    InputError
        If the system refuses.
    """
    try:
        folder.mkdir(parents=parents, exist_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"the folder can't be made: {reason}", where=where or folder) from error
    return folder


def check_writable(folder: Path, where: str | Path | None = None) -> None:
    """Refuse a folder that can't be made or written to, before any work is done.

    Raises
    ------
    InputError
        If it is a file, can't be made, or may not be written to.
    """
    where = where or folder
    if folder.is_dir():
        if not os.access(folder, os.W_OK):
            raise InputError("this folder may not be written to", where=where)
        return
    if folder.exists():
        raise InputError("this is a file, not a folder", where=where)
    # A trial tells more than permissions do; what it makes is taken away again.
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        make_folder(folder, where)
    finally:
        for path in missing:
            with suppress(OSError):
                path.rmdir()


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to; on leaving, it becomes `path` in one step.

    The temporary file is hidden, in the same folder, and ends with the same suffixes. If
    the block fails it is removed, and what stood at `path` before stays as it was.

    Raises
    ------
    InputError
        If the folder is missing or read-only, the disk is full, or it gives back something
        else than was written.
    """
    path = Path(path)
    mark = f".dim-{_HOST}-{os.getpid()}-{secrets.token_hex(4)}"
    temporary = path.with_name(f"{mark}.{path.name[-60:]}")
    sweep(path.parent)
    try:
        try:
            yield temporary
            _settle(temporary)
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


def write_bytes_atomically(path: Path, data: bytes) -> Path:
    """Write `data`, whole or not at all.

    Raises
    ------
    InputError
        If it can't be written.
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
    return Path(path)


def write_text_atomically(path: Path, text: str) -> Path:
    """Write `text` as UTF-8, whole or not at all.

    Raises
    ------
    InputError
        If it can't be written.
    """
    return write_bytes_atomically(path, text.encode("utf-8"))


def sweep(folder: Path) -> list[Path]:
    """Remove temporary files whose process is gone; returns those removed."""
    removed: list[Path] = []
    with suppress(OSError):  # a missing folder is told by the write itself
        for entry in os.scandir(folder):
            found = _TEMPORARY.fullmatch(entry.name)
            if found and _left_over(entry, found[1], int(found[2])):
                with suppress(OSError):
                    Path(entry.path).unlink()
                    removed.append(Path(entry.path))
    return removed


def _left_over(entry: os.DirEntry[str], host: str, pid: int) -> bool:
    if host == _HOST:
        from psutil import pid_exists

        if not pid_exists(pid):
            return True
    try:
        return time.time() - entry.stat(follow_symlinks=False).st_mtime > ABANDONED
    except OSError:
        return False


def _settle(temporary: Path) -> None:
    """Bring a file to the disk, and see that it is there as it was written."""
    with temporary.open("rb+") as file:
        written = _checksum(file.fileno())
        os.fsync(file.fileno())
        if hasattr(os, "posix_fadvise"):  # so that the disk is read and not the memory
            with suppress(OSError):
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        if _checksum(file.fileno()) != written:
            raise OSError("the disk gave back something else than was written")


def _checksum(handle: int) -> tuple[int, int]:
    """Length and CRC-32 of an open file."""
    os.lseek(handle, 0, os.SEEK_SET)
    crc = length = 0
    while chunk := os.read(handle, _CHUNK):
        crc, length = zlib.crc32(chunk, crc), length + len(chunk)
    return length, crc


def _sync_folder(folder: Path) -> None:
    """Make the rename itself last; where folders can't be opened (Windows), it does so alone."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
