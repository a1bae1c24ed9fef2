"""Voxel values as the rest of napari-dim takes them."""

from __future__ import annotations

import numpy as np


def finite_values(values: np.ndarray) -> tuple[np.ndarray, int]:
    """Integers as they are; floats as float32, what is not finite made the lowest value.

    Returns
    -------
    (numpy.ndarray, int)
        The values, and how many were not finite. A float32 array is changed in place.
    """
    if values.dtype.kind in "iu":
        return values, 0
    with np.errstate(over="ignore"):
        values = values.astype(np.float32, copy=False)
    finite = np.isfinite(values)
    odd = int(finite.size - np.count_nonzero(finite))
    if odd:
        values[~finite] = values[finite].min() if finite.any() else 0.0
    return values, odd


def odd_words(number: int, what: str = "voxel") -> str:
    """That so many values are not finite, for people."""
    if number == 1:
        return f"1 {what} is no finite number; it is shown as the lowest value"
    return f"{number} {what}s are not finite numbers; they are shown as the lowest value"
