"""What a box or an ellipse that a person draws around a structure says of its pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

CORE = 0.7
"""Size of the ellipse in the middle of a shape that is of the structure, of the shape."""
RING = 0.08
"""Width of the ring around a shape that is not, of half the shape."""

Seeds = tuple[np.ndarray, np.ndarray]
"""Pixels of the structure and of what it is not, ``(row, column)`` bool each."""


def seeds_of_box(shape: tuple[int, ...], one: ArrayLike, other: ArrayLike) -> Seeds:
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
        `Seeds`.
    """
    down, right, ring = _from_middle(shape, one, other)
    within = (down <= ring[0]) & (right <= ring[1])
    return np.hypot(down, right) <= CORE, within & (np.maximum(down, right) > 1)


def seeds_of_ellipse(shape: tuple[int, ...], one: ArrayLike, other: ArrayLike) -> Seeds:
    """What an ellipse around a structure says: its middle is of it, a ring around is not.

    Parameters
    ----------
    shape
        Of the slice, ``(row, column)``.
    one, other
        Two opposite corners of the box that it fills, row and column. Whatever the sizes of
        pixels, it is an ellipse in what is seen, too.

    Returns
    -------
    (numpy.ndarray, numpy.ndarray)
        `Seeds`.
    """
    down, right, ring = _from_middle(shape, one, other)
    away = np.hypot(down, right)
    return away <= CORE, (away > 1) & (np.hypot(down / ring[0], right / ring[1]) <= 1)


def _from_middle(
    shape: tuple[int, ...], one: ArrayLike, other: ArrayLike
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How far pixels are from a shape's middle down and to the right, and where its ring ends."""
    ends = np.array([one, other], float)
    middle, half = ends.mean(0), np.maximum(np.abs(ends[1] - ends[0]) / 2, 1)
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    ring = 1 + np.maximum(RING, 1.5 / half)
    return np.abs(rows - middle[0]) / half[0], np.abs(columns - middle[1]) / half[1], ring
