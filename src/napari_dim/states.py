"""What is known of each slice of a mask, and by whom; training obeys it."""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class SliceState(IntEnum):
    """Where the mask of one slice comes from.

    The numbers are kept in projects and journals; 0 to 3 are those of the first projects,
    where 1 also stood for an empty slice that is background alone (`known_states`).
    """

    UNTOUCHED = 0
    """No mask: unlabelled data for training."""
    PAINTED = 1
    """Drawn by a person: every pixel counts, 0 means background."""
    PARTIAL = 2
    """Only the pixels that are not 0 count."""
    MACHINE = 3
    """The machine's mask, seen by nobody yet: unlabelled data for training."""
    ACCEPTED = 4
    """The machine's mask, or one filled in, seen and left as it was: every pixel counts."""
    CORRECTED = 5
    """The machine's mask, or one filled in, changed by a person: every pixel counts."""
    EMPTY = 6
    """Background alone, as a person said: every pixel counts."""
    FILLED = 7
    """Filled or copied from other slices, confirmed by nobody yet: unlabelled data."""
    ACCEPTED_PART = 8
    """What a person accepted of the machine's mask, as a class: only pixels other than 0 count."""


WHOLE = (SliceState.PAINTED, SliceState.ACCEPTED, SliceState.CORRECTED, SliceState.EMPTY)
"""The states in which every pixel of a slice is a label."""
OPEN = (SliceState.PARTIAL, SliceState.ACCEPTED_PART)
"""The states in which only the pixels that are not 0 are labels."""
LABELLED = (*WHOLE, *OPEN)
"""The states that training takes labels from."""
UNCHANGED = (SliceState.ACCEPTED, SliceState.ACCEPTED_PART)
"""The labelled states in which a person drew nothing."""
BY_HAND = tuple(state for state in LABELLED if state not in UNCHANGED)
"""The states of slices in which a person drew, or said that nothing is there."""
FREE = (SliceState.UNTOUCHED, SliceState.MACHINE)
"""The states of slices that the machine may write into."""


def known_states(states: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """States as kept by any version, ``(slice,)`` uint8, as they are understood now.

    Parameters
    ----------
    states
        One `SliceState` a slice.
    areas
        Pixels that are not 0 in each slice.
    """
    background = (states == SliceState.PAINTED) & (areas == 0)
    return np.where(background, SliceState.EMPTY, states).astype(np.uint8)


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
