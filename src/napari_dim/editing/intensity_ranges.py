"""Ranges of intensity picked from a spot, and what hangs together within them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

SPREADS = 2.5
"""Standard deviations to each side of the middle that a spot's range holds."""
LEAST = 0.04
"""Least half-width of a range, of the spread of the slice's values."""


@dataclass(frozen=True, eq=False)
class Range:
    """A range of intensity.

    Attributes
    ----------
    low, high
        Its limits in each channel, ``(channel,)``; both are within.
    """

    low: np.ndarray
    high: np.ndarray

    def wider(self, times: float) -> Range:
        """So many times as wide, about the same middle."""
        middle, reach = (self.low + self.high) / 2, (self.high - self.low) / 2
        return Range(middle - times * reach, middle + times * reach)

    def holds(self, image: np.ndarray) -> np.ndarray:
        """Pixels of a slice that are within in every channel, ``(row, column)`` bool.

        Parameters
        ----------
        image
            Values of the slice, ``(row, column)`` or ``(row, column, channel)``.
        """
        values = channels(image)
        return np.asarray(((values >= self.low) & (values <= self.high)).all(axis=-1))


def picked(image: np.ndarray, spot: np.ndarray) -> Range:
    """The range around the values at a spot.

    Parameters
    ----------
    image
        Values of a slice, ``(row, column)`` or ``(row, column, channel)``.
    spot
        Pixels of it, ``(row, column)`` bool, at least one.

    Returns
    -------
    Range
        A few pixels that are very different have no say.
    """
    values = channels(image)
    there = values[spot]
    middle = np.median(there, axis=0)
    spread = 1.4826 * np.median(np.abs(there - middle), axis=0)
    low, high = np.percentile(values[::4, ::4], (1, 99), axis=(0, 1))
    reach = np.maximum(SPREADS * spread, LEAST * (high - low))
    low, high = middle - reach, middle + reach
    if np.asarray(image).dtype.kind in "iu":  # the same pixels, and told as they are
        kind = np.iinfo(np.asarray(image).dtype)
        low, high = np.maximum(np.ceil(low), kind.min), np.minimum(np.floor(high), kind.max)
    return Range(low, high)


def hanging_together(there: np.ndarray, spot: np.ndarray) -> np.ndarray:
    """What of some pixels hangs together with those of a spot, ``(row, column)`` bool."""
    pieces, _ = ndimage.label(there)
    touched = np.unique(pieces[spot])
    found: np.ndarray = np.isin(pieces, touched[touched > 0])
    return found


def channels(image: np.ndarray) -> np.ndarray:
    """The values of a slice with an axis of channels, ``(row, column, channel)`` float32."""
    values = np.asarray(image, np.float32)
    return values[..., None] if values.ndim == 2 else values
