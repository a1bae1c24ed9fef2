"""Cleaning up class ids: each tool against what geometry says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_dim.editing import clean_up


def ball(shape, centre, radius, spacing=(1.0, 1.0, 1.0)) -> np.ndarray:
    """Voxels whose middle is no further than `radius` from that of the voxel `centre`."""
    axes = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    square = sum(
        ((a - c) * s) ** 2 for a, c, s in zip(axes, centre, spacing[-len(shape) :], strict=True)
    )
    return square <= radius**2


@pytest.fixture
def two():
    """A large ball and a small one of class 1, and a ball of class 2 between them."""
    ids = np.zeros((20, 40, 60), np.uint8)
    ids[ball(ids.shape, (10, 20, 15), 8)] = 1
    ids[ball(ids.shape, (10, 20, 50), 3)] = 1
    ids[ball(ids.shape, (10, 20, 35), 4)] = 2
    return ids


def test_islands_smaller_than_a_ball_go_and_larger_ones_stay(two):
    spacing = (2.0, 1.0, 1.0)
    volume = 2.0 * np.count_nonzero(ball(two.shape, (10, 20, 50), 3))
    width = 2 * (volume * 3 / 4 / np.pi) ** (1 / 3)
    np.testing.assert_array_equal(clean_up.without_islands(two, [1], spacing, width * 0.99), two)
    cleaned = clean_up.without_islands(two, [1], spacing, width * 1.01)
    assert not cleaned[:, :, 44:].any()
    np.testing.assert_array_equal(cleaned[:, :, :44], two[:, :, :44])
    # What is small in one slice may be large in the stack: in a slice, discs are meant.
    plane = two[10]
    assert not clean_up.without_islands(plane, [1, 2], (1, 1), 9)[:, 30:].any()


def test_the_largest_piece_of_each_class_stays(two):
    cleaned = clean_up.largest_piece(two, [1, 2])
    assert not cleaned[:, :, 44:].any()
    np.testing.assert_array_equal(cleaned == 2, two == 2)
    assert not clean_up.largest_piece(np.zeros((4, 4), np.uint8), [1]).any()


def test_pieces_that_touch_by_a_corner_are_one():
    ids = np.zeros((6, 6), np.uint8)
    ids[0, 0] = ids[1, 1] = ids[2, 2] = ids[5, 5] = 1
    assert np.argwhere(clean_up.largest_piece(ids, [1])).tolist() == [[0, 0], [1, 1], [2, 2]]


def test_holes_are_filled_slice_by_slice_and_other_classes_in_them_stay():
    ids = np.zeros((3, 20, 20), np.uint8)
    ids[1, 4:16, 4:16] = 1
    ids[1, 7:13, 7:13] = 0
    ids[1, 9, 9] = 2
    filled = clean_up.without_holes(ids, [1])
    assert np.count_nonzero(filled[1] == 1) == 12 * 12 - 1
    assert filled[1, 9, 9] == 2
    assert not filled[[0, 2]].any()
    assert np.array_equal(clean_up.without_holes(ids[1], [1]), filled[1])
    ids[1, 4:16, 10] = 0  # open to one side: no hole
    assert clean_up.without_holes(ids, [1])[1, 12, 10] == 0


def test_smoothing_takes_spikes_away_and_leaves_a_body_where_it_is():
    ids = np.zeros((40, 40), np.uint8)
    body = ball(ids.shape, (20, 20), 12)
    ids[body] = 1
    ids[20, 30:39] = 1
    ids[12, 20] = 0
    cleaned = clean_up.smoothed(ids, [1], (1, 1), 3)
    assert not cleaned[20, 36:].any()
    assert cleaned[12, 20] == 1
    assert np.count_nonzero((cleaned == 1) ^ body) <= 20
    np.testing.assert_array_equal(clean_up.smoothed(ids, [1], (1, 1), 0), ids)


def test_smoothing_leaves_no_gap_between_classes_and_others_as_they_are():
    ids = np.zeros((30, 30), np.uint8)
    ids[5:25, 5:15], ids[5:25, 15:25] = 1, 2
    ids[10:12, 13:17] = 3
    cleaned = clean_up.smoothed(ids, [1, 2], (1, 1), 4)
    np.testing.assert_array_equal(cleaned == 3, ids == 3)
    assert (cleaned[8:22, 8:22] != 0).all()
    thick = clean_up.smoothed(np.repeat(ids[None], 3, 0), [1, 2], (50.0, 1, 1), 4)
    np.testing.assert_array_equal(thick[1], cleaned)  # far slices have no say


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (3.0, 0.8, 0.5)])
@pytest.mark.parametrize("margin", [2.0, 5.0])
def test_a_margin_is_so_wide_in_mm_in_every_direction(spacing, margin):
    ids = np.zeros((15, 41, 61), np.uint8)
    ids[7, 20, 30] = 4
    grown = clean_up.with_margin(ids, [4], spacing, margin)
    np.testing.assert_array_equal(grown == 4, ball(ids.shape, (7, 20, 30), margin, spacing))
    # Shrinking is growing of what is outside.
    solid = np.zeros_like(ids)
    solid[3:12, 8:33, 12:50] = 4
    shrunk = clean_up.with_margin(solid, [4], spacing, -margin)
    away = ndimage.distance_transform_edt(solid == 4, sampling=spacing)
    np.testing.assert_array_equal(shrunk == 4, away > margin + 1e-3)


def test_margins_meet_half_way_and_cover_no_other_class():
    ids = np.zeros((5, 21), np.uint8)
    ids[:, 3], ids[:, 13], ids[:, 20] = 1, 2, 9
    grown = clean_up.with_margin(ids, [1, 2], (1, 1), 8)
    assert grown[2].tolist() == [1] * 9 + [2] * 11 + [9]
    # Against each other two classes don't shrink, nor from the edge of the image.
    both = np.ones((6, 6), np.uint8)
    both[:, 3:] = 2
    np.testing.assert_array_equal(clean_up.with_margin(both, [1, 2], (1, 1), -2), both)


def test_nothing_is_written_into_what_was_given(two):
    before = two.copy()
    clean_up.without_islands(two, [1], (1, 1, 1), 50)
    clean_up.largest_piece(two, [1])
    clean_up.without_holes(two, [1])
    clean_up.smoothed(two, [1], (1, 1, 1), 3)
    clean_up.with_margin(two, [1], (1, 1, 1), 3)
    np.testing.assert_array_equal(two, before)


def ring_and_core() -> np.ndarray:
    """A ring of class 1 around a core of class 2, with a speck of 2 far away, ``(1, 20, 20)``."""
    rows, columns = np.mgrid[:20, :20] - 9
    away = np.hypot(rows, columns)
    ids = np.where(away < 4, 2, np.where(away < 7, 1, 0))[None].astype(np.uint8)
    ids[0, 18, 18] = 2
    return ids


def test_one_class_minus_another_and_only_with_another():
    ids = ring_and_core()
    core = ids == 2
    core[0, 18, 18] = False
    only = clean_up.only_near(ids, [2], 1, (5.0, 1.0, 1.0), 0.0)
    np.testing.assert_array_equal(only == 2, core)  # the ring encloses the core, not the speck
    minus = clean_up.without_near(ids, [2], 1, (5.0, 1.0, 1.0), 0.0)
    assert np.argwhere(minus == 2).tolist() == [[0, 18, 18]]
    for made in (only, minus):
        np.testing.assert_array_equal(made == 1, ids == 1)
    # The speck is 12.7 pixels from the middle, about 5.9 from the ring.
    assert clean_up.only_near(ids, [2], 1, (5.0, 1.0, 1.0), 7.0)[0, 18, 18] == 2
    assert clean_up.only_near(ids, [2], 1, (5.0, 2.0, 2.0), 7.0)[0, 18, 18] == 0
    absent = clean_up.only_near(ids, [2], 9, (5.0, 1.0, 1.0), 3.0)
    assert not (absent == 2).any()


def test_nearness_reaches_into_the_next_slices_by_mm():
    ids = np.zeros((5, 4, 4), np.uint8)
    ids[0] = 1
    ids[1:] = 2
    made = clean_up.without_near(ids, [2], 1, (3.0, 1.0, 1.0), 6.0)
    assert [int(plane.max()) for plane in made] == [1, 0, 0, 2, 2]


def test_classes_are_turned_into_another():
    ids = ring_and_core()
    made = clean_up.turned_into(ids, [2], 1)
    np.testing.assert_array_equal(made, (ids > 0).astype(np.uint8))
    assert made.dtype == ids.dtype
