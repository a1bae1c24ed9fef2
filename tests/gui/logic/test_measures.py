"""Lengths and angles as the patient has them, on grids that are oblique, sheared and in pixels."""

from __future__ import annotations

import numpy as np
import pytest

from napari_dim.gui.logic.measures import angle, length, nearest, rows, turned, words
from napari_dim.gui.state.rulers import Rulers
from napari_dim.volume import Grid
from tests.gui.logic.test_live_numbers import grid


def test_a_length_is_that_in_the_patient():
    points = [(0.0, 1.5, 2.0), (3.0, 4.0, 0.5)]
    places = [(grid().affine @ (*point, 1))[:3] for point in points]
    assert length(points, grid()) == pytest.approx(np.linalg.norm(places[1] - places[0]))
    assert words(points, grid()).endswith(" mm")


def test_in_pixels_of_unequal_sides_lengths_and_angles_are_right():
    affine = np.diag([-0.5, -2.0, 3.0, 1])  # columns of 0.5 mm, rows of 2 mm, slices of 3 mm
    thin = Grid((20, 20, 4), affine, 2)
    assert length([(1, 0, 0), (1, 0, 8)], thin) == pytest.approx(4)
    assert length([(1, 0, 0), (1, 8, 0)], thin) == pytest.approx(16)
    assert length([(0, 0, 0), (2, 4, 0)], thin) == pytest.approx(10)
    assert angle([(1, 0, 4), (1, 0, 0), (1, 1, 4)], thin) == pytest.approx(45)
    assert angle([(1, 0, 4), (1, 0, 0), (1, 3, 0)], thin) == pytest.approx(90)
    assert angle([(1, 0, 4), (1, 0, 0), (1, 0, -4)], thin) == pytest.approx(180)
    assert angle([(1, 0, 4), (1, 0, 4), (1, 0, 0)], thin) == 0


def test_the_table_names_them_with_unit_and_slice():
    plain = Grid.of_pictures(3, 10, 10)
    measured = [
        [(1, 0, 0), (1, 3, 4)],
        [(2, 0, 1), (2, 0, 0), (2, 1, 0)],
        [(0, 0, 0), (2, 0, 0)],
    ]
    assert rows(measured, plain)[1:] == [
        ("ruler 1", "5", "px", "1"),
        ("angle 2", "90", "°", "2"),
        ("ruler 3", "2", "px", "0 to 2"),
    ]


def test_a_scan_that_is_cut_in_another_plane_has_them_in_the_same_place():
    old = grid()
    new = Grid(old.file_shape, old.file_affine, 0)
    points = [(1.0, 2.0, 3.0), (4.0, 0.5, 6.0)]
    moved = turned(points, old, new)
    for before, after in zip(points, moved, strict=True):
        np.testing.assert_allclose(old.affine @ (*before, 1), new.affine @ (*after, 1))
    assert length(moved, new) == pytest.approx(length(points, old))


def test_the_line_under_a_place_is_found():
    lines = [
        [np.array([0.0, 0]), np.array([0.0, 10])],
        [np.array([5.0, 0]), np.array([5.0, 5]), np.array([9.0, 5])],
    ]
    assert nearest(lines, np.array([1.0, 5]), 2) == 0
    assert nearest(lines, np.array([8.0, 6]), 2) == 1
    assert nearest(lines, np.array([8.0, 9]), 2) is None
    assert nearest([], np.array([0.0, 0]), 2) is None


def test_rulers_are_kept_drawn_and_removed():
    rulers, told = Rulers(), []
    rulers.changed.connect(lambda: told.append(len(rulers.done)))
    rulers.draw([(0, 0, 0), (0, 1, 1)])
    assert told == []
    rulers.add([(0, 0, 0), (0, 1, 1)])
    rulers.add([(0, 0, 0), (0, 1, 1), (0, 2, 0)])
    assert rulers.drawn == ()
    with pytest.raises(ValueError, match="1 places"):
        rulers.add([(0, 0, 0)])
    rulers.remove([0])
    assert [len(one) for one in rulers.done] == [3]
    assert told == [1, 2, 1]
    assert rulers.undo().title == "remove 1 ruler"
    assert rulers.undo().title == "draw the angle"
    assert [len(one) for one in rulers.done] == [2]
    rulers.redo()
    assert [len(one) for one in rulers.done] == [2, 3]
    rulers.remove([0, 1])
    assert rulers.redo() is None
    rulers.start([((0, 0, 0), (0, 1, 1))])
    assert rulers.undo() is None
