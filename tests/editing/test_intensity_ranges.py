"""Ranges picked from a spot, and what hangs together within them."""

from __future__ import annotations

import numpy as np
import pytest

from napari_dim.editing.intensity_ranges import Range, hanging_together, picked


@pytest.fixture
def image():
    """Two squares of 200 in noise around 100, one of them joined to a darker stripe."""
    made = np.random.default_rng(0).normal(100, 5, (60, 60))
    made[10:25, 10:25] += 100
    made[40:55, 40:55] += 100
    made[16:18, 25:60] += 60
    return made


def spot(row, column):
    made = np.zeros((60, 60), bool)
    made[row - 1 : row + 2, column - 1 : column + 2] = True
    return made


def around(middle, reach):
    return Range(np.atleast_1d(middle) - reach, np.atleast_1d(middle) + reach)


def test_a_range_holds_what_is_like_the_spot(image):
    found = picked(image, spot(17, 17))
    assert 180 < found.low[0] < 195 < 205 < found.high[0] < 220
    there = found.wider(1.5).holds(image)
    assert there[10:25, 10:25].mean() > 0.9
    assert there[40:55, 40:55].mean() > 0.9
    assert there[30:38].mean() < 0.01
    # One odd pixel in the spot has no say.
    odd = image.copy()
    odd[17, 17] = 4000
    assert picked(odd, spot(17, 17)).low == pytest.approx(found.low, rel=0.05)
    flat = picked(np.full((9, 9), 7.0), np.ones((9, 9), bool))
    assert (flat.low, flat.high) == (7, 7)


def test_both_limits_are_within_and_those_of_integers_are_integers():
    image = np.arange(100, dtype=np.int16).reshape(10, 10)
    held = Range(np.array([20.0]), np.array([30.0])).holds(image)
    assert image[held].tolist() == list(range(20, 31))
    found = picked(image, image == 44)
    assert found.low == int(found.low[0])
    assert found.holds(image).sum() == found.high - found.low + 1


def test_what_hangs_together_with_the_spot_is_taken_and_nothing_else(image):
    middle = float(np.median(image[spot(17, 17)]))
    near = hanging_together(around(middle, 20).holds(image), spot(17, 17))
    assert near[10:25, 10:25].mean() > 0.95
    assert not near[30:].any()
    wide = hanging_together(around(middle, 60).holds(image), spot(17, 17))
    assert wide[16:18, 30:].mean() > 0.9
    assert not hanging_together(np.zeros((60, 60), bool), spot(3, 3)).any()


def test_in_colour_every_channel_must_be_in_range(image):
    colour = np.stack([image, np.full_like(image, 50), np.full_like(image, 50)], -1)
    colour[40:55, 40:55, 1] = 200
    found = picked(colour, spot(17, 17))
    there = Range(found.low - 10, found.high + 10).holds(colour)
    assert there[10:25, 10:25].mean() > 0.9
    assert not there[40:55, 40:55].any()
