"""The states of a slice; training obeys them."""

from __future__ import annotations

from enum import IntEnum


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
