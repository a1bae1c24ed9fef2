"""What a clean-up would do, whose slices it leaves alone, and that it is one step."""

from __future__ import annotations

import numpy as np
import pytest

from napari_dim.errors import InputError
from napari_dim.gui.logic.clean_up_plan import TOOLS, Situation, Wish, carry_out, plan
from napari_dim.gui.state.scan_mask import ScanMask
from napari_dim.states import SliceState
from tests.gui.conftest import tiny_image

U, D, P, M, A, C, E, F, H = SliceState
SPACING = (3.0, 1.0, 1.0)
NOW = [M, M, M, D, M, M, E, M, M, D, M, M]
"""The states at the start."""


@pytest.fixture
def mask():
    """The ball: a person drew slices 3 and 9 and confirmed 6 as empty; the rest is the machine's.

    In each slice but the empty one lies a speck of 4 pixels.
    """
    ball = tiny_image()[1]
    ball[:, 2:4, 2:4] = 1
    made = ScanMask(np.zeros_like(ball))
    made.planes[[3, 9]] = ball[[3, 9]]
    made.look()
    made.act("empty", {6: E})
    made.take(np.arange(12), ball)
    return made


def now_of(mask: ScanMask, **more) -> Situation:
    return Situation(mask.planes.copy(), mask.states, SPACING, **more)


def specks(mask: ScanMask) -> list[bool]:
    return mask.planes[:, 2:4, 2:4].any((1, 2)).tolist()


def test_the_slice_on_the_screen_is_changed_whoever_stands_behind_it(mask):
    for number, after in ((5, C), (3, D)):
        made = plan(now_of(mask), Wish("islands", (1,), number, number, number, 5.0))
        assert made.text == "Removes 4 voxels (4 mm²)."
        carry_out(mask, made)
        assert mask.states[number] == after
        assert not specks(mask)[number]


def test_in_a_whole_scan_what_a_person_stands_behind_is_left_alone_and_told(mask):
    before, states = mask.planes.copy(), mask.states
    made = plan(now_of(mask), Wish("islands", (1,), 0, 11, 0, 6.0))
    assert made.text == (
        "Removes 36 voxels (0.108 ml) in 9 slices. 2 labelled slices stay as they are."
    )
    carry_out(mask, made)
    # The slice on the screen was looked at; what the others hold is a proposal.
    assert list(mask.states) == [C, U, F, D, F, F, E, F, F, D, F, U]
    assert [n for n, there in enumerate(specks(mask)) if there] == [3, 9]
    mask.undo()
    np.testing.assert_array_equal(mask.planes, before)
    np.testing.assert_array_equal(mask.states, states)


def test_that_the_slice_on_the_screen_is_one_of_a_run_is_told_where_it_is_a_persons(mask):
    told = [plan(now_of(mask), Wish("clear", (1,), 2, 5, here)).text for here in (3, 5)]
    assert ["on the screen" in text for text in told] == [True, False]
    assert "Slice 3, on the screen and yours, is one of them." in told[0]


def test_labelled_slices_are_changed_where_that_is_wanted(mask):
    made = plan(now_of(mask), Wish("islands", (1,), 0, 11, 4, 6.0, labelled=True))
    assert "stay" not in made.text
    carry_out(mask, made)
    assert not any(specks(mask))
    assert mask.states[3] == D  # drawn by a person, as before
    assert mask.states[5] == F
    assert mask.states[4] == C  # on the screen
    assert mask.states[6] == E  # nothing changed there


def test_a_machines_slice_that_is_emptied_is_left_alone_by_the_machine(mask):
    carry_out(mask, plan(now_of(mask), Wish("clear", (1,), 7, 8, 0)))
    assert mask.states[7] == mask.states[8] == U
    assert mask.take(np.array([7]), np.ones((1, 48, 40), np.uint8)) == [7]


def test_a_margin_of_a_scan_reaches_into_the_next_slices_by_mm(mask):
    one = ScanMask(np.zeros((5, 20, 20), np.uint8))
    one.planes[2, 10, 10] = 1
    one.look()
    wide = plan(now_of(one), Wish("margin", (1,), 0, 4, 2, 3.0))
    assert sorted(wide.planes) == [1, 2, 3]
    narrow = plan(now_of(one), Wish("margin", (1,), 0, 4, 2, 2.9))
    assert sorted(narrow.planes) == [2]
    # Pictures of their own are no neighbours.
    apart = plan(now_of(one, unit="pixel", separate=True), Wish("margin", (1,), 0, 4, 2, 3.0))
    assert sorted(apart.planes) == [2]
    assert apart.text == "Adds 28 pixels in 1 slice."
    with pytest.raises(InputError, match="pictures of their own"):
        plan(now_of(one, unit="pixel", separate=True), Wish("copy", (1,), 0, 4, 2))


def test_a_slice_is_copied_onto_others_as_a_proposal(mask):
    plane = mask.planes[3].copy()
    plane[22:26, 8:32] = 2
    mask.act("of two", {3: D}, {3: plane})
    made = plan(now_of(mask), Wish("copy", (2,), 3, 6, 3))
    carry_out(mask, made)
    assert list(mask.states[[3, 4, 5, 6]]) == [D, F, F, E]
    assert "1 labelled slice stays as it is" in made.text
    for number in (4, 5):
        there = (mask.planes[3] == 2) & (mask.answer.mask[number] != 1)
        np.testing.assert_array_equal(mask.planes[number] == 2, there)  # beside class 1
        np.testing.assert_array_equal(mask.planes[number] == 1, mask.answer.mask[number] == 1)
    mask.undo()
    assert list(mask.states) == NOW


def test_slices_are_accepted_and_confirmed_in_a_run(mask):
    made = plan(now_of(mask), Wish("accept", (1,), 2, 6, 0))
    assert made.text == "Takes 3 slices of the machine's as right."
    carry_out(mask, made)
    assert list(mask.states) == [M, M, A, D, A, A, E, M, M, D, M, M]
    again = plan(now_of(mask), Wish("accept", (1,), 2, 6, 0))
    assert again.text == "Changes nothing."
    with pytest.raises(InputError, match="nothing to do"):
        carry_out(mask, again)
    carry_out(mask, plan(now_of(mask), Wish("islands", (1,), 7, 8, 0, 5.0)))
    assert mask.states[7] == F
    carry_out(mask, plan(now_of(mask), Wish("confirm", (1,), 0, 11, 0)))
    assert mask.states[7] == mask.states[8] == A


def test_slices_that_are_not_there_are_refused(mask):
    for first, last in ((-1, 3), (4, 3), (0, 12)):
        with pytest.raises(InputError, match="counted from 0 to 11"):
            plan(now_of(mask), Wish("holes", (1,), first, last, 0))


@pytest.mark.parametrize("tool", [tool.key for tool in TOOLS])
def test_every_tool_changes_its_classes_alone_and_comes_back(mask, tool):
    mask.planes[5, 40:44, 30:34] = 7
    mask.look()
    before, states = mask.planes.copy(), mask.states
    made = plan(now_of(mask), Wish(tool, (1,), 0, 11, 4, 6.0, labelled=True, other=2))
    if made.states:
        carry_out(mask, made)
        np.testing.assert_array_equal(mask.planes == 7, before == 7)
        mask.undo()
    np.testing.assert_array_equal(mask.planes, before)
    np.testing.assert_array_equal(mask.states, states)


def test_a_class_is_joined_or_replaced_and_it_is_told_how_much(mask):
    plane = mask.planes[3].copy()
    plane[22:26, 8:32] = 2
    mask.act("of two", {3: D}, {3: plane})
    both = int(np.count_nonzero(mask.planes[3] == 2))
    joined = plan(now_of(mask), Wish("or", (1,), 3, 3, 3, other=2))
    assert joined.text == f"Changes the class of {both} voxels ({both} mm²)."
    carry_out(mask, joined)
    assert set(np.unique(mask.planes[3])) == {0, 1}
    mask.undo()
    replaced = plan(now_of(mask), Wish("replace", (1, 2), 0, 11, 3, other=2))
    carry_out(mask, replaced)
    assert set(np.unique(mask.planes[3])) == {0, 2}
    assert set(np.unique(mask.planes[9])) == {0, 1}  # labelled, and not on the screen
    assert mask.states[4] == F


def test_logic_needs_two_classes(mask):
    for wish in (Wish("minus", (1,), 0, 1, 0, other=1), Wish("and", (1,), 0, 1, 0)):
        with pytest.raises(InputError, match="two different classes"):
            plan(now_of(mask), wish)
    with pytest.raises(InputError, match="to one class only"):
        plan(now_of(mask), Wish("or", (1, 2), 0, 1, 0, other=2))
