"""Voxels that came from elsewhere, on this machine's disk under their hash: they travel once."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import numpy as np

from napari_dim.errors import InputError
from napari_dim.io.atomic import atomic_path, make_folder

BLOCK = 8 * 2**20
"""Bytes of voxels that are read, sent and written at a time, or those of one slice."""
MOST = 50 * 2**30
"""Bytes that are kept here; the ones used last stay."""
UNUSED = 14 * 24 * 3600.0
"""Seconds after which voxels that nobody asked for are taken away."""

_NAME = re.compile(r"[0-9a-f]{64}\.npy")


class MappedVoxels(np.memmap[Any, Any]):
    """An array that lies in a file; to another process it goes as the file's name."""

    place: Path | None = None

    def __array_finalize__(self, obj: Any) -> None:
        super().__array_finalize__(obj)
        self.place = None  # a part of it is an array as any other

    def __reduce_ex__(self, protocol: Any) -> Any:
        if self.place is not None:
            return _mapped, (self.place,)
        return np.asarray(self).__reduce_ex__(protocol)


def blocks(array: Any) -> Iterator[np.ndarray]:
    """An image some slices at a time, in order; it may lie on the disk."""
    plane = int(np.prod(array.shape[1:], dtype=np.int64)) * array.dtype.itemsize
    depth = max(1, BLOCK // max(1, plane))
    for start in range(0, array.shape[0], depth):
        yield np.ascontiguousarray(array[start : start + depth])


def hash_of(array: Any) -> str:
    """SHA-256 of an image's type, shape and voxels."""
    found = _begun(array.dtype, array.shape)
    for block in blocks(array):
        found.update(block.data)
    return str(found.hexdigest())


class ScanStore:
    """A folder of voxels that only its owner can read.

    Parameters
    ----------
    folder
        It is made if it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = make_folder(folder)
        with suppress(OSError):
            folder.chmod(0o700)
        self._coming: dict[str, _Coming] = {}

    def has(self, digest: str) -> bool:
        """Whether an image is here; it counts as used."""
        path = self._path(digest)
        with suppress(OSError):
            os.utime(path)
        return path.is_file()

    def opened(self, digest: str) -> MappedVoxels:
        """An image that is here."""
        return _mapped(self._path(digest))

    def expect(self, digest: str, dtype: str, shape: tuple[int, ...]) -> None:
        """Make room for an image whose blocks follow."""
        self._coming[digest] = _Coming(self._path(digest), np.dtype(dtype), shape)

    def take(self, digest: str, block: np.ndarray) -> None:
        """Write the next block of an image; with the last one it is there.

        Raises
        ------
        InputError
            If the disk refuses it, or it is not what the hash says.
        """
        if self._coming[digest].take(digest, block):
            del self._coming[digest]

    def close(self) -> None:
        """Take away what came in part."""
        for coming in self._coming.values():
            coming.close()
        self._coming.clear()

    def sweep(self, most: int = MOST, unused: float = UNUSED) -> None:
        """Take away what is too old, and the oldest of what is too much."""
        found = []
        with suppress(OSError):
            for entry in os.scandir(self._folder):
                if _NAME.fullmatch(entry.name):
                    state = entry.stat()
                    found.append((state.st_mtime, state.st_size, Path(entry.path)))
        kept = 0
        for used, size, path in sorted(found, reverse=True):
            kept += size
            if kept > most or time.time() - used > unused:
                with suppress(OSError):  # it is in use, on Windows
                    path.unlink()

    def _path(self, digest: str) -> Path:
        name = f"{digest}.npy"
        if not _NAME.fullmatch(name):
            raise ValueError("this is no hash")
        return self._folder / name


class _Coming:
    """An image on its way."""

    def __init__(self, path: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
        self._hash = _begun(dtype, shape)
        self._left = shape[0]
        self._stack = ExitStack()
        self._file = None
        try:
            temporary = self._stack.enter_context(atomic_path(path))
            self._file = self._stack.enter_context(temporary.open("wb"))
            head = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False}
            np.lib.format.write_array_header_1_0(self._file, {**head, "shape": shape})
        except OSError as error:
            raise _unwritten(error, path) from error

    def take(self, digest: str, block: np.ndarray) -> bool:
        """Write a block; whether it was the last one."""
        assert self._file is not None
        self._hash.update(block.data)
        try:
            self._file.write(block.data)
        except OSError as error:
            self.close()
            raise _unwritten(error, self._file.name) from error
        self._left -= len(block)
        if self._left > 0:
            return False
        if self._hash.hexdigest() != digest:
            self.close()
            raise InputError("a scan came here damaged", hint="Start the training again")
        self._stack.close()
        return True

    def close(self) -> None:
        """Take away what is there."""
        with suppress(_BrokenOffError):
            self._stack.__exit__(_BrokenOffError, _BrokenOffError(), None)


class _BrokenOffError(Exception):
    """Makes `atomic_path` take its file away."""


def _begun(dtype: np.dtype[Any], shape: tuple[int, ...]) -> Any:
    return hashlib.sha256(f"{dtype.str} {tuple(int(n) for n in shape)}".encode())


def _mapped(path: Path) -> MappedVoxels:
    found: MappedVoxels = np.load(path, mmap_mode="r").view(MappedVoxels)
    found.place = path
    return found


def _unwritten(error: OSError, path: Any) -> InputError:
    return InputError(
        f"the server can't keep the scans: {error.strerror or error}",
        hint="Make room on its disk, in the folder of caches",
    )
