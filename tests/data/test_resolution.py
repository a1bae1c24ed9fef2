"""The working grid is as coarse as the labels allow."""

from __future__ import annotations

import numpy as np
import pytest

from napari_dim.data.case import Case
from napari_dim.data.resolution import labelled_place, sufficient_side
from napari_dim.data.working_grid import WorkingGrid
from napari_dim.volume import Grid, Volume

SIDES = (32, 64, 96, 128)


def drawn(mask):
    grid = Grid((mask.shape[1], mask.shape[0], 1), np.eye(4), slice_axis=2)
    volume = Volume(np.zeros((1, *mask.shape), np.float32), grid)
    return Case(volume, mask[None].astype(np.uint8), np.ones(1, np.uint8))


def disc(size=256, radius=80.0):
    y, x = np.mgrid[:size, :size] - size / 2
    return np.hypot(y, x) < radius


def test_a_large_organ_needs_few_pixels_and_a_thin_one_many():
    thick = drawn(disc())
    thin = drawn(disc() & ~disc(radius=74))
    assert sufficient_side([thick], SIDES, 0.97) == 32
    assert sufficient_side([thin], SIDES, 0.97) > 64
    assert sufficient_side([thick, thin], SIDES, 0.9999) == 128


def test_the_class_that_loses_most_decides():
    small = disc(radius=5)
    both = np.where(small, 2, disc().astype(int))
    sides = {
        name: sufficient_side([drawn(mask)], SIDES, 0.95)
        for name, mask in {"large": disc(), "small": small, "both": both}.items()
    }
    assert sides["small"] > sides["large"]
    assert sides["both"] >= sides["small"]


def test_small_slices_are_left_alone():
    assert sufficient_side([drawn(disc(size=30, radius=3))], SIDES, 1.0) == 32


def test_ids_may_have_gaps():
    mask = np.where(disc(), 200, 0)
    assert sufficient_side([drawn(mask)], SIDES, 0.97) == 32


GRID = WorkingGrid(pixel=2.0, side=128, patch=(128, 128), largest=256)


def test_the_place_of_what_is_labelled_is_told_from_the_middle():
    low = np.zeros((512, 256), bool)
    low[300:340, 100:140] = True  # 64 rows below the middle, 8 columns left of it
    assert labelled_place([drawn(low)], GRID) == (32, -4)
    assert labelled_place([drawn(low), drawn(low[::-1, ::-1])], GRID) == (0, 0)


@pytest.mark.parametrize("rows", [(0, 512), (250, 250)])
def test_what_a_patch_does_not_hold_has_no_place(rows):
    mask = np.zeros((512, 256), bool)
    mask[slice(*rows), 100:140] = True
    assert labelled_place([drawn(mask)], GRID) is None
