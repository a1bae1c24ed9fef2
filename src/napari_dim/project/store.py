"""The generations of one annotation layer: append, compact, read."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np

from napari_dim.errors import InputError
from napari_dim.project import journal
from napari_dim.project.journal import Contents, Head
from napari_dim.project.paths import inside

COMPACT_AT = 16 * 2**20
"""A journal is compacted when it has this many bytes, and `COMPACT_RATIO` snapshots."""
COMPACT_RATIO = 4

_NAME = re.compile(r"(\d{6,9})\.journal")


class Store:
    """Where the strokes of one layer are kept. One thread at a time uses it.

    Parameters
    ----------
    root
        The project's folder.
    folder
        The layer's, relative to it.
    """

    def __init__(self, root: Path, folder: str) -> None:
        self._root, self._folder = root, folder
        self.path = inside(root, folder)
        self._file: FileIO | None = None
        self._head: Head | None = None
        self._size = self._snapshot = 0

    def generations(self) -> list[int]:
        """The numbers of the generations there are, newest first."""
        if not self.path.is_dir():
            return []
        found = (_NAME.fullmatch(entry.name) for entry in self.path.iterdir())
        return sorted((int(match[1]) for match in found if match), reverse=True)

    def read(self) -> Contents | None:
        """What is kept; None where nothing is.

        Raises
        ------
        InputError
            If files are there and none can be read.
        """
        numbers = self.generations()
        if not numbers:
            return None
        older = self._scan(numbers[1]) if len(numbers) > 1 else Contents()
        newest = self._scan(numbers[0], older.head)
        found = newest if newest.whole else newest.over(older)
        found.damaged = newest.damaged
        if found.head is None:
            raise InputError("the labels in it are damaged beyond repair", where=self.path)
        return found

    def begin(self, array: np.ndarray, note: Mapping[str, Any]) -> None:
        """Keep a whole layer from now on, of whatever shape and type.

        Raises
        ------
        InputError
            If it can't be written.
        """
        # Over another generation an empty slice says something, too.
        before = bool(self.generations())
        planes = {
            n: journal.pack(n, plane) for n, plane in enumerate(array) if before or plane.any()
        }
        self._next(Contents(Head.of(array), planes, dict(note)))

    def append(self, planes: Mapping[int, np.ndarray], note: Mapping[str, Any]) -> None:
        """Keep slices and what changed beside them; on return they are on the disk.

        Raises
        ------
        InputError, OSError
            If they can't be written; what was kept before stays.
        """
        file = self._file or self._open()
        assert self._head is not None
        shape, dtype = self._head.shape, np.dtype(self._head.dtype)
        payloads = [
            journal.pack(number, plane.astype(dtype, copy=False))
            for number, plane in planes.items()
            if number < shape[0] and plane.shape == shape[1:]
        ]
        data = b"".join(journal.frame(journal.PLANE, payload) for payload in payloads)
        if note:
            data += journal.note_record(note)
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest) or 0 :]
            os.fsync(file.fileno())
        except OSError:
            with suppress(OSError):
                file.truncate(self._size)
            self.close()
            raise
        self._size += len(data)
        if self._size > max(COMPACT_AT, COMPACT_RATIO * self._snapshot):
            self.compact()

    def compact(self) -> None:
        """Begin a new generation with the last record of each slice.

        Raises
        ------
        InputError
            If it can't be written.
        """
        found = self.read()
        if found is not None:
            self._next(found)

    def close(self) -> None:
        """Close the file."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                file.close()

    def _scan(self, number: int, default: Head | None = None) -> Contents:
        path = inside(self._root, f"{self._folder}/{_name(number)}")
        try:
            if not path.is_file() or path.stat().st_size > journal.LARGEST:
                return Contents(damaged=1)
            return journal.scan(path, default)
        except OSError as error:
            reason = error.strerror or str(error)
            raise InputError(f"the labels can't be read: {reason}", where=path) from error

    def _next(self, found: Contents) -> None:
        numbers = self.generations()
        number = numbers[0] + 1 if numbers else 1
        inside(self._root, self._folder).mkdir(parents=True, exist_ok=True)
        path = self.path / _name(number)
        journal.write_generation(path, found)
        self.close()
        for old in numbers[1:]:
            with suppress(OSError):
                (self.path / _name(old)).unlink()
        self._open()

    def _open(self) -> FileIO:
        """Open the newest generation to append to it; never one that is damaged or shared."""
        numbers = self.generations()
        if not numbers:
            raise InputError("nothing is kept of this layer yet", where=self.path)
        found = self._scan(numbers[0])
        path = self.path / _name(numbers[0])
        if not found.whole or found.damaged or path.stat().st_nlink > 1:
            self.compact()
            assert self._file is not None
            return self._file
        self._head, self._size = found.head, path.stat().st_size
        self._snapshot = sum(len(payload) for payload in found.planes.values())
        self._file = FileIO(path, "ab")
        return self._file


def _name(number: int) -> str:
    return f"{number:06d}.journal"
