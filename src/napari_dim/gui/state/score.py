"""How right the machine was on a slice, told by what a person made of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Score:
    """How right the machine was on a slice that a person corrected or checked.

    `labelled` is how many slices were labelled by then; `dice` the mean over the classes that
    either shows, in [0, 1].
    """

    number: int
    labelled: int
    dice: float


def dice(a: np.ndarray, b: np.ndarray) -> float:
    """Mean Dice over the classes that either slice shows, in [0, 1]; 1 where neither does."""
    classes = [i for i in np.union1d(np.unique(a), np.unique(b)) if i]
    found = [2 * np.sum((a == i) & (b == i)) / (np.sum(a == i) + np.sum(b == i)) for i in classes]
    return float(np.mean(found)) if found else 1.0
