"""Several scans as channels of one."""

from __future__ import annotations

import numpy as np
import pytest

from napari_dim.data.cohort import read_cohort
from napari_dim.data.load import load_case
from napari_dim.errors import InputError
from napari_dim.io.channels import combined, resampled
from napari_dim.volume import Grid, Volume
from tests.io.test_nifti import ramp, save
from tests.test_volume import affine_of


def smooth(shape, affine, slice_axis=2):
    """A volume whose value at a place is a plane of the place: linear interpolation is exact."""
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    place = index @ affine[:3, :3].T + affine[:3, 3]
    grid = Grid(shape, affine, slice_axis)
    return Volume(grid.to_array((place @ [1.0, 2.0, -3.0]).astype(np.float32)), grid)


def test_the_same_grid_is_not_touched():
    affine = affine_of((0, 1, 2), (1, 1, 1), (1, 1, 3))
    one, two = smooth((8, 9, 10), affine), smooth((8, 9, 10), affine, slice_axis=0)
    both = combined([one, two])
    assert both.array.shape == (*one.array.shape, 2)
    np.testing.assert_array_equal(both.array[..., 0], one.array)
    np.testing.assert_array_equal(both.array[..., 1], one.array)
    assert both.warnings == ()


@pytest.mark.parametrize("tilt", [(0, 0, 0), (8, -5, 12)])
def test_another_grid_is_resampled_in_place_and_told(tilt):
    first = smooth((8, 9, 10), affine_of((0, 1, 2), (1, -1, 1), (1.0, 1.0, 2.0)))
    inverse = np.linalg.inv(affine_of((2, 0, 1), (-1, 1, -1), (0.9, 1.1, 1.4), tilt))
    corners = np.array([[i, j, k, 1] for i in (-4, 12) for j in (-4, 13) for k in (-4, 14)])
    index = (inverse @ first.grid.file_affine @ corners.T)[:3]
    start, size = np.floor(index.min(1)), np.ceil(np.ptp(index, axis=1)) + 1
    affine = np.linalg.inv(inverse)
    affine[:3, 3] += affine[:3, :3] @ start
    other = smooth(tuple(size.astype(int)), affine)
    both = combined([first, other])
    np.testing.assert_allclose(both.array[..., 1], first.array, atol=1e-2)
    assert "resampled onto the grid of the first" in both.warnings[0]
    array, share = resampled(other, first.grid)
    assert share == 1
    assert array.dtype == np.float32


def test_what_does_not_overlap_is_refused():
    first = smooth((8, 9, 10), np.diag([1.0, 1, 1, 1]))
    apart = np.diag([1.0, 1, 1, 1])
    apart[0, 3] = 6
    with pytest.raises(InputError, match="25%"):
        combined([first, smooth((8, 9, 10), apart)])
    with pytest.raises(InputError, match="two scans or more"):
        combined([first])
    pictures = [Volume(np.zeros((1, n, 4)), Grid.of_picture(n, 4), kind="picture") for n in (3, 5)]
    with pytest.raises(InputError, match="one size"):
        combined(pictures)
    apart[0, 3] = 2
    both = combined([first, smooth((8, 9, 10), apart)])
    assert "covers to 75%" in both.warnings[0]


def test_a_cohort_names_several_files_planes_and_parts(tmp_path):
    save(tmp_path / "t1.nii", ramp())
    save(tmp_path / "flair.nii", ramp() + 1)
    save(tmp_path / "series.nii", ramp((4, 5, 6, 9)))
    save(tmp_path / "mask.nii", (ramp() % 2).astype(np.uint8))
    (tmp_path / "c.csv").write_text(
        "image,labels,slices,site,split,slice_axis,part\n"
        "t1.nii|flair.nii,mask.nii,1;2,A,train,coronal,\n"
        "series.nii,,,A,train,,4\n"
        "series.nii,,,A,train,,5\n"
    )
    rows = read_cohort(tmp_path / "c.csv").cases
    case = load_case(rows[0])
    assert case.volume.channels == 2
    assert case.volume.grid.plane == "coronal"
    assert case.volume.array.shape[0] == 5
    assert case.mask is not None
    wanted = case.volume.grid.to_array(ramp() % 2)
    np.testing.assert_array_equal(case.mask[[1, 2]], wanted[[1, 2]])
    for row, number in zip(rows[1:], (4, 5), strict=True):
        volume = load_case(row).volume
        np.testing.assert_array_equal(
            volume.grid.to_file(volume.array), ramp((4, 5, 6, 9))[..., number]
        )


def test_a_wrong_plane_names_its_row(tmp_path):
    save(tmp_path / "t1.nii", ramp())
    (tmp_path / "c.csv").write_text(
        "image,labels,slices,site,split,slice_axis\nt1.nii,,,A,train,oblique\n"
    )
    (row,) = read_cohort(tmp_path / "c.csv").cases
    with pytest.raises(InputError, match=r"c\.csv row 2: the slice axis is 'oblique'"):
        load_case(row)
