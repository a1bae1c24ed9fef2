"""The states of a slice; training obeys them."""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class SliceState(IntEnum):
    """What is known about the labels of one slice."""

    UNTOUCHED = 0
    """No label: unlabelled data for training."""
    CONFIRMED = 1
    """Labelled by a person: every pixel counts, 0 means background."""
    PARTIAL = 2
    """Only the painted pixels count."""
    PREDICTED = 3
    """The machine's mask, not accepted yet: unlabelled data for training."""


LABELLED = (SliceState.CONFIRMED, SliceState.PARTIAL)
"""The states that training takes labels from."""


def guessed(states: np.ndarray) -> np.ndarray:
    """Numbers of the unlabelled slices of a scan that training learns from, ``(n,)``.

    With labels, those between the outermost labelled slices, and as far beyond them as half
    the widest gap between two or an eighth of the scan: further out nobody has said where a
    structure ends, and a model that believes its own masks there only makes them larger.
    With fewer than two labelled slices, all.

    Parameters
    ----------
    states
        One `SliceState` a slice, ``(slice,)``.
    """
    known = np.isin(states, LABELLED)
    labelled, unlabelled = np.flatnonzero(known), np.flatnonzero(~known)
    if labelled.size < 2:
        return unlabelled
    beyond = max(1, int(np.diff(labelled).max()) // 2, len(states) // 8)
    inside = (unlabelled >= labelled[0] - beyond) & (unlabelled <= labelled[-1] + beyond)
    return np.asarray(unlabelled[inside])
