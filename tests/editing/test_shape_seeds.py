"""What boxes and ellipses say: their middle is of the structure, a ring around them is not."""

from __future__ import annotations

import numpy as np
import pytest

from napari_dim.editing.random_walks import scribbled
from napari_dim.editing.shape_seeds import seeds_of_box, seeds_of_ellipse


def scene(size):
    """A bright ellipse in noise, and one like it beside."""
    rows, columns = np.mgrid[:size, :size] / size
    body = np.hypot((rows - 0.5) / 0.12, (columns - 0.3) / 0.2) < 1
    other = np.hypot((rows - 0.5) / 0.12, (columns - 0.8) / 0.12) < 1
    noise = np.random.default_rng(0).normal(0, 10, body.shape)
    return 100 + 60 * (body | other) + noise, body, other


@pytest.mark.parametrize("seeds", [seeds_of_box, seeds_of_ellipse])
@pytest.mark.parametrize("size", [100, 512])
def test_a_shape_around_a_structure_finds_it_whichever_way_it_is_drawn(seeds, size):
    image, body, other = scene(size)
    rows, columns = np.flatnonzero(body.any(1)), np.flatnonzero(body.any(0))
    room = size // 50
    corners = (rows[-1] + room, columns[0] - room), (rows[0] - room, columns[-1] + room)
    of, off = seeds(body.shape, *corners)
    for a, b in zip((of, off), seeds(body.shape, *corners[::-1]), strict=True):
        np.testing.assert_array_equal(a, b)
    assert of.any()
    assert not (of & off).any()
    assert not (of & ~body).any()
    assert not (off & body).any()
    found = scribbled(image, of, off)
    assert 2 * np.sum(found & body) / (np.sum(found) + np.sum(body)) > 0.9
    assert not (found & other).any()


def test_an_ellipse_says_more_than_the_box_that_it_fills():
    of, off = seeds_of_ellipse((80, 60), (20, 10), (60, 50))
    of_box, off_box = seeds_of_box((80, 60), (20, 10), (60, 50))
    np.testing.assert_array_equal(of, of_box)
    assert off[26, 15]  # in the box's corner
    assert not off_box[26, 15]


@pytest.mark.parametrize("seeds", [seeds_of_box, seeds_of_ellipse])
def test_a_shape_may_reach_beyond_the_slice(seeds):
    of, off = seeds((40, 40), (-20, -20), (30, 30))
    assert of.any()
    assert off.any()
    assert not (of & off).any()
