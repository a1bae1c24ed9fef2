"""What grows out of labelled slices: whose slices it leaves alone, and that it is one step."""

from __future__ import annotations

import numpy as np
import pytest

from napari_dim.errors import InputError
from napari_dim.gui.logic import growing
from napari_dim.gui.logic.growing import Ground, Sown, land
from napari_dim.gui.state.scan_mask import ScanMask
from napari_dim.states import SliceState
from tests.gui.conftest import tiny_image

U, D, P, M, A, C, E, F, H = SliceState
SPACING = (3.0, 1.0, 1.0)
IMAGE, BALL = tiny_image()


def nothing(share: float) -> None:
    assert 0 <= share <= 1


@pytest.fixture
def mask():
    """The ball in slices 3 and 9; the machine has said that nothing is anywhere."""
    made = ScanMask(np.zeros_like(BALL))
    made.planes[[3, 9]] = BALL[[3, 9]]
    made.look()
    made.take(np.arange(12), np.zeros_like(BALL))
    return made


def now_of(mask: ScanMask, sown=None) -> Ground:
    return growing.ground(mask, lambda number: IMAGE[number], SPACING, sown)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * np.sum(a & b) / (np.sum(a) + np.sum(b))


def test_gaps_are_filled_as_proposals_in_one_step(mask):
    mask.act("of mine", {5: E})
    before, states = mask.planes.copy(), mask.states
    text = land(mask, growing.fill(now_of(mask), nothing)).text
    assert text == "Filled 4 slices; look at each and confirm it. Ctrl-Z takes all back"
    assert [int(mask.states[n]) for n in (3, 4, 5, 6, 7, 8, 9)] == [D, F, E, F, F, F, D]
    assert all(dice(mask.planes[n] == 1, BALL[n] == 1) > 0.9 for n in (7, 8))
    assert mask.states[2] == M
    mask.undo()
    np.testing.assert_array_equal(mask.planes, before)
    np.testing.assert_array_equal(mask.states, states)


def test_slices_labelled_meanwhile_are_left_alone(mask):
    harvest = growing.fill(now_of(mask), nothing)
    mine = np.full((48, 40), 2, np.uint8)
    mask.act("meanwhile", {6: D}, {6: mine})
    land(mask, harvest)
    np.testing.assert_array_equal(mask.planes[6], mine)
    assert mask.states[6] == D
    assert mask.states[5] == F
    mask.act("all", dict.fromkeys(range(12), A))
    with pytest.raises(InputError, match="labelled meanwhile"):
        land(mask, harvest)


def test_what_is_drawn_in_a_slice_that_the_scan_lacks_stays(mask):
    mask.lack([5, 6])
    mine = np.full((48, 40), 2, np.uint8)
    mask.act("drawn", {6: D}, {6: mine})
    text = land(mask, growing.carry(now_of(mask), nothing, here=3)).text
    np.testing.assert_array_equal(mask.planes[6], mine)
    assert mask.planes[5].any()
    assert "What is drawn in slice 6, which the scan lacks, stays as it is" in text
    for number in (4, 7, 8):
        mask.act("labelled", {number: D}, {number: BALL[number]})
    with pytest.raises(InputError, match="missing in the scan, and hold a mask already"):
        land(mask, growing.fill(now_of(mask), nothing))


def test_seeds_grow_between_and_around(mask):
    text = land(mask, growing.grow(now_of(mask), nothing)).text
    assert "Grew into" in text
    shown = mask.areas > 0
    assert shown[2:11].all()
    assert all(dice(mask.planes[n] == 1, BALL[n] == 1) > 0.8 for n in range(2, 11))


def test_strokes_become_whole_and_are_sown_again():
    mask = ScanMask(np.zeros_like(BALL))
    for number in (4, 8):
        mask.planes[number, 16:33, 19:22] = 1
    mask.look()
    mask.act("partial", {4: P, 8: P})
    sown, strokes = Sown(), mask.planes.copy()
    harvest = growing.grow(now_of(mask), nothing)
    landed = land(mask, harvest)
    sown.keep(landed)
    assert "2 slices of strokes became whole" in landed.text
    assert set(mask.states[4:9]) == {F}
    assert all(dice(mask.planes[n] == 1, BALL[n] == 1) > 0.8 for n in range(4, 9))
    # Growing once more begins from the strokes, and from what was corrected meanwhile.
    assert sorted(sown.of(mask)) == [4, 8]
    mask.planes[8] = moved = np.roll(BALL[8], 1, axis=1)
    mask.look()
    assert mask.states[8] == C
    again = now_of(mask, sown.of(mask))
    assert sorted(again.strokes) == [4]
    assert sorted(again.whole) == [8]
    land(mask, growing.grow(again, nothing))
    np.testing.assert_array_equal(mask.planes[8], moved)
    mask.undo()
    mask.undo()
    mask.undo()
    np.testing.assert_array_equal(mask.planes, strokes)
    assert list(mask.states[[4, 8]]) == [P, P]
    assert sown.of(mask) == {}


class Kept(ScanMask):
    """A mask in which one class is drawn while all others stay."""

    only = 1


def test_other_classes_stay_where_they_are_kept_and_strokes_are_sown_again():
    kept = Kept(np.zeros_like(BALL))
    kept.planes[[3, 9]] = BALL[[3, 9]]
    kept.look()
    said = np.zeros_like(BALL)
    said[:, 20:28, 18:22] = 2
    kept.take(np.arange(12), said)
    landed = land(kept, growing.fill(now_of(kept), nothing))
    assert "kept other classes" in landed.text
    assert (kept.planes[4:9, 20:28, 18:22] == 2).all()
    assert (kept.planes[5, 14:18, 18:22] == 1).all()
    kept.undo()
    kept.planes[6, 16:33, 19:22] = 1
    kept.planes[6, 2:4, 5:30] = 2
    kept.look()
    kept.act("partial", {6: P})
    sown = Sown()
    sown.keep(land(kept, growing.grow(now_of(kept), nothing)))
    assert sorted(sown.of(kept)) == [6]


def test_a_mask_is_carried_on_until_a_labelled_slice_and_says_so(mask):
    text = land(mask, growing.carry(now_of(mask), nothing, here=3)).text
    assert "on to 8 (slice 9 is labelled)" in text
    assert text.startswith("Carried slice 3 ")
    assert set(mask.states[4:9]) == {F}
    assert mask.planes[5].any()
    mask.undo()
    assert not mask.planes[5].any()


def test_what_can_not_grow_is_told(mask):
    now = now_of(mask)
    with pytest.raises(InputError, match="not labelled as a whole"):
        growing.require_mask(now, here=5)
    growing.require_mask(now, here=3)
    growing.require_gap(now)
    growing.require_seeds(now)
    for number in range(12):
        mask.act("nothing", {number: E}, {number: np.zeros_like(BALL[0])})
    now = now_of(mask)
    with pytest.raises(InputError, match="shows nothing"):
        growing.require_mask(now, here=5)
    with pytest.raises(InputError, match="no slice without labels"):
        growing.require_gap(now)
    with pytest.raises(InputError, match="nothing to grow from"):
        growing.require_seeds(now)
    one = ScanMask(BALL.copy(), np.full(12, U, np.uint8))
    with pytest.raises(InputError, match="no two labelled slices"):
        growing.require_gap(now_of(one))


def test_painted_background_is_no_class(mask):
    class WithBrush(ScanMask):
        brush = 255

    made = WithBrush(np.zeros_like(BALL))
    made.planes[4, 16:33, 19:22] = 1
    made.planes[4, 2:46, 3:5] = 255
    made.planes[8] = BALL[8]
    made.planes[8, :2] = 255
    made.look()
    made.act("whole", {8: D})
    now = now_of(made)
    assert set(np.unique(now.strokes[4])) == {-1, 0, 1}
    assert set(np.unique(now.whole[8])) == {0, 1}
    harvest = growing.grow(now, nothing)
    assert all(set(np.unique(plane)) <= {0, 1} for plane in harvest.planes.values())


def test_why_nothing_grows_beyond_the_ends_is_told(mask):
    mask.planes[3:10] = BALL[3:10]
    mask.look()
    own = np.isin(np.arange(12), range(3, 10))[:, None, None]
    for others, why in ((-IMAGE, "unsure of slice 2"), (IMAGE.mean(), "in slice 2 it ends")):
        shown = np.where(own, IMAGE, others).astype(np.float32)
        now = growing.ground(mask, lambda number, shown=shown: shown[number], SPACING, None)
        with pytest.raises(InputError, match=rf"it grows nowhere: not back \({why}\); not on"):
            growing.grow(now, nothing)
