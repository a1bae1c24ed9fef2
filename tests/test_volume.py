from __future__ import annotations

from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from napari_dim.errors import InputError
from napari_dim.volume import Grid, Volume, default_slice_axis, file_stem

ORIENTATIONS = list(product(permutations(range(3)), product((1, -1), repeat=3)))


def affine_of(axes, signs, spacing=(1.0, 1.0, 1.0), tilt=(0, 0, 0)):
    affine = np.eye(4)
    affine[:3, :3] = 0
    for file_axis, (axis, sign) in enumerate(zip(axes, signs, strict=True)):
        affine[axis, file_axis] = sign * spacing[file_axis]
    affine[:3, :3] = Rotation.from_euler("xyz", tilt, degrees=True).as_matrix() @ affine[:3, :3]
    affine[:3, 3] = (3.0, -7.0, 11.0)
    return affine


def test_there_are_48_orientations():
    assert len(ORIENTATIONS) == 48


@pytest.mark.parametrize("tilt", [(0, 0, 0), (10, -20, 5), (31, 14, -22)])
@pytest.mark.parametrize("slice_axis", [0, 1, 2])
def test_layout_and_affine_agree_in_every_orientation(tilt, slice_axis):
    rng = np.random.default_rng(0)
    for axes, signs in ORIENTATIONS:
        grid = Grid((3, 4, 5), affine_of(axes, signs, (0.7, 1.3, 4.0), tilt), slice_axis)
        data = rng.integers(0, 1000, grid.file_shape)
        array = grid.to_array(data)
        assert array.shape == grid.shape
        np.testing.assert_array_equal(grid.to_file(array), data)
        # The same voxel, found by array index and by file index, is at the same place.
        for file_index in ((0, 0, 0), (2, 3, 4), (1, 0, 3)):
            marked = np.zeros(grid.file_shape, dtype=bool)
            marked[file_index] = True
            (index,) = np.argwhere(grid.to_array(marked))
            here = grid.affine @ (*index, 1)
            there = grid.file_affine @ (*file_index, 1)
            np.testing.assert_allclose(here, there, atol=1e-9)
        assert sorted(grid.spacing) == pytest.approx([0.7, 1.3, 4.0])
        assert grid.spacing[0] == pytest.approx((0.7, 1.3, 4.0)[slice_axis])


@pytest.mark.parametrize("slice_axis", [0, 1, 2])
def test_slices_are_counted_as_in_the_file_and_planes_read_as_a_radiologist_does(slice_axis):
    for axes, signs in ORIENTATIONS:
        grid = Grid((2, 2, 2), affine_of(axes, signs), slice_axis)
        slice_step, row_step, column_step = grid.affine[:3, :3].T
        np.testing.assert_allclose(slice_step, grid.file_affine[:3, slice_axis])
        row_axis, column_axis = np.abs(row_step).argmax(), np.abs(column_step).argmax()
        # Down the rows: to the inferior, or to the posterior in an axial slice.
        assert row_step[row_axis] < 0
        assert row_axis == (2 if np.abs(slice_step).argmax() != 2 else 1)
        # Along the columns: to the patient's left, or to the posterior in a sagittal slice.
        assert column_step[column_axis] < 0


@given(
    st.lists(st.integers(1, 6), min_size=3, max_size=3),
    st.sampled_from(ORIENTATIONS),
    st.integers(0, 2),
    st.integers(0, 3),
)
@settings(max_examples=60, deadline=None)
def test_layout_is_a_bijection_with_and_without_channels(shape, orientation, slice_axis, channels):
    grid = Grid(tuple(shape), affine_of(*orientation), slice_axis)
    full = (*shape, channels) if channels else tuple(shape)
    data = np.arange(np.prod(full)).reshape(full)
    array = grid.to_array(data)
    assert array.shape[:3] == grid.shape
    np.testing.assert_array_equal(grid.to_file(array), data)


def test_layout_copies_nothing():
    grid = Grid((3, 4, 5), affine_of((2, 0, 1), (1, -1, 1)), 0)
    data = np.zeros((3, 4, 5))
    assert np.shares_memory(grid.to_array(data), data)


def test_a_picture_keeps_its_rows_and_columns():
    grid = Grid.of_picture(4, 6)
    assert grid.shape == (1, 4, 6)
    assert grid.unit == "pixel"
    np.testing.assert_array_equal(grid.affine[:3, 1], (0, -1, 0))
    np.testing.assert_array_equal(grid.affine[:3, 2], (-1, 0, 0))
    pixels = np.arange(24).reshape(1, 4, 6)
    np.testing.assert_array_equal(grid.to_array(grid.to_file(pixels)), pixels)
    np.testing.assert_array_equal(grid.to_file(pixels)[..., 0], pixels[0].T)


def test_grids_match_within_a_share_of_a_voxel():
    affine = affine_of((0, 1, 2), (1, 1, 1), (1.0, 1.0, 3.0))
    grid = Grid((100, 100, 10), affine, 2)
    moved = affine.copy()
    moved[0, 3] += 0.0005
    assert grid.matches(Grid((100, 100, 10), moved, 2))
    moved[0, 3] += 0.1
    assert not grid.matches(Grid((100, 100, 10), moved, 2))
    turned = affine.copy()
    turned[0, 0] *= 1.001  # A tenth of a voxel at the far side.
    assert not grid.matches(Grid((100, 100, 10), turned, 2))
    assert not grid.matches(Grid((100, 10, 100), affine, 2))


@pytest.mark.parametrize(
    ("affine", "text"),
    [
        (np.eye(3), "4 x 4"),
        (np.diag([1, np.nan, 1, 1]), "finite"),
        (np.diag([1, 0, 1, 1]), "singular"),
        (affine_of((0, 0, 2), (1, 1, 1)), "singular"),
    ],
)
def test_bad_affines_are_refused(affine, text):
    with pytest.raises(InputError, match=text):
        Grid((2, 2, 2), affine, 2)


def test_an_affine_in_metres_is_not_singular():
    assert Grid((2, 2, 2), np.diag([1e-5, 1e-5, 1e-4, 1]), 2).spacing[0] == pytest.approx(1e-4)


def test_the_affine_can_not_be_changed_behind_the_grid():
    mine = np.eye(4)
    grid = Grid((2, 2, 2), mine, 2)
    mine[0, 0] = 5
    assert grid.file_affine[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        grid.file_affine[0, 0] = 5


def test_a_volume_must_fit_its_grid():
    with pytest.raises(InputError, match="its grid"):
        Volume(np.zeros((2, 3, 4)), Grid((2, 3, 4), np.eye(4), 2))


@pytest.mark.parametrize(
    ("spacing", "axis"),
    [((1, 1, 1), 2), ((1, 1, 5), 2), ((5, 1, 1), 0), ((1, 3, 1), 1), ((1, 1.005, 1), 2)],
)
def test_slices_run_along_the_coarsest_axis(spacing, axis):
    assert default_slice_axis(affine_of((1, 2, 0), (1, -1, 1), spacing, (5, 5, 5))) == axis


@pytest.mark.parametrize(
    ("name", "stem"),
    [("a.nii.gz", "a"), ("a.b.nii", "a.b"), ("x_image.jpg", "x_image"), ("A.NII.GZ", "A")],
)
def test_stem(name, stem):
    assert file_stem(Path("folder") / name) == stem
