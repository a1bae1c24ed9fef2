"""The one place of a scan that all linked views show."""

from __future__ import annotations

import numpy as np
from psygnal import Signal

Place = tuple[int, int, int]


class Crosshair:
    """A voxel of a scan.

    Attributes
    ----------
    shape
        Of the scan, ``(slice, row, column)``.
    at
        The voxel.
    """

    moved = Signal(object)
    """Where it was before; it is somewhere else now."""

    def __init__(self) -> None:
        self.shape: Place = (1, 1, 1)
        self.at: Place = (0, 0, 0)

    def start(self, shape: Place, at: Place | None = None) -> None:
        """Begin in another scan, by default in its middle."""
        self.shape = shape
        self.at = (shape[0] // 2, shape[1] // 2, shape[2] // 2)
        if at is not None:
            self.go(*at)

    def go(self, slice_: float, row: float, column: float) -> None:
        """Go to the nearest voxel of a place."""
        wanted = np.clip(np.rint((slice_, row, column)), 0, np.array(self.shape) - 1).astype(int)
        before, self.at = self.at, (int(wanted[0]), int(wanted[1]), int(wanted[2]))
        if self.at != before:
            self.moved.emit(before)
