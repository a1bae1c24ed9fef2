"""The weight of the unlabelled terms over time: equation (11)."""

from __future__ import annotations

import math


def ramp(progress: float) -> float:
    """``λ(t) = exp(-5 (1 - t / T))``, equation (11).

    Parameters
    ----------
    progress
        t / T, clipped to [0, 1].

    Returns
    -------
    float
        From e^-5 at the start to 1 at the end.
    """
    return math.exp(-5.0 * (1.0 - min(max(progress, 0.0), 1.0)))
