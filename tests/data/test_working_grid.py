"""The working grid: one pixel size, aspect kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from napari_dim.data.working_grid import MULTIPLE, WorkingGrid, normalised, padded
from napari_dim.volume import Grid, Volume
from tests.cases import ellipsoid


def picture(rows, columns):
    return Volume(np.zeros((1, rows, columns, 3), np.uint8), Grid.of_picture(rows, columns))


def test_spacing_becomes_one_pixel_size_and_aspect_is_kept():
    fine, _ = ellipsoid((3, 100, 80), spacing=(5, 0.5, 0.5))
    coarse, _ = ellipsoid((3, 50, 40), spacing=(5, 1.0, 1.0))
    oblong, _ = ellipsoid((3, 100, 40), spacing=(5, 0.5, 1.0))
    grid = WorkingGrid.fit([fine, coarse, oblong], min_size=16, max_size=256)
    assert grid.shape(fine) == grid.shape(coarse) == grid.shape(oblong)
    rows, columns = grid.shape(fine)
    assert rows / columns == pytest.approx(50 / 40, rel=0.03)


@pytest.mark.parametrize(("side", "expected"), [(1000, 128), (100, 100), (40, 64), (10, 20)])
def test_sizes_are_brought_between_the_limits_but_at_most_doubled(side, expected):
    volume, _ = ellipsoid((2, side, side), spacing=(1, 1, 1))
    grid = WorkingGrid.fit([volume], min_size=64, max_size=128)
    assert max(grid.shape(volume)) == expected
    assert all(p % MULTIPLE == 0 for p in grid.patch)


def test_pictures_of_other_sizes_show_as_much():
    grid = WorkingGrid.fit([picture(200, 100), picture(400, 200)], min_size=32, max_size=256)
    assert grid.shape(picture(200, 100)) == grid.shape(picture(400, 200))
    assert grid.shape(picture(100, 100))[0] == grid.shape(picture(100, 100))[1]


def test_one_huge_slice_does_not_set_the_size():
    normal = [ellipsoid((1, 64, 64), spacing=(1, 1, 1))[0] for _ in range(9)]
    huge, _ = ellipsoid((1, 900, 300), spacing=(1, 1, 1))
    grid = WorkingGrid.fit([*normal, huge], min_size=64, max_size=128)
    rows, columns = grid.shape(huge)
    assert rows == 256
    assert rows / columns == pytest.approx(3, rel=0.02)
    assert grid.shape(normal[0]) == (64, 64)
    assert grid.patch == (64, 64)


def test_grid_survives_the_run_folder():
    grid = WorkingGrid.fit([ellipsoid()[0]], min_size=16, max_size=64)
    assert WorkingGrid.from_dict(grid.to_dict()) == grid


def test_intensities_of_another_scanner_are_the_same_to_the_network():
    volume, _ = ellipsoid()
    other = Volume(volume.array * 37 - 500, volume.grid)
    shape = (40, 32)
    a, b = normalised(volume, shape).float(), normalised(other, shape).float()
    torch.testing.assert_close(a, b, atol=0.02, rtol=0.02)
    assert a.mean().abs() < 0.05
    assert a.std() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("fill", [0.0, 7.0, np.nan])
def test_odd_volumes_give_finite_numbers(fill):
    volume, _ = ellipsoid()
    array = np.full_like(volume.array, fill)
    array[0, 0, 0] = 3
    assert torch.isfinite(normalised(Volume(array, volume.grid), (40, 32))).all()


def test_padding_repeats_the_edge():
    x = torch.arange(6.0).view(1, 1, 2, 3)
    y = padded(x)
    assert y.shape == (1, 1, 16, 32)
    assert torch.equal(y[..., :2, :3], x)
    assert (y[..., 2:, 2] == 5).all()


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (16, 16), (3, 17), (40, 1)])
def test_the_network_sees_two_pixels_at_least_where_it_sees_the_least(size):
    volume, _ = ellipsoid((2, *size), spacing=(1, 1, 1))
    grid = WorkingGrid.fit([volume], min_size=16, max_size=64)
    assert np.prod(grid.patch) >= 2 * MULTIPLE**2
    x = padded(torch.ones(1, 1, *size))
    assert x.shape[-2] * x.shape[-1] >= 2 * MULTIPLE**2
    assert x.shape[-2] % MULTIPLE == x.shape[-1] % MULTIPLE == 0


@pytest.mark.parametrize("kind", [np.int16, np.float32])
@pytest.mark.parametrize("shape", [(20, 30), (13, 17), (31, 45)])
def test_slices_are_clipped_scaled_and_resampled(kind, shape):
    """Against every step written out in double precision; unknown voxels count as the mean."""
    array = (np.random.default_rng(0).normal(size=(9, 20, 30)) * 50 + 100).astype(kind)
    if kind is np.float32:
        array[3, 4:7, 5] = np.nan
    volume = Volume(array, Grid((30, 20, 9), np.diag([-1.0, -1.0, 2.0, 1.0]), slice_axis=2))
    low, high, mean, spread = (float(x[0]) for x in volume.intensities)
    x = np.nan_to_num((np.clip(array.astype(np.float64), low, high) - mean) / spread)
    expected = F.interpolate(
        torch.from_numpy(x)[:, None], size=shape, mode="bilinear", antialias=True
    )
    found = normalised(volume, shape)
    assert found.dtype == torch.float16
    torch.testing.assert_close(found.double(), expected, atol=2e-3, rtol=1e-3)


def test_a_window_around_the_focus_where_slices_are_much_larger_than_the_patch():
    grid = WorkingGrid(1.0, 128, (96, 128), 256, focus=(10, -40))
    assert grid.window((120, 160)) == (slice(0, 120), slice(0, 160))  # nearly as large
    assert grid.window((200, 160)) == (slice(62, 158), slice(0, 160))
    assert grid.window((200, 170)) == (slice(62, 158), slice(0, 128))  # not beyond the edge
    assert replace(grid, focus=None).window((200, 300)) == (slice(0, 200), slice(0, 300))
    assert WorkingGrid.from_dict(grid.to_dict()) == grid
    before = {name: value for name, value in grid.to_dict().items() if name != "focus"}
    assert WorkingGrid.from_dict(before).focus is None
    with pytest.raises(ValueError, match="proportion"):
        WorkingGrid.from_dict({**grid.to_dict(), "focus": [10**6, 0]})
