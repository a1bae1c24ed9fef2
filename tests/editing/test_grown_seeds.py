"""Slices and strokes grow into a volume, and masks are carried on until they end."""

from __future__ import annotations

import numpy as np

from napari_dim.editing import grown_seeds
from napari_dim.editing.grown_seeds import Stop, between_walls, carried, made_whole, reach_beyond
from tests.editing.test_slab_walks import dice, disc

SPACING = (2.0, 1.0, 1.0)


def ball(number: int) -> np.ndarray:
    """A ball of radius 18 in slices 2 to 18 about, around slice 10."""
    left = 18**2 - (2 * (number - 10)) ** 2
    return disc(left**0.5) if left > 0 else np.zeros((64, 64), bool)


def seen(number: int) -> np.ndarray:
    return np.where(ball(number), 200, 100) + np.random.default_rng(number).normal(0, 20, (64, 64))


def test_gaps_are_filled_and_the_share_done_only_grows():
    shares: list[float] = []
    walls = {n: ball(n).astype(np.uint8) for n in (4, 5, 10, 16)}
    found = between_walls(seen, walls, SPACING, report=shares.append)
    assert sorted(found) == [6, 7, 8, 9, 11, 12, 13, 14, 15]
    assert all(dice(ids == 1, ball(n)) > 0.93 for n, ids in found.items())
    assert shares == sorted(shares)
    assert abs(shares[-1] - 1) < 1e-9
    assert between_walls(seen, {3: walls[4]}, SPACING) == {}


def test_a_mask_is_carried_on_until_the_structure_ends():
    for numbers in (range(9, -1, -1), range(11, 20)):
        way = carried(seen, 10, ball(10).astype(np.uint8), numbers, SPACING)
        assert way.why != Stop.DONE
        last = list(way.planes)[-1]
        assert 2 <= abs(last - 10) <= 9
        assert all(dice(ids == 1, ball(n)) > 0.8 for n, ids in way.planes.items() if ball(n).any())
        assert all(ball(n).any() for n in way.planes)


def test_a_mask_is_carried_no_further_than_asked_nor_into_what_shows_nothing(monkeypatch):
    wall = ball(10).astype(np.uint8)
    way = carried(seen, 10, wall, [11, 12], SPACING)
    assert (sorted(way.planes), way.why) == ([11, 12], Stop.DONE)
    noise = np.random.default_rng(0).normal(100, 20, (30, 64, 64))
    assert carried(lambda n: noise[n], 10, wall, range(11, 29), SPACING).why != Stop.DONE
    monkeypatch.setattr(grown_seeds, "SURE", 1.0)
    way = carried(seen, 10, wall, [11, 12], SPACING)
    assert (way.planes, way.why) == ({}, Stop.UNSURE)


def test_a_slice_of_strokes_becomes_whole_and_keeps_them():
    seeds = np.full((64, 64), -1, np.int32)
    seeds[20:45, 31:34] = 3
    seeds[4:60, 6:9] = seeds[4:60, 56:58] = 0
    made = made_whole(seen(10), seeds, (1.0, 1.0))
    assert dice(made == 3, ball(10)) > 0.85
    np.testing.assert_array_equal(made[seeds >= 0], seeds[seeds >= 0])


def test_classes_of_one_body_part_where_the_image_does():
    halves = np.where(ball(10), np.where(np.arange(64) < 38, 200, 140), 60).astype(float)
    seeds = np.full((64, 64), -1, np.int16)
    seeds[22:42, 22:25] = 2  # further from the edge between the two than the other
    seeds[22:42, 42:44] = 7
    seeds[4:60, 6:9] = seeds[4:60, 56:58] = 0
    made = made_whole(halves, seeds, (1.0, 1.0))
    assert set(np.unique(made)) == {0, 2, 7}
    assert dice(made == 2, halves == 200) > 0.95
    assert dice(made == 7, halves == 140) > 0.9


def test_slices_beyond_are_tried_as_far_as_gaps_are_wide():
    assert reach_beyond([10, 30, 40], 50) == 10
    assert reach_beyond([10], 80) == 10
    assert reach_beyond([1, 2], 4) == 1
