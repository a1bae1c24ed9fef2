"""How well two masks agree, slice by slice as they come in."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

FINE = 256
"""Larger slices are thinned out before they are compared: the window must not wait."""


@dataclass(frozen=True)
class LiveScore:
    """What one preview tells of a running training.

    Attributes
    ----------
    elapsed
        Seconds of training.
    yours
        Dice of the masks with the slices that a person labelled, in [0, 1]; NaN without any.
    before
        Dice with the preview before; NaN for the first.
    """

    elapsed: float
    yours: float
    before: float


class Agreement:
    """Adds up the Dice of a mask that comes in parts, pooled over slices, by class."""

    def __init__(self) -> None:
        self._shared: defaultdict[int, int] = defaultdict(int)
        self._sizes: defaultdict[int, int] = defaultdict(int)
        self._seen = False

    def add(self, a: np.ndarray, b: np.ndarray) -> None:
        """Compare class ids of the same shape, ``(slice, row, column)``."""
        step = max(1, min(a.shape[1:]) // FINE)
        a, b = a[:, ::step, ::step], b[:, ::step, ::step]
        self._seen = self._seen or bool(a.size)
        same = a == b
        for class_id in (int(i) for i in np.union1d(np.unique(a), np.unique(b)) if i):
            in_a = a == class_id
            self._shared[class_id] += int(np.count_nonzero(in_a & same))
            self._sizes[class_id] += int(np.count_nonzero(in_a) + np.count_nonzero(b == class_id))

    @property
    def dice(self) -> float:
        """Mean over the classes that either shows; 1 where neither shows any, NaN before `add`."""
        if not self._seen:
            return float("nan")
        found = [2 * self._shared[i] / size for i, size in self._sizes.items() if size]
        return float(np.mean(found)) if found else 1.0
