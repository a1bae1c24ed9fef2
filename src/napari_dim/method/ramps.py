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


def squared_ramp(progress: float, reach: float = 1.0) -> float:
    """``exp(-5 (1 - min(t/T / reach, 1))²)``: the weight as public code runs it.

    Parameters
    ----------
    progress
        t / T.
    reach
        t / T at which it is 1.
    """
    return math.exp(-5.0 * (1.0 - min(max(progress / reach, 0.0), 1.0)) ** 2)
