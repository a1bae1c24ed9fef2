"""Numbers of a mask, counted by slice: those of the Export table, and of numpy."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from napari_dim.gui.logic.live_numbers import LUMINANCE, LiveNumbers, rows, tally
from napari_dim.gui.state.scan_mask import ScanMask
from napari_dim.io.export.size_tables import write_sizes
from napari_dim.states import SliceState
from napari_dim.volume import Grid, Place

TURN = np.deg2rad(25)
OBLIQUE = np.array(
    [[np.cos(TURN), -np.sin(TURN), 0], [np.sin(TURN), np.cos(TURN), 0], [0, 0.2, 1]]
) @ np.diag([-0.7, 0.9, 3.0])


def grid(unit: str = "mm") -> Grid:
    affine = np.eye(4)
    affine[:3, :3] = OBLIQUE
    return Grid((7, 6, 5), affine, 2, unit)


@pytest.fixture
def scan():
    """A mask of two classes, (5, 6, 7), and bright values without an end in a few places."""
    rng = np.random.default_rng(0)
    planes = rng.integers(0, 3, (5, 6, 7)).astype(np.uint8)
    planes[4] = 0
    values = rng.normal(1e6, 3, planes.shape)
    values[1, :2] = np.nan
    return planes, values


def counted(planes: np.ndarray, values: np.ndarray) -> LiveNumbers:
    numbers = LiveNumbers(len(planes))
    for number, plane in enumerate(planes):
        numbers.take(number, 1, tally(plane, values[number]))
    return numbers


def test_they_are_those_of_numpy_over_all_slices_and_in_one(scan):
    planes, values = scan
    found = counted(planes, values).of(2, 1, [0, 4])
    for amount, part in ((found.whole, slice(None)), (found.here, 1)):
        inside = values[part][planes[part] == 2]
        assert amount.voxels == inside.size
        assert amount.mean == pytest.approx(np.nanmean(inside), rel=1e-12)
        assert amount.deviation == pytest.approx(np.nanstd(inside), rel=1e-6)
    assert (found.slices, found.labelled) == (4, 1)
    nothing = counted(planes, values).of(9, 0, [])
    assert (nothing.whole.voxels, nothing.slices) == (0, 0)
    assert np.isnan(nothing.whole.mean)


def test_what_is_read_is_what_the_table_of_the_export_says(scan, tmp_path):
    planes, values = scan
    numbers = counted(planes, values)
    path = write_sizes(tmp_path / "sizes.csv", planes, Place(grid()))
    with path.open(encoding="utf-8", newline="") as file:
        exported = list(csv.DictReader(file))
    for number in range(len(planes)):
        header, *body = rows([numbers.of(i, number, []) for i in (1, 2)], {1: "disc"}, grid())
        assert header[:2] == ("class", "here (mm²)")
        assert [row[0] for row in body] == ["disc", "2"]
        for class_id, row in zip(("1", "2"), body, strict=True):
            mine = [one for one in exported if one["id"] == class_id]
            whole = next(one for one in mine if one["slice"] == "all")
            assert (row[4], row[7]) == (whole["volume_ml"], whole["voxels"])
            here = [one["area_mm2"] for one in mine if one["slice"] == str(number)]
            assert row[1] == (here[0] if here else "0")
    assert body[0][2:4] == ("-", "-")  # slice 4 shows nothing


def test_pictures_without_a_size_are_counted_in_pixels(scan):
    planes, values = scan
    plain = Grid.of_pictures(*planes.shape)
    header, row = rows([counted(planes, values).of(1, 0, [])], {}, plain)
    assert header[1] == "here (px)"
    assert header[4] == "all (px)"
    assert row[1] == str(np.sum(planes[0] == 1))
    assert row[4] == row[7] == str(np.sum(planes == 1))


def test_of_colours_the_luminance_is_taken():
    plane = np.array([[1, 1, 0]], np.uint8)
    values = np.array([[[255, 0, 0, 9], [0, 255, 0, 9], [1, 1, 1, 9]]], np.uint8)
    found = tally(plane, values)
    assert found.mean[0] == pytest.approx(255 * (LUMINANCE[0] + LUMINANCE[1]) / 2)


def test_large_ids_are_counted_as_small_ones():
    plane = np.array([[0, 7, 2**31, 7]], np.uint32)
    found = tally(plane, np.array([[0.0, 1, 5, 3]]))
    assert found.ids.tolist() == [7, 2**31]
    assert found.mean.tolist() == [2, 5]


def test_only_what_changed_is_counted_anew_the_nearest_first(scan):
    planes, values = scan
    mask = ScanMask(planes)
    numbers = LiveNumbers(len(planes))
    assert numbers.stale(mask.versions, 3) == [3, 2, 4, 1, 0]
    for number, plane in enumerate(planes):
        numbers.take(number, int(mask.versions[number]), tally(plane, values[number]))
    assert numbers.stale(mask.versions, 3) == []
    mask.planes[1, 0, :2] = 1
    assert mask.look() == (1,)
    assert numbers.stale(mask.versions, 3) == [1]
    mask.undo()
    mask.act("accept", {2: SliceState.ACCEPTED}, {2: np.zeros((6, 7), np.uint8)})
    assert numbers.stale(mask.versions, 3) == [2, 1]
    numbers.take(2, int(mask.versions[2]), tally(mask.planes[2], values[2]))
    assert numbers.of(1, 2, []).here.voxels == 0
    # Other voxels in the array's place: all is counted anew.
    mask.start(planes[::-1].copy())
    assert len(numbers.stale(mask.versions, 0)) == len(planes)


def test_the_machines_masks_and_new_ids_change_the_version(scan):
    planes, _ = scan
    mask = ScanMask(np.zeros_like(planes))
    before, said = mask.versions, mask.answer.versions.copy()
    mask.take(np.array([2]), planes[[2]])
    assert np.flatnonzero(mask.versions != before).tolist() == [2]
    assert np.flatnonzero(mask.answer.versions != said).tolist() == [2]
    before, said = mask.versions, mask.answer.versions.copy()
    mask.relabel("class 1 becomes 5", {1: 5})
    assert np.flatnonzero(mask.versions != before).tolist() == [2]
    assert np.flatnonzero(mask.answer.versions != said).tolist() == [2]
