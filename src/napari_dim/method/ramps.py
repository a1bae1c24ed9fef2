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


def in_levels(progress: float, levels: int) -> float:
    """Progress as public code counts it: the last of so many equal levels that it has reached.

    Parameters
    ----------
    progress
        t / T.
    levels
        How many from 0 to 1; 0 leaves it as it is.
    """
    # Steps are counted: 60 of 200 is level 60, whatever 0.3 is in binary.
    return math.floor(progress * levels + 1e-9) / levels if levels else progress


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
