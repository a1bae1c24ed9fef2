"""Where two masks differ: what is shown, counted and gone through."""

from __future__ import annotations

import numpy as np
import pytest

from napari_dim.gui.logic.mask_differences import (
    IN_ORDER,
    LARGEST,
    ONLY_A,
    ONLY_B,
    OTHER,
    Differences,
    compare,
    rows,
)
from napari_dim.gui.state.score import dice
from napari_dim.volume import Grid


@pytest.fixture
def masks():
    """Two masks of four slices, 20 x 20, that differ in slices 1 and 3."""
    a = np.zeros((4, 20, 20), np.uint8)
    a[1:, 4:12, 4:12] = 1
    a[2, 4:12, 4:12] = 2
    b = a.copy()
    b[1, 4:12, 10:12] = 0  # 16 pixels only in A
    b[1, 15, 15:18] = 2  # 3 only in B
    b[3, 4:6, 4:8] = 2  # 8 of another class
    return a, b


@pytest.fixture
def found(masks):
    a, b = masks
    made = Differences(len(a))
    for number in made.stale([0] * len(a), 0):
        made.take(number, 0, compare(number, a[number], b[number]))
    return made


def test_the_overlay_says_in_which_mask_a_pixel_is(masks):
    a, b = masks
    for number in range(4):
        overlay = compare(number, a[number], b[number]).overlay
        one, other = a[number], b[number]
        np.testing.assert_array_equal(overlay == ONLY_A, (one > 0) & (other == 0))
        np.testing.assert_array_equal(overlay == ONLY_B, (one == 0) & (other > 0))
        both = (one > 0) & (other > 0) & (one != other)
        np.testing.assert_array_equal(overlay == OTHER, both)


def test_counts_by_slice_and_agreement_by_class(masks, found):
    a, b = masks
    assert found.counts.tolist() == [[0, 0, 0], [16, 3, 0], [0, 0, 0], [0, 0, 8]]
    assert found.slices == [1, 3]
    for one in found.agreements():
        in_a, in_b = a == one.id, b == one.id
        assert (one.a, one.b, one.both) == (in_a.sum(), in_b.sum(), (in_a & in_b).sum())
        assert one.dice == pytest.approx(dice(in_a.astype(int), in_b.astype(int)))
    header, *body = rows(
        found.agreements(), {1: "disc"}, Grid((20, 20, 4), np.diag([1.0, 1, 5, 1]), 2)
    )
    assert header == ("class", "Dice", "A (ml)", "B (ml)", "B − A")
    assert body[0] == ("disc", "0.897", "0.64", "0.52", "-0.12")
    assert rows(found.agreements(), {}, Grid.of_pictures(4, 20, 20))[0][2] == "A (px)"


def test_pieces_come_largest_first_or_slice_by_slice_and_begin_again(found):
    def walk(order: str, direction: int) -> list[int]:
        last, areas = None, []
        for _ in range(4):
            _, last = found.step(last, order, direction)
            areas.append(last.area)
        return areas

    assert walk(LARGEST, 1) == [16, 8, 3, 16]
    assert walk(LARGEST, -1) == [3, 8, 16, 3]
    assert walk(IN_ORDER, 1) == [16, 3, 8, 16]
    place, piece = found.step(None, LARGEST, 1)
    assert (place, piece.number, piece.row, piece.column) == (0, 1, 7.5, 10.5)
    assert Differences(4).step(None, LARGEST, 1) is None


def test_a_piece_that_was_mended_is_gone_and_the_next_one_follows(masks, found):
    a, b = masks
    _, last = found.step(None, LARGEST, 1)
    b[1, 4:12, 10:12] = 1
    versions = [0, 1, 0, 0]
    assert found.stale(versions, 3) == [1]
    found.take(1, 1, compare(1, a[1], b[1]))
    assert found.counts[1].tolist() == [0, 3, 0]
    _, after = found.step(last, LARGEST, 1)
    assert after.area == 8
    _, before = found.step(after, LARGEST, -1)
    assert before.area == 3  # nothing is larger any more: the last one of all


def test_pixels_that_touch_at_a_corner_are_one_piece():
    a = np.zeros((6, 6), np.uint8)
    b = a.copy()
    b[1, 1] = b[2, 2] = 1
    b[5, 5] = 1
    assert sorted(piece.area for piece in compare(0, a, b).pieces) == [1, 2]
