"""One slice of a mask in little memory, for what can be undone."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PackedPlane:
    """Class ids of one slice: the box around what is not 0, compressed.

    Attributes
    ----------
    shape
        ``(row, column)`` of the whole slice.
    box
        First and one past the last row, then column, of what is not 0.
    dtype
        Type of the ids.
    held
        The box's ids, row by row, compressed.
    """

    shape: tuple[int, int]
    box: tuple[int, int, int, int]
    dtype: str
    held: bytes

    @classmethod
    def of(cls, plane: np.ndarray) -> PackedPlane:
        """Pack a slice, ``(row, column)``."""
        there = plane != 0
        rows, columns = np.flatnonzero(there.any(1)), np.flatnonzero(there.any(0))
        shape = (plane.shape[0], plane.shape[1])
        if not rows.size:
            return cls(shape, (0, 0, 0, 0), plane.dtype.str, b"")
        box = (int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1)
        inside = np.ascontiguousarray(plane[box[0] : box[1], box[2] : box[3]])
        return cls(shape, box, plane.dtype.str, zlib.compress(inside.tobytes(), 1))

    def plane(self) -> np.ndarray:
        """The slice again, ``(row, column)``."""
        made = np.zeros(self.shape, dtype=self.dtype)
        if self.held:
            top, bottom, left, right = self.box
            inside = np.frombuffer(zlib.decompress(self.held), dtype=self.dtype)
            made[top:bottom, left:right] = inside.reshape(bottom - top, right - left)
        return made
