"""Strokes in a slice: each refines the mask, is one step, and has no say once it is taken back."""

from __future__ import annotations

import numpy as np
import pytest

from napari_dim.editing.shape_seeds import seeds_of_box
from napari_dim.gui.logic.scribble_strokes import Scribbles
from napari_dim.gui.state.scan_mask import ScanMask
from napari_dim.states import SliceState
from tests.gui.conftest import tiny_image

IMAGE, BALL = tiny_image()


@pytest.fixture
def mask():
    return ScanMask(np.zeros_like(BALL))


def pixels(*box: int) -> np.ndarray:
    made = np.zeros(BALL.shape[1:], bool)
    made[box[0] : box[1], box[2] : box[3]] = True
    return made


ALONG, BESIDE = pixels(18, 30, 19, 21), pixels(5, 8, 5, 30)


def add(scribbles, number=6, there=ALONG, *, wanted=True, class_id=1, **more):
    how = {"image": IMAGE[number], "spacing": (1.0, 1.0), **more}
    none = np.zeros_like(there)
    said = (there, none) if wanted else (none, there)
    return scribbles.add(number, class_id, *said, **how)


def test_what_was_drawn_by_hand_before_stays_but_where_it_is_not_wanted(mask):
    dim = pixels(14, 17, 8, 14)  # beside the ball, and as dark as what is around it
    mask.planes[6][dim] = 1
    mask.look([6])
    scribbles = Scribbles(mask)
    add(scribbles)
    add(scribbles, there=pixels(8, 30, 22, 24))
    assert (mask.planes[6][dim] == 1).all()
    add(scribbles, there=pixels(15, 16, 9, 13), wanted=False)
    assert not mask.planes[6][15:16, 9:13].any()


def dice(a, b):
    return 2 * np.sum(a & b) / (a.sum() + b.sum())


def test_a_stroke_gives_the_slices_mask_as_one_step(mask):
    act = add(Scribbles(mask))
    assert act is mask.steps.last
    assert dice(mask.planes[6] == 1, BALL[6] == 1) > 0.9
    assert mask.states[6] == SliceState.PAINTED
    mask.undo()
    assert not mask.planes.any()
    assert mask.states[6] == SliceState.UNTOUCHED


def test_strokes_add_up_and_one_that_was_taken_back_has_no_say(mask):
    scribbles = Scribbles(mask)
    add(scribbles)
    first = mask.planes[6].copy()
    add(scribbles, there=BESIDE)
    assert (mask.planes[6][BESIDE] == 1).all()
    assert len(scribbles.standing(6, 1)) == 2
    add(scribbles, there=BESIDE, wanted=False)
    assert not mask.planes[6][BESIDE].any()
    assert dice(mask.planes[6] == 1, BALL[6] == 1) > 0.9  # the first stroke still holds
    for _ in range(2):
        mask.undo()
    np.testing.assert_array_equal(mask.planes[6], first)
    assert len(scribbles.standing(6, 1)) == 1
    mask.redo()
    assert len(scribbles.standing(6, 1)) == 2


def test_what_else_changed_a_slice_is_kept_and_corrected(mask):
    scribbles = Scribbles(mask)
    add(scribbles)
    mask.planes[6, 44:47, 2:38] = 1  # the plain brush, far from the strokes
    mask.look()
    assert scribbles.standing(6, 1) == []
    add(scribbles, there=pixels(20, 28, 25, 27))
    assert (mask.planes[6, 44:47, 2:38] == 1).all()


def test_another_slice_and_another_class_have_strokes_of_their_own(mask):
    scribbles = Scribbles(mask)
    add(scribbles)
    before = mask.planes[6].copy()
    add(scribbles, 5)
    np.testing.assert_array_equal(mask.planes[6], before)
    assert len(scribbles.standing(5, 1)) == 1
    add(scribbles, 5, pixels(2, 6, 2, 12), class_id=2)
    assert (mask.planes[5] == 1).any()
    assert (mask.planes[5][2:6, 2:12] == 2).all()


class Kept(ScanMask):
    """A mask in which one class is drawn while all others stay."""

    only = 1


@pytest.mark.parametrize("kind", [ScanMask, Kept])
def test_other_classes_are_covered_by_strokes_alone_and_not_at_all_where_they_are_kept(kind):
    mask = kind(np.zeros_like(BALL))
    mask.planes[6, 20:24, 15:25] = 3
    mask.look()
    add(Scribbles(mask))
    if kind is Kept:
        assert (mask.planes[6, 20:24, 15:25] == 3).all()
        return
    under = mask.planes[6, 20:24, 15:25]
    assert (under[:, 4:6] == 1).all()  # the stroke itself
    assert (np.delete(under, (4, 5), 1) == 3).all()


def test_a_machines_slice_is_corrected_by_its_probabilities(mask):
    mask.take(np.arange(12), np.roll(BALL, 4, axis=1))
    mask.answer.confidence = np.full((12, 24, 20), 240, np.uint8)
    said = mask.planes[6].copy()
    there = pixels(13, 16, 17, 24)
    assert BALL[6][there].all()
    assert not said[13:15, 17:24].any()  # the machine was too low
    add(Scribbles(mask), there=there)
    assert mask.states[6] == SliceState.CORRECTED
    now = mask.planes[6] == 1
    assert now[there].all()
    # Around the stroke the mask is better now, further away it is the machine's.
    right = BALL[6, :25] == 1
    assert dice(now[:25], right) > dice(said[:25] == 1, right) + 0.1
    np.testing.assert_array_equal(now[30:], said[30:] == 1)
    mask.undo()
    np.testing.assert_array_equal(mask.planes[6], said)
    assert mask.states[6] == SliceState.MACHINE


def test_a_stroke_that_changes_nothing_is_no_step_and_holds_all_the_same(mask):
    scribbles = Scribbles(mask)
    assert add(scribbles, there=BESIDE, wanted=False) is None
    assert mask.steps.last is None
    add(scribbles)
    assert len(scribbles.standing(6, 1)) == 2
    assert not mask.planes[6][BESIDE].any()


def test_after_a_box_a_stroke_over_what_is_missing_takes_nothing_else_away():
    rows, columns = np.mgrid[:64, :64]
    body = ((rows - 32) / 16) ** 2 + ((columns - 28) / 14) ** 2 < 1
    dark = (((rows - 32) / 6) ** 2 + ((columns - 43) / 5) ** 2 < 1) & ~body  # of the structure, too
    noise = np.random.default_rng(0).normal(0, 15, body.shape)
    image = 100 + 100 * (body | (columns > 50)) - 80 * dark + noise
    mask = ScanMask(np.zeros((1, 64, 64), np.uint8))
    scribbles = Scribbles(mask)

    def said(of: np.ndarray, off: np.ndarray, **how: bool) -> None:
        scribbles.add(0, 1, of, off, image=image, spacing=(1.0, 1.0), **how)

    none = np.zeros_like(body)
    said(*seeds_of_box(body.shape, (15, 13), (49, 43)), lasting=False)
    beside, there = none.copy(), none.copy()
    beside[10:14, 6:56] = beside[50:54, 6:56] = True
    there[31:33, 44:47] = True
    said(none, beside)
    said(there, none)
    assert dice(mask.planes[0] == 1, body | dark) > 0.9


def test_a_box_around_one_piece_leaves_what_was_drawn_of_another():
    rows, columns = np.mgrid[:64, :64]
    body = ((rows - 40) / 10) ** 2 + ((columns - 30) / 10) ** 2 < 1
    image = 100 + 100 * body + np.random.default_rng(0).normal(0, 15, body.shape)
    mask = ScanMask(np.zeros((1, 64, 64), np.uint8))
    drawn = np.zeros_like(body)
    drawn[20:27, 26:36] = True  # by hand, just above where the box will be
    mask.planes[0][drawn] = 1
    mask.look()
    box = seeds_of_box(body.shape, (28, 18), (52, 42))
    Scribbles(mask).add(0, 1, *box, image=image, spacing=(1.0, 1.0), lasting=False)
    assert (mask.planes[0][drawn] == 1).all()
    assert dice((mask.planes[0] == 1) & ~drawn, body) > 0.9
