"""What an annotator should do next, from what is there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_dim.gui.logic.labels_paying import stopped_paying
from napari_dim.states import LABELLED

ANNOTATE, TRAIN, REVIEW, EXPORT = range(4)
"""Places of the tabs."""
ENOUGH = 3
"""Labelled slices from which a training is worth its time."""


@dataclass(frozen=True)
class Step:
    """What to do next, and the tab where it is done."""

    text: str
    tab: int


@dataclass(frozen=True)
class Situation:
    """What the next step depends on, at one moment.

    Attributes
    ----------
    scan
        Whether a scan is worked on.
    training, predicting
        Whether a training runs that slices may join, and whether masks are made that none joins.
    states
        A `SliceState` for each slice of the scan's mask, ``(slice,)``; None without a mask.
    painted
        Whether the mask shows anything.
    predicted
        Whether the machine has said anything of the scan.
    learnt
        How many slices of this scan the last training learnt from; None if it is not known.
    dice
        Of what the machine had said on slices that were corrected or checked, as they came.
    suggested
        Whether there are suggestions which slices to label.
    """

    scan: bool = False
    training: bool = False
    predicting: bool = False
    states: np.ndarray | None = None
    painted: bool = False
    predicted: bool = False
    learnt: int | None = None
    dice: tuple[float, ...] = ()
    suggested: bool = False


def next_step(now: Situation) -> Step | None:
    """What to do next; None where no scan is open."""
    if not now.scan:
        return None
    if now.predicting:
        return Step("the masks are on their way; you may go on painting", ANNOTATE)
    if now.training:
        return Step("go on labelling meanwhile: what you finish joins the training", ANNOTATE)
    states = now.states
    if states is None:
        return Step("press New, and paint the structure in one slice", ANNOTATE)
    labelled, count = int(np.isin(states, LABELLED).sum()), len(states)
    if now.predicted and not labelled:
        which = "those marked ★" if now.suggested else "them"
        return Step(f"look through the masks; correct or accept {which}", REVIEW)
    if not now.painted:
        return Step("paint the structure in a slice that shows it well", ANNOTATE)
    if labelled < min(ENOUGH, count):
        return Step("paint a few more slices, spread over the scan; confirm an empty one", ANNOTATE)
    if not now.predicted:
        return Step("start the training", TRAIN)
    if now.learnt is not None and labelled >= now.learnt + ENOUGH:
        new = labelled - now.learnt
        return Step(f"{new} slices are new since the last training: train on", TRAIN)
    if stopped_paying(list(now.dice)) or count == 1:
        return Step("more labels hardly help now: look through the masks, and export", EXPORT)
    if now.suggested:
        return Step("correct the slices marked ★ with the brush, or accept them", REVIEW)
    if labelled == count:
        return Step("every slice is labelled: export the mask", EXPORT)
    return Step("look through the masks, correct and accept them, then export", REVIEW)
