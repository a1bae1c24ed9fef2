"""Ranges of intensity picked from a spot, and what hangs together within them."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

SPREADS = 2.5
"""Standard deviations to each side of the middle that a spot's range holds."""
LEAST = 0.04
"""Least half-width of a range, of the spread of the slice's values."""


def picked(image: np.ndarray, spot: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The middle of the values at a spot, and how far to each side a range goes.

    Parameters
    ----------
    image
        Values of a slice, ``(row, column)`` or ``(row, column, channel)``.
    spot
        Pixels of it, ``(row, column)`` bool, at least one.

    Returns
    -------
    (numpy.ndarray, numpy.ndarray)
        ``(channel,)`` each. A few pixels that are very different have no say.
    """
    values = _channels(image)
    there = values[spot]
    middle = np.median(there, axis=0)
    spread = 1.4826 * np.median(np.abs(there - middle), axis=0)
    low, high = np.percentile(values[::4, ::4], (1, 99), axis=(0, 1))
    return middle, np.maximum(SPREADS * spread, LEAST * (high - low))


def within(image: np.ndarray, middle: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """Pixels whose values are in a range in every channel, ``(row, column)`` bool."""
    values = _channels(image)
    found: np.ndarray = (np.abs(values - middle) <= reach).all(axis=-1)
    return found


def hanging_together(there: np.ndarray, spot: np.ndarray) -> np.ndarray:
    """What of some pixels hangs together with those of a spot, ``(row, column)`` bool."""
    pieces, _ = ndimage.label(there)
    touched = np.unique(pieces[spot])
    found: np.ndarray = np.isin(pieces, touched[touched > 0])
    return found


def _channels(image: np.ndarray) -> np.ndarray:
    values = np.asarray(image, np.float32)
    return values[..., None] if values.ndim == 2 else values
