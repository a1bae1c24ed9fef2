"""What a shape that a person draws around a structure says of its pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

CORE = 0.5
"""Size of the ellipse in the middle of a box that is of the structure, of the box."""
RING = 0.08
"""Width of the ring around a box that is not, of half the box."""


def seeds_of_box(
    shape: tuple[int, ...], one: ArrayLike, other: ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """What a box around a structure says: an ellipse in its middle is of it, a ring around is not.

    Parameters
    ----------
    shape
        Of the slice, ``(row, column)``.
    one, other
        Two opposite corners, row and column.

    Returns
    -------
    (numpy.ndarray, numpy.ndarray)
        Pixels of the structure and of what it is not, ``(row, column)`` bool each.
    """
    ends = np.array([one, other], float)
    middle, half = ends.mean(0), np.maximum(np.abs(ends[1] - ends[0]) / 2, 1)
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    down, right = (rows - middle[0]) / half[0], (columns - middle[1]) / half[1]
    of = down**2 + right**2 <= CORE**2
    off = np.maximum(np.abs(down), np.abs(right)) > 1
    ring = 1 + np.maximum(RING, 1.5 / half)
    off &= (np.abs(down) <= ring[0]) & (np.abs(right) <= ring[1])
    return of, off
