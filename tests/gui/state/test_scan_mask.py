"""The one mask of a scan: what each act makes of its slices, and what undo gives back."""

from __future__ import annotations

import numpy as np
import pytest

from napari_dim.gui.state.packed_plane import PackedPlane
from napari_dim.gui.state.provenance import edited
from napari_dim.gui.state.scan_mask import ScanMask
from napari_dim.states import SliceState

U, D, P, M, A, C, E, F, H = SliceState
SHAPE = (6, 10, 12)


@pytest.fixture
def mask() -> ScanMask:
    """Slice 1 is painted; the machine has said 1 of a corner of every slice."""
    planes = np.zeros(SHAPE, np.uint8)
    planes[1, 2:4, 2:4] = 2
    made = ScanMask(planes)
    speak(made, 1)
    return made


def speak(mask: ScanMask, value: int, numbers=range(6)) -> list[int]:
    said = np.zeros((len(numbers), *SHAPE[1:]), np.uint8)
    said[:, 5:8, 5:9] = value
    return mask.take(np.array(numbers), said)


def stroke(mask: ScanMask, number: int, value: int, where=np.s_[0:2, 0:2]) -> None:
    mask.planes[number][where] = value
    mask.look([number])


def names(mask: ScanMask) -> str:
    return "".join("UDPMACEF"[int(s)] for s in mask.states)


def test_the_machine_writes_into_slices_that_nobody_stands_behind(mask):
    assert names(mask) == "MDMMMM"
    assert not (mask.planes[1] == 1).any()
    assert mask.answer.said.all()
    stroke(mask, 2, 3)
    assert speak(mask, 4) == [1, 2]
    assert names(mask) == "MDCMMM"
    assert (mask.planes[3, 5:8, 5:9] == 4).all()
    assert (mask.planes[2, 5:8, 5:9] == 1).all()  # what the person did not touch stays
    assert not mask.planes[2, 9].any()


def test_one_undo_gives_the_machine_its_slice_back_with_what_it_says_by_now(mask):
    stroke(mask, 2, 3)
    mask.undo()
    assert names(mask) == "MDMMMM"
    assert not (mask.planes[2] == 3).any()
    mask.redo()
    mine = mask.planes[2].copy()
    speak(mask, 4)
    mask.undo()
    assert (mask.planes[2, 5:8, 5:9] == 4).all()
    speak(mask, 5)
    mask.redo()
    np.testing.assert_array_equal(mask.planes[2], mine)
    assert names(mask) == "MDCMMM"


def test_an_act_is_one_step_with_its_marks_on_empty_slices_too(mask):
    bare = ScanMask(np.zeros(SHAPE, np.uint8))
    bare.act("confirm", {3: E, 4: E})
    assert names(bare) == "UUUEEU"
    bare.undo()
    assert names(bare) == "UUUUUU"
    bare.redo()
    assert names(bare) == "UUUEEU"
    mask.act("accept", dict.fromkeys((0, 2, 3, 4, 5), A))
    before = mask.planes.copy()
    assert names(mask) == "ADAAAA"
    assert speak(mask, 7) == [0, 1, 2, 3, 4, 5]
    np.testing.assert_array_equal(mask.planes, before)
    mask.undo()
    assert names(mask) == "MDMMMM"
    assert (mask.planes[0, 5:8, 5:9] == 7).all()
    mask.redo()
    np.testing.assert_array_equal(mask.planes, before)


def test_a_slice_is_given_back_to_the_machine_and_to_the_person(mask):
    stroke(mask, 2, 3)
    mine = mask.planes[2].copy()
    speak(mask, 6)
    mask.act("take newest", {2: None})
    assert names(mask) == "MDMMMM"
    assert (mask.planes[2, 5:8, 5:9] == 6).all()
    speak(mask, 7)
    mask.undo()
    np.testing.assert_array_equal(mask.planes[2], mine)
    assert names(mask) == "MDCMMM"
    mask.undo()
    assert (mask.planes[2, 5:8, 5:9] == 7).all()


def test_what_a_person_emptied_is_left_alone_until_it_is_undone(mask):
    stroke(mask, 1, 0, np.s_[:])
    assert names(mask) == "MUMMMM"
    assert mask.left == (1,)
    assert speak(mask, 4) == [1]
    assert not mask.planes[1].any()
    mask.undo()
    assert names(mask) == "MDMMMM"
    assert (mask.planes[1, 2:4, 2:4] == 2).all()
    assert mask.left == ()
    stroke(mask, 3, 0, np.s_[:])  # the machine's, erased: nothing is there, says the person
    assert names(mask) == "MDMCMM"


def test_a_stroke_that_goes_on_is_neither_written_over_nor_lost(mask):
    mask.planes[2, 0, 0] = 3  # the mouse is down
    assert speak(mask, 4) == [1, 2]
    mask.planes[2, 0, 1] = 3
    mask.look([2])
    assert names(mask) == "MDCMMM"
    mask.planes[3, 0, 0] = 3
    assert speak(mask, 5) == [1, 2, 3]
    mask.planes[3, 0, 0] = 0  # given up
    assert mask.look([3]) == ()
    assert names(mask) == "MDCMMM"
    assert (mask.planes[3, 5:8, 5:9] == 5).all()
    mask.undo()
    assert names(mask) == "MDMMMM"
    assert (mask.planes[2, 5:8, 5:9] == 5).all()


def test_the_score_counts_what_was_corrected_or_checked_and_no_unchanged_accept(mask):
    mask.act("accept", {0: A})
    assert mask.scores == []
    mask.act("check", {3: A}, checked=True)
    stroke(mask, 2, 1)
    (three, two) = mask.scores
    assert (three.number, three.dice, three.labelled) == (3, 1.0, 2)
    assert two.number == 2
    assert two.dice == pytest.approx(2 * 12 / (12 + 16))
    speak(mask, 1)  # what it says later does not change what it had said
    assert mask.scores[1].dice == two.dice
    mask.undo()
    assert [s.number for s in mask.scores] == [3]
    mask.undo()
    assert mask.scores == []
    mask.redo()
    assert [s.number for s in mask.scores] == [3]


def test_a_slice_that_a_tool_changed_first_is_scored_when_a_person_does(mask):
    mask.act("smooth", {2: SliceState.FILLED}, {2: np.zeros_like(mask.planes[2])})
    mask.act("check", {3: A}, checked=True)
    stroke(mask, 2, 1)
    assert [(s.number, s.labelled) for s in mask.scores] == [(3, 1), (2, 2)]


def test_classes_get_other_ids_in_what_the_machine_says_too(mask):
    stroke(mask, 2, 3)
    mask.relabel("1 is 9", {1: 9})
    assert set(np.unique(mask.planes)) == {0, 2, 3, 9}
    assert names(mask) == "MDCMMM"
    assert set(np.unique(mask.answer.mask)) == {0, 9}
    mask.undo()
    assert set(np.unique(mask.planes)) == {0, 1, 2, 3}
    assert set(np.unique(mask.answer.mask)) == {0, 1}
    mask.redo()
    assert set(np.unique(mask.answer.mask)) == {0, 9}
    mask.relabel("erase 2", {2: 0})
    assert names(mask) == "MUCMMM"
    mask.undo()
    assert names(mask) == "MDCMMM"
    assert mask.relabel("nothing", {77: 1}) is None


@pytest.mark.parametrize(
    ("state", "area", "through", "then"),
    [
        (U, 5, False, D), (U, 5, True, P), (D, 5, True, D), (D, 0, False, U), (P, 5, False, P),
        (P, 0, False, U), (M, 5, False, C), (M, 0, False, C), (A, 5, True, C), (C, 0, False, C),
        (E, 5, False, D), (F, 5, False, C), (F, 0, False, U),
    ],
)  # fmt: skip
def test_what_an_edit_makes_of_a_slice(state, area, through, then):
    assert edited(state, area, through=through) == then


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32])
def test_a_packed_slice_is_the_slice(dtype):
    rng = np.random.default_rng(0)
    for plane in (np.zeros((5, 7)), np.eye(6, 9), rng.integers(0, 3, (30, 20))):
        packed = PackedPlane.of(plane.astype(dtype))
        np.testing.assert_array_equal(packed.plane(), plane.astype(dtype))
        assert packed.plane().dtype == dtype
