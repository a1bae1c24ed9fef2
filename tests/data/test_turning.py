"""Scans on both sides of 45 degrees look alike to the network."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from napari_dim.config import Settings
from napari_dim.data.case import Case
from napari_dim.data.resolution import labelled_place
from napari_dim.data.slice_store import SliceStore
from napari_dim.data.turning import AS_IT_IS, Turn, directions, turn_towards
from napari_dim.data.working_grid import WorkingGrid, normalised
from napari_dim.engine.inference.out_of_core import predict_into
from napari_dim.engine.inference.predictor import predict
from napari_dim.engine.training.events import Finished, Preview
from napari_dim.engine.training.loop import Job, train
from napari_dim.volume import Volume
from tests.cases import case, ellipsoid

TURNED = [("z", 43, 47), ("z", -43, -47), ("x", -43, -47), ("zx", (40, 30), (50, 30))]
"""Rotations by which the layout turns over."""


def rotated(volume: Volume, axes, angles) -> Volume:
    """The same file, lying otherwise in the patient."""
    grid = volume.grid
    affine = grid.file_affine.copy()
    turn = Rotation.from_euler(axes, angles, degrees=True).as_matrix()
    affine[:3] = turn @ affine[:3]
    moved = replace(grid, file_affine=affine)
    return replace(volume, grid=moved, array=moved.to_array(grid.to_file(volume.array)))


@pytest.mark.parametrize(("exchanged", "up", "left"), product((False, True), repeat=3))
def test_a_turn_and_back(exchanged, up, left):
    turn = Turn(exchanged, (up, left))
    planes = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    there = turn.to(planes)
    assert turn.own(there.shape[-2:]) == (3, 4)
    np.testing.assert_array_equal(turn.back(there), planes)
    same = turn.to(torch.from_numpy(planes))
    np.testing.assert_array_equal(same, there)
    np.testing.assert_array_equal(turn.back(same), planes)


@pytest.mark.parametrize(("axes", "one", "other"), TURNED)
def test_a_few_degrees_do_not_turn_a_scan_over(axes, one, other):
    volume, _ = ellipsoid()
    a, b = rotated(volume, axes, one), rotated(volume, axes, other)
    assert a.grid.layout != b.grid.layout
    grid = WorkingGrid.fit([a, b], min_size=16, max_size=64, directions=directions(a))
    assert grid.turn(a) == AS_IT_IS
    assert grid.turn(b) != AS_IT_IS
    assert grid.shape(a) == grid.shape(b)
    stacks = [normalised(v, grid.shape(v), turn=grid.turn(v)) for v in (a, b)]
    torch.testing.assert_close(*stacks, atol=2e-3, rtol=0)  # sums of other order
    assert WorkingGrid.from_dict(grid.to_dict()) == grid


def test_other_scans_stay_as_they_are():
    volume, _ = ellipsoid(spacing=(1.0, 1.0, 1.0))
    wanted = directions(volume)
    assert turn_towards(rotated(volume, "z", 30), wanted) == AS_IT_IS  # within its plane
    assert turn_towards(volume.along(0), wanted) == AS_IT_IS  # cut along another axis
    assert turn_towards(volume.along(1), wanted) == AS_IT_IS
    assert turn_towards(rotated(volume, "z", 47), None) == AS_IT_IS
    nowhere = replace(volume, grid=replace(volume.grid, placed=False))
    assert directions(nowhere) is None
    assert turn_towards(nowhere, wanted) == AS_IT_IS


@pytest.mark.parametrize(("axes", "one", "other"), TURNED)
def test_masks_of_scans_turned_over_are_those_of_scans_that_are_not(axes, one, other):
    made = case((1, 2, 3))
    a, b = rotated(made.volume, axes, one), rotated(made.volume, axes, other)
    grid = made.volume.grid
    mask = a.grid.to_array(grid.to_file(made.mask))
    labelled = Case(a, mask, made.states, name="a")
    unlabelled = Case(b, None, np.zeros_like(made.states), name="b")
    settings = Settings.make(
        width=4, device="cpu", threads=1, steps=6, min_size=16, least_weight=0.0,
        labelled_batch=2, unlabelled_batch=2, mixed_precision=False,
    )  # fmt: skip
    events = list(train(Job([labelled, unlabelled], settings, preview_case=1)))
    end = events[-1]
    assert isinstance(end, Finished)
    upright, over = predict(end.model, a, threads=1), predict(end.model, b, threads=1)
    there = b.grid.to_file(over.mask)
    assert there.any()
    assert (a.grid.to_file(upright.mask) == there).mean() > 0.999  # sums of other order
    assert over.confidence.shape[1:] == grid_turned(end.model.grid, b)
    np.testing.assert_allclose(upright.entropy, over.entropy, atol=1e-3)
    shown = [event for event in events if isinstance(event, Preview)][-1]
    np.testing.assert_array_equal(shown.mask, over.mask)
    assert shown.confidence.shape == over.confidence.shape
    sink = np.zeros_like(over.mask)
    predict_into(sink, end.model, b, threads=1)
    np.testing.assert_array_equal(sink, over.mask)
    chosen = predict(end.model, b, threads=1, slices=[2])
    assert chosen.mask.shape == b.array.shape
    # Labels are turned as their slices are.
    turned = Case(b, b.grid.to_array(grid.to_file(made.mask)), made.states, name="b")
    stores = [
        SliceStore.build([one_of], end.model.grid, {1: 1, 2: 2}, torch.device("cpu"))
        for one_of in (labelled, turned)
    ]
    torch.testing.assert_close(stores[0].images, stores[1].images, atol=2e-3, rtol=0)
    assert torch.equal(stores[0].labels, stores[1].labels)
    again = stores[1].relabelled([turned], end.model.grid, {1: 1, 2: 2})
    assert torch.equal(stores[0].labels, again.labels)
    assert labelled_place([labelled], end.model.grid) == labelled_place([turned], end.model.grid)


def grid_turned(grid: WorkingGrid, volume: Volume) -> tuple[int, int]:
    """Rows and columns of the network's slices as they lie in the scan."""
    return grid.turn(volume).own(grid.shape(volume))
