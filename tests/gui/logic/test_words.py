"""Numbers of things, and what is said of a class that comes late."""

from __future__ import annotations

import numpy as np
import pytest

from napari_dim.gui.logic import growing
from napari_dim.gui.logic import slice_actions as acts
from napari_dim.gui.logic.mask_contents import words
from napari_dim.gui.logic.time_words import class_words
from napari_dim.gui.state.scan_mask import ScanMask
from napari_dim.states import SliceState
from napari_dim.words import count as counted
from napari_dim.words import figure


def test_one_thing_is_no_several():
    assert counted(1, "slice") == "1 slice"
    assert counted(0, "slice") == "0 slices"
    assert "of 1 slice labelled" in words(np.array([SliceState.PAINTED]))
    mask = ScanMask(np.zeros((3, 4, 4), np.uint8))
    mask.planes[[0, 2], 1:3, 1:3] = 1
    mask.look()
    now = growing.ground(mask, lambda number: np.zeros((4, 4)), (1.0, 1.0, 1.0))
    said = growing.land(mask, growing.fill(now, lambda share: None)).text
    assert "Filled 1 slice;" in said
    assert "1 filled slice" in acts.confirm_filled(mask)


def test_a_late_class_is_told_with_what_learns_it():
    assert class_words(0, training=False) == ""
    assert "the slice labelled before doesn't teach" in class_words(1, training=False)
    assert "confirm them once more, the 3 slices" in class_words(3, training=False)
    running = class_words(2, training=True)
    assert running.startswith("The training that runs doesn't learn the new class")


def test_accepting_a_class_says_what_goes_and_one_undo_brings_it_back():
    mask = ScanMask(np.zeros((2, 4, 4), np.uint8))
    said = np.zeros((2, 4, 4), np.uint8)
    said[:, 0, :2], said[0, 1, :3] = 1, 2
    mask.take(np.arange(2), said)
    part = acts.trusted(mask, mask.planes == 1, "class 1")
    asked = acts.part_question(part)
    assert "class 1 in 2 slices of the machine's" in asked
    assert "3 other pixels that it found in these slices go from the mask" in asked
    np.testing.assert_array_equal(mask.planes, said)  # nothing is done before it is agreed to
    text = acts.accept_trusted(mask, part)
    assert "in 2 slices" in text
    assert "3 other pixels of the machine's went" in text
    assert not (mask.planes == 2).any()
    assert list(mask.states) == [SliceState.ACCEPTED_PART] * 2
    mask.undo()
    np.testing.assert_array_equal(mask.planes, said)
    # Where nothing else was found, nothing is said to go.
    mask.take(np.arange(2), np.where(said == 2, 0, said))
    part = acts.trusted(mask, mask.planes == 1, "class 1")
    assert "other pixel" not in acts.part_question(part)
    assert "went" not in acts.accept_trusted(mask, part)


def test_a_slice_of_the_machines_that_is_called_partial_is_no_persons_work():
    mask = ScanMask(np.zeros((2, 4, 4), np.uint8))
    mask.take(np.array([0]), np.ones((1, 4, 4), np.uint8))
    for number in (0, 1):
        acts.set_partial(mask, number)
    assert list(mask.states) == [SliceState.ACCEPTED_PART, SliceState.PARTIAL]
    assert words(mask.states) == "1 of 2 slices labelled by a person, 1 accepted in part"
    mask.planes[0, 0, 0] = 0
    mask.look()  # a person drew in it
    assert mask.states[0] == SliceState.PARTIAL
    mask.undo()
    acts.take_back(mask, 0)
    assert mask.states[0] == SliceState.MACHINE


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (1178.2, 3, "1178"),
        (2_100_000, 6, "2100000"),
        (0.044678, 3, "0.0447"),
        (-0.9999, 3, "-1"),
        (0, 3, "0"),
    ],
)
def test_no_number_is_a_power_of_ten(value, digits, text):
    assert figure(value, digits) == text
