"""What to do next, from labels, a training, predictions and scores: no window needed."""

from __future__ import annotations

import numpy as np
import pytest

from napari_dim.gui.logic.next_step import ANNOTATE, EXPORT, REVIEW, TRAIN, Situation, next_step
from napari_dim.states import SliceState

P, M, U = SliceState.PAINTED, SliceState.MACHINE, SliceState.UNTOUCHED
RISEN = (0.9,) * 8
"""Scores that rise no more."""


def at(*states: SliceState, **more: object) -> Situation:
    return Situation(scan=True, states=np.array(states, np.uint8), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("now", "tab", "words"),
    [
        (Situation(scan=True), ANNOTATE, "press New"),
        (Situation(scan=True, training=True), ANNOTATE, "joins the training"),
        (Situation(scan=True, training=True, predicting=True), ANNOTATE, "on their way"),
        (at(U, U, U, U), ANNOTATE, "shows it well"),
        (at(P, U, P, U, painted=True), ANNOTATE, "a few more slices"),
        (at(P, P, U, P, painted=True), TRAIN, "start the training"),
        (at(M, M, M, M, painted=True, predicted=True), REVIEW, "look through the masks; correct"),
        (at(P, P, M, P, painted=True, predicted=True, learnt=0), TRAIN, "3 slices are new"),
        (at(P, P, M, P, painted=True, predicted=True, learnt=3, dice=RISEN), EXPORT, "hardly"),
        (at(P, P, M, P, painted=True, predicted=True, learnt=3, suggested=True), REVIEW, "★"),
        (at(P, P, P, P, painted=True, predicted=True, learnt=3), EXPORT, "every slice"),
        (at(P, P, M, P, painted=True, predicted=True), REVIEW, "then export"),
        (at(P, painted=True), TRAIN, "start the training"),
        (at(P, painted=True, predicted=True), EXPORT, "hardly"),
    ],
)
def test_each_situation_has_its_step(now, tab, words):
    step = next_step(now)
    assert step is not None
    assert step.tab == tab
    assert words in step.text


def test_without_a_scan_there_is_no_step():
    assert next_step(Situation()) is None
