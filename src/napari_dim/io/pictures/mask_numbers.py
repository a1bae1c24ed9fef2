"""Masks whose many numbers are hardly classes: what went through JPEG, and instances."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

MOST = 32
"""More class numbers than this in a picture are told."""

_NEAR = 16  # Grey values that JPEG strays beside those that were drawn.
_MOSTLY = 0.8  # Share of the pixels so near.
_MAIN = 0.02  # Share of the pixels from which a value counts as drawn.
_LOOKED_AT = 256  # Objects.


def told_of_numbers(ids: np.ndarray) -> tuple[str, ...]:
    """What to tell of the class ids ``(slice, row, column)`` of a mask; mostly nothing."""
    values, counts = np.unique(ids, return_counts=True)
    classes = values[values > 0]
    if classes.size <= MOST:
        return ()
    what = f"the mask holds {classes.size} class numbers"
    drawn = values[counts >= _MAIN * ids.size].astype(np.int64)
    if 0 < drawn.size <= 8:
        away = np.abs(values.astype(np.int64)[:, None] - drawn).min(axis=1)
        if counts[away <= _NEAR].sum() >= _MOSTLY * ids.size and values.max() < 256:
            near = " and ".join(str(value) for value in drawn)
            return (
                f"{what}, most pixels near {near}, as JPEG or smoothing leaves them. Each "
                "number counts as a class: save the mask as PNG with the classes' numbers alone",
            )
    shown = f"{', '.join(str(value) for value in classes[:3])} … {classes[-1]}"
    if _objects(ids, classes):
        return (
            f"{what} ({shown}), each one object: these are instances, not classes. Each counts "
            "as a class; write one number for all objects of a kind",
        )
    return (f"{what} ({shown}). Each counts as a class: is this a mask?",)


def _objects(ids: np.ndarray, classes: np.ndarray) -> bool:
    """Whether nearly every number is one connected object, and the numbers count them."""
    if classes[-1] > 4 * classes.size:
        return False
    looked_at = classes[np.linspace(0, classes.size - 1, min(classes.size, _LOOKED_AT)).astype(int)]
    boxes = ndimage.find_objects(ids.astype(np.int32, copy=False))
    around = np.ones((3,) * ids.ndim)
    single = sum(
        ndimage.label(ids[boxes[int(value) - 1]] == value, around)[1] == 1 for value in looked_at
    )
    return bool(single >= 0.9 * looked_at.size)
