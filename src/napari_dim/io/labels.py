"""Arrays of label ids: check them, and store them in the smallest type that holds them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_dim.errors import InputError


def as_labels(
    values: np.ndarray, *, where: str | Path | None = None, tolerance: float = 0.0
) -> np.ndarray:
    """Turn numbers into label ids of the smallest unsigned type that holds them.

    Parameters
    ----------
    values
        Any shape, boolean, integer or floating.
    where
        File they came from, for the message.
    tolerance
        How far from a whole number a value may lie, for files that store ids scaled.

    Raises
    ------
    InputError
        If there are values that are not finite, not whole, or negative.
    """
    if values.dtype == np.bool_:
        return values.astype(np.uint8)
    if values.dtype.kind not in "iuf":
        raise InputError(f"a mask can't be made of {values.dtype} values", where=where)
    if not values.size:
        return values.astype(np.uint8)
    if values.dtype.kind == "f":
        whole = np.rint(values)
        # Written so that NaN and infinity, which compare false, are refused too.
        with np.errstate(invalid="ignore"):
            bad = ~(np.abs(values - whole) <= tolerance)
        if bad.any():
            raise InputError(
                f"a mask holds whole class numbers, this one holds {values[bad].flat[0]:g}",
                where=where,
                hint="Is this an image or a probability map?",
            )
        if np.abs(whole).max() > 2.0**53:
            raise InputError("the mask holds numbers too large for class ids", where=where)
        values = whole.astype(np.int64)
    lowest = values.min()
    if lowest < 0:
        raise InputError(f"a mask holds no negative numbers, this one {lowest}", where=where)
    return values.astype(smallest_type(int(values.max())), copy=False)


def smallest_type(largest: int) -> np.dtype[np.unsignedinteger]:
    """The smallest unsigned integer type that holds ids up to `largest`."""
    return np.min_scalar_type(largest)
