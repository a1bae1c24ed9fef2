"""An outline that follows edges: the cheapest way, and what it encloses."""

from __future__ import annotations

import numpy as np
import pytest

from napari_dim.editing.live_wire import edge_costs, enclosed, straight, way


def disc(size, *, stretch=1.0):
    """A bright ellipse in noise; its radius is a quarter of the size along columns."""
    rows, columns = np.mgrid[:size, :size] - size / 2
    body = np.hypot(rows * stretch, columns) < size / 4
    return 100 + 100 * body + np.random.default_rng(0).normal(0, 5, body.shape), body


def on_border(size, angle, *, stretch=1.0):
    half = size / 2
    return (
        round(half + size / 4 / stretch * np.sin(angle)),
        round(half + size / 4 * np.cos(angle)),
    )


def dice(a, b):
    return 2 * np.sum(a & b) / (np.sum(a) + np.sum(b))


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("size", [96, 512])
def test_four_clicks_outline_a_disc(size, colour):
    image, body = disc(size)
    if colour:  # an edge in one channel alone
        image = np.stack([np.full_like(image, 90), image, np.full_like(image, 7)], -1)
    costs = edge_costs(image)
    points = [on_border(size, angle) for angle in np.pi / 2 * np.arange(4)]
    pairs = list(zip(points, points[1:] + points[:1], strict=True))
    found = enclosed(body.shape, np.concatenate([way(costs, a, b) for a, b in pairs]))
    square = enclosed(body.shape, np.concatenate([straight(a, b) for a, b in pairs]))
    assert dice(found, body) > 0.93 > 0.85 > dice(square, body)


def test_a_way_is_whole_and_has_both_ends():
    image, _ = disc(300)
    costs = edge_costs(image)
    for start, end in (((0, 0), (299, 299)), ((150, 75), (150, 225)), ((5, 9), (5, 9))):
        found = way(costs, start, end)
        assert tuple(found[0]) == start
        assert tuple(found[-1]) == end
        assert (np.abs(np.diff(found, axis=0)).max(1, initial=0) <= 1).all()


def test_in_a_flat_image_the_way_is_straight_as_it_is_seen():
    costs = edge_costs(np.full((60, 60), 7.0))
    np.testing.assert_array_equal(way(costs, (10, 10), (10, 50))[:, 0], 10)
    # Rows four times as far apart: a step aside is dear.
    assert len(way(costs, (10, 10), (12, 50), spacing=(4.0, 1.0))) == 41


def test_an_edge_counts_by_its_steepness_in_the_patient():
    image = np.zeros((64, 64))
    image[32:] += 100  # across rows that are far apart
    image[:, 32:] += 100
    even, wide = edge_costs(image), edge_costs(image, (4.0, 1.0))
    assert even[32, 5] == pytest.approx(even[5, 32])
    assert wide[32, 5] > 1.1 * wide[5, 32]


def test_thin_outlines_enclose_themselves():
    line = straight((5, 5), (5, 20))
    assert enclosed((30, 30), line).sum() == 16
