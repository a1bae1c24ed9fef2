"""Which way planes are shown, how they lie on the screen, and what they look like."""

from __future__ import annotations

import numpy as np
import pytest

from napari_dim.gui.logic.cross_planes import (
    Glass,
    cross_planes,
    edge_letters,
    patient_codes,
)
from napari_dim.gui.logic.plane_pictures import (
    canvas,
    lay_image,
    lay_mask,
    outlines,
    ramp_of,
    seen,
    toned,
)
from napari_dim.gui.state.crosshair import Crosshair

SHAPE, SPACING = (5, 7, 9), (3.0, 1.0, 0.5)


@pytest.mark.parametrize("codes", ["SPL", "IPL", "PIL", "AIL", "LIP", "RIP", ""])
def test_planes_and_places_say_the_same(codes):
    """Of every plane, the pixel at a place is the voxel that the place is told to be."""
    array = np.random.default_rng(0).integers(0, 1000, SHAPE)
    for plane in cross_planes(SHAPE, SPACING, codes):
        shown = plane.cut(array, 2)
        assert shown.shape == plane.shape
        for place in ((0, 0), (1, 3), (plane.shape[0] - 1, plane.shape[1] - 1)):
            at = plane.voxel(2, np.array(place))
            assert array[tuple(at.astype(int))] == shown[place]
            assert tuple(plane.place(tuple(at))) == place
        some = shown > 500
        found = np.zeros(SHAPE, bool)
        found[plane.voxels(2, some)] = True
        assert np.array_equal(plane.cut(found, 2), some)
        assert found.sum() == some.sum()


@pytest.mark.parametrize("codes", ["SPL", "IPL", "PIL", "AIL", "LIP", "RIP"])
def test_planes_stand_head_up_whichever_way_the_slices_run(codes):
    wanted = {"Axial": "APRL", "Coronal": "SIRL", "Sagittal": "SIAP"}
    planes = cross_planes(SHAPE, SPACING, codes)
    assert {plane.title: plane.edges for plane in planes} == wanted
    for plane in planes:
        for axis, letter in ((0, plane.edges[0]), (1, plane.edges[2])):
            # The voxel at the top (or left) is the last one along an axis that runs there.
            first = plane.voxel(0, np.zeros(2))[plane.axes[axis]]
            runs_there = codes[plane.axes[axis]] == letter
            assert first == (SHAPE[plane.axes[axis]] - 1 if runs_there else 0)


def test_letters_follow_what_is_shown():
    assert edge_letters("SPL", 1, 2, True, True) == "APRL"
    assert edge_letters("SPL", 0, 2, True, False) == "ISLR"


def test_oblique_grids_are_told_by_their_angle():
    turn = np.deg2rad(20)
    affine = np.eye(4)
    affine[:3, :3] = [[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 2]]
    assert patient_codes(affine) == ("RAS", pytest.approx(20))


def test_a_plane_lies_on_the_screen_in_true_proportion_and_is_zoomed_about_a_place():
    plane = cross_planes(SHAPE, SPACING)[1]  # 5 x 9 pixels of 3 x 0.5
    glass = Glass.fitted(plane, (150, 200))
    assert glass.zoom == pytest.approx(10)
    assert tuple(glass.steps) == (30, 5)
    assert tuple(glass.to_screen(np.array([2, 4]))) == (75, 100)
    (top, rows), (left, columns) = glass.pixels(0), glass.pixels(1)
    assert (top, list(rows[::30])) == (0, [0, 1, 2, 3, 4])
    assert (left, len(columns)) == (77, 45)
    held = np.array([40.0, 120.0])
    near = glass.nearer(2, held)
    assert near.zoom == pytest.approx(20)
    assert near.to_plane(held) == pytest.approx(glass.to_plane(held))
    assert near.nearer(0.1, held) == glass
    assert glass.resized((300, 400)) == Glass.fitted(plane, (300, 400))
    moved = near.moved(np.array([0, 10_000]))
    assert moved.middle[1] == 0  # some of it stays in sight


def test_what_is_seen_is_the_voxels_of_the_screen():
    plane = cross_planes(SHAPE, SPACING)[1]
    glass = Glass.fitted(plane, (150, 60))
    values = np.arange(45.0).reshape(5, 9)
    where, found = seen(values, glass)
    picture = canvas(glass, (10, 20, 30))
    ramp = ramp_of(np.repeat(np.linspace(0, 1, 256)[:, None], 3, axis=1))
    lay_image(picture, where, toned(found, 0, 44, ramp))
    assert tuple(picture[0, 0]) == (30, 20, 10, 255)  # outside
    at = np.floor(glass.to_screen(np.array([4, 8]))).astype(int)
    assert tuple(picture[tuple(at)][:3]) == (255, 255, 255)
    assert np.isfinite(toned(np.array([[np.nan, np.inf]]), 0, 1, ramp)).all()


def test_masks_are_areas_or_lines_slice_by_slice():
    picture = np.zeros((8, 8, 4), np.uint8)
    ids = np.zeros((8, 8), np.uint8)
    ids[1:7, 1:7] = 1
    colours = np.array([[0, 0, 0, 0], [1, 0.5, 0, 1]])
    lines = np.array([1, 1, 1, 1, 0, 0, 0, 0])[:, None]
    lay_mask(picture, (slice(0, 8), slice(0, 8)), ids, colours, lines)
    red = picture[..., 2] > 0
    assert not red[2:4, 2:6].any()  # inside, where lines are shown
    assert red[1:4, 1].all()
    assert red[4:7, 1:7].all()
    assert red.sum() == 18 + 6 + 2 + 2  # three rows, the upper edge, both sides of two
    assert outlines(ids, 1)[1:7, 1].all()


def test_the_crosshair_stays_in_the_scan_and_tells_where_it_was():
    crosshair, told = Crosshair(), []
    crosshair.start((5, 7, 9))
    assert crosshair.at == (2, 3, 4)
    crosshair.moved.connect(told.append)
    crosshair.go(-3, 2.6, 99)
    assert crosshair.at == (0, 3, 8)
    crosshair.go(0, 3, 8)
    assert told == [(2, 3, 4)]
