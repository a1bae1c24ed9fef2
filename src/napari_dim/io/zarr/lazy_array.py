"""Arrays that stay on the disk: sliced like NumPy's, read when they are looked at."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from napari_dim.errors import InputError

HELD = 256 * 2**20
"""Bytes of the slabs read last that are kept: neighbouring slices mostly lie in one chunk."""


class LazyArray:
    """``(slice, row, column[, channel])`` of a chunked array that stays on the disk.

    What is asked for comes as NumPy arrays of plain numbers: whole ones as stored, floats as
    finite float32. Slices are read by slabs, as deep as the chunks are.

    Parameters
    ----------
    source
        The stored array: `shape`, `dtype`, `chunks`, and slicing by a tuple of slices and
        whole numbers.
    axes
        For each axis here, its axis there.
    fixed
        Axis there -> the one index that is shown.
    flipped
        Axes here that run against those there; never the first.
    """

    def __init__(
        self,
        source: Any,
        axes: Sequence[int],
        fixed: dict[int, int] | None = None,
        flipped: Sequence[int] = (),
    ) -> None:
        self._source = source
        self._axes = tuple(axes)
        self._fixed = dict(fixed or {})
        self._flipped = tuple(flipped)
        stored = np.dtype(source.dtype)
        self.dtype = _plain_type(stored)
        self.shape = tuple(int(source.shape[axis]) for axis in self._axes)
        plane = int(np.prod(self.shape[1:], dtype=np.int64)) * self.dtype.itemsize
        # Slices that are read at once: those of a chunk, as far as the memory goes.
        self.depth = min(int(source.chunks[self._axes[0]]), max(1, HELD // max(1, plane)))
        self._slabs: OrderedDict[int, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """Bytes that the whole would take in memory."""
        return self.size * self.dtype.itemsize

    def channel(self, number: int) -> LazyArray:
        """One channel, ``(slice, row, column)``, which stays on the disk too."""
        fixed = {**self._fixed, self._axes[3]: number}
        return LazyArray(self._source, self._axes[:3], fixed, self._flipped)

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[number] for number in range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        whole: np.ndarray = self[:]
        return whole if dtype is None else whole.astype(dtype, copy=False)

    def __getitem__(self, key: Any) -> np.ndarray:
        keys = list(key) if isinstance(key, tuple) else [key]
        if any(part is Ellipsis for part in keys):
            place = next(i for i, part in enumerate(keys) if part is Ellipsis)
            missing = self.ndim - len(keys) + 1
            keys[place : place + 1] = [slice(None)] * missing
        keys += [slice(None)] * (self.ndim - len(keys))
        if len(keys) > self.ndim:
            raise IndexError(f"{len(keys)} indices for {self.ndim} axes")
        numbers = np.arange(self.shape[0])[keys[0]]
        rest = tuple(keys[1:])
        if np.ndim(numbers) == 0:
            return np.array(self._plane(int(numbers))[rest])
        out = np.empty((len(numbers), *np.empty(self.shape[1:], bool)[rest].shape), self.dtype)
        for place, number in enumerate(numbers):
            out[place] = self._plane(int(number))[rest]
        return out

    def _plane(self, number: int) -> np.ndarray:
        """A view of one slice of the slabs that are kept."""
        start = number // self.depth * self.depth
        with self._lock:
            slab = self._slabs.get(start)
            if slab is not None:
                self._slabs.move_to_end(start)
        if slab is None:
            slab = self._read(start, min(start + self.depth, self.shape[0]))
            with self._lock:
                self._slabs[start] = slab
                held = sum(one.nbytes for one in self._slabs.values())
                while held > HELD and len(self._slabs) > 1:
                    held -= self._slabs.popitem(last=False)[1].nbytes
        plane: np.ndarray = slab[number - start]
        return plane

    def _read(self, start: int, end: int) -> np.ndarray:
        """Slices `start` to `end`, all of each, in the order of the axes here.

        Raises
        ------
        InputError
            If they can't be read.
        """
        where: list[Any] = [slice(None)] * len(self._source.shape)
        for axis, index in self._fixed.items():
            where[axis] = index
        where[self._axes[0]] = slice(start, end)
        try:
            found = np.asarray(self._source[tuple(where)])
        except MemoryError as error:
            raise InputError(
                f"there is not enough memory for slices {start} to {end - 1}"
            ) from error
        except Exception as error:
            # Decoders raise many types on a damaged chunk; the user needs one.
            raise InputError(
                f"slices {start} to {end - 1} can't be read: {error}", hint="Copy the store again"
            ) from error
        left = sorted(self._axes)
        found = np.transpose(found, [left.index(axis) for axis in self._axes])
        return plane_numbers(np.flip(found, self._flipped))


def _plain_type(stored: np.dtype[Any]) -> np.dtype[Any]:
    if stored.kind == "b":
        return np.dtype(np.uint8)
    if stored.kind == "f":
        return np.dtype(np.float32)
    return stored.newbyteorder("=")


def plane_numbers(values: np.ndarray) -> np.ndarray:
    """Plain, contiguous numbers; what is not finite is 0."""
    with np.errstate(over="ignore"):
        plain = np.ascontiguousarray(values, _plain_type(values.dtype))
    if plain.dtype.kind == "f" and not np.isfinite(plain).all():
        plain = np.nan_to_num(plain, nan=0.0, posinf=0.0, neginf=0.0)
    return plain
