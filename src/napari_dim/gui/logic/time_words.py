"""Times and numbers as people read them."""

from __future__ import annotations

from napari_dim.engine.training.events import StepDone
from napari_dim.words import clock


def left(event: StepDone) -> str:
    """How much of a training is still to come."""
    return "until you stop" if event.time_left is None else f"{clock(event.time_left)} left"


def class_words(before: int, *, training: bool) -> str:
    """What it means that a class came late; empty where it means nothing.

    Parameters
    ----------
    before
        Slices that were labelled before.
    training
        Whether a training runs, which knows the classes that it began with.
    """
    parts = []
    if training:
        parts.append("The training that runs doesn't learn the new class, the next one does")
    if before:
        one = before == 1
        which = "the slice" if one else f"the {before} slices"
        parts.append(
            f"Until you confirm {'it' if one else 'them'} once more, {which} labelled before "
            f"{'does' if one else 'do'}n't teach where the new class is not"
        )
    return ". ".join(parts)
