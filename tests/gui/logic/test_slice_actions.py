"""What a person does with the machine's slices, on a mask alone: no window needed."""

from __future__ import annotations

import numpy as np
import pytest

from napari_dim.errors import InputError
from napari_dim.gui.logic import slice_actions as acts
from napari_dim.gui.logic.labels_paying import verdict
from napari_dim.gui.state.scan_mask import ScanMask
from napari_dim.states import SliceState
from tests.gui.conftest import tiny_image

U, D, P, M, A, C, E, F, _H = SliceState


@pytest.fixture
def mask():
    """The ball, labelled in slices 3, 6 and 9; the machine found all of it, shifted by one row."""
    ball = tiny_image()[1]
    made = ScanMask(np.zeros_like(ball))
    made.planes[[3, 6, 9]] = ball[[3, 6, 9]]
    made.look()
    made.take(np.arange(12), np.roll(ball, 1, axis=1))
    return made


NOW = [M, M, M, D, M, M, D, M, M, D, M, M]
"""The states at the start."""


def test_confirming_the_machines_slice_says_that_it_was_checked(mask):
    assert "the machine was right" in acts.confirm(mask, 5)
    assert mask.states[5] == A
    assert [(s.number, s.labelled, s.dice) for s in mask.scores] == [(5, 3, 1.0)]
    acts.take_back(mask, 5)
    assert list(mask.states) == NOW
    assert mask.scores == []


def test_partial_taken_back_from_an_empty_slice_leaves_nothing_said(mask):
    bare = ScanMask(np.zeros_like(mask.planes))
    acts.set_partial(bare, 5)
    acts.take_back(bare, 5)
    assert bare.states[5] == U
    acts.reject(mask, 5)
    acts.set_partial(mask, 5)
    acts.take_back(mask, 5)
    assert list(mask.states) == NOW


def test_rejecting_empties_a_slice_for_good_and_undo_brings_it_back(mask):
    before = mask.planes[5].copy()
    acts.reject(mask, 5)
    assert not mask.planes[5].any()
    assert mask.states[5] == U
    assert mask.take(np.array([5]), np.ones((1, *before.shape), np.uint8)) == [5]
    assert not mask.planes[5].any()
    mask.undo()
    assert mask.planes[5].all()  # what it says by now
    with pytest.raises(InputError, match="nothing is predicted"):
        acts.reject(mask, 3)


def test_accepting_all_is_one_step_and_no_score(mask):
    before = mask.planes.copy()
    assert "Accepted 9 slices" in acts.accept(mask)
    assert list(mask.states) == [A, A, A, D, A, A, D, A, A, D, A, A]
    assert mask.scores == []
    with pytest.raises(InputError, match="labelled already"):
        acts.accept(mask)
    mask.undo()
    assert list(mask.states) == NOW
    np.testing.assert_array_equal(mask.planes, before)


def test_the_score_says_when_more_labels_hardly_pay():
    assert "hardly pay" in verdict([0.5, 0.6, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9])
    assert "still learns" in verdict([0.5, 0.5, 0.5, 0.5, 0.6, 0.7, 0.8, 0.8])
    assert "pay" not in verdict([0.5])
