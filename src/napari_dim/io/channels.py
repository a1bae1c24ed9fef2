"""Several scans of one patient as channels of one: T1 and FLAIR, PET and CT.

They must lie in one space already (be registered). The first gives the grid; the others are
resampled onto it where their own differs, which is told. And grey that is stored as colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from napari_dim.errors import InputError
from napari_dim.volume import Grid, Volume

_LEAST_OVERLAP = 0.5
_FLAT = 1e-6


def combined(volumes: Sequence[Volume]) -> Volume:
    """One volume with the channels of all, on the grid of the first.

    Raises
    ------
    InputError
        If there is only one, they are pictures of different sizes, or they don't overlap.
    """
    if len(volumes) < 2:
        raise InputError("channels are made of two scans or more", hint="Select several scans")
    first = volumes[0]
    notes = list(first.warnings)
    arrays = [_channels(first.array)]
    for number, other in enumerate(volumes[1:], start=2):
        notes += other.warnings
        if (other.grid.unit == "mm") != (first.grid.unit == "mm"):
            raise InputError("one scan has a size in mm, the other has none", where=other.path)
        if other.grid.matches(first.grid):
            same = other.grid if other.grid.slice_axis == first.grid.slice_axis else first.grid
            data = other.grid.to_file(other.array)
            arrays.append(_channels(same.to_array(data)))
            continue
        if first.grid.unit != "mm":
            raise InputError(
                f"the pictures are {first.grid.shape[1:]} and {other.grid.shape[1:]}",
                where=other.path, hint="Channels of pictures must be of one size",
            )  # fmt: skip
        array, share = resampled(other, first.grid)
        name = other.path.name if other.path else f"scan {number}"
        if share < _LEAST_OVERLAP:
            raise InputError(
                f"only {share:.0%} of the first scan lie inside {name}", where=other.path,
                hint="Register the scans first",
            )  # fmt: skip
        covered = "" if share > 0.999 else f", which it covers to {share:.0%}"
        notes.append(f"{name} is resampled onto the grid of the first channel{covered}")
        arrays.append(_channels(array))
    dtype = np.result_type(*arrays)
    array = np.concatenate([one.astype(dtype, copy=False) for one in arrays], axis=3)
    # No file holds all of it: `combined` says so to whoever wants to read it again.
    header = {**first.header, "stored": dtype.name, "window": None,
              "combined": True}  # fmt: skip
    return replace(first, array=array, header=header, warnings=tuple(dict.fromkeys(notes)))


def read_as(volume: Volume, channels: int) -> Volume:
    """A picture among others of so many channels: among grey ones, grey stored as colour is grey.

    Anything else comes back as it is.
    """
    array = volume.array
    if channels != 1 or not (isinstance(array, np.ndarray) and volume.separate):
        return volume
    if not stores_grey(volume):
        return volume
    told = "it is stored as colour, its channels are the same: it is read as grey"
    return replace(volume, array=array[..., 0], warnings=(*volume.warnings, told))


def stores_grey(volume: Volume) -> bool:
    """Whether the channels of a volume of three are the same."""
    array = volume.array
    return volume.channels == 3 and all(
        np.array_equal(array[..., 0], array[..., channel]) for channel in (1, 2)
    )


def resampled(volume: Volume, grid: Grid) -> tuple[np.ndarray, float]:
    """A volume at the voxels of another grid, linearly, and how much of the grid it covers.

    Returns
    -------
    (numpy.ndarray, float)
        ``(slice, row, column[, channel])`` float32 in the layout of `grid`; voxels outside
        have the volume's lowest value. The share of voxels inside, in [0, 1].
    """
    from scipy.ndimage import affine_transform, gaussian_filter

    across = np.linalg.inv(volume.grid.affine) @ grid.affine
    source = _channels(volume.array)
    # Where the grid is coarser than the scan, single voxels would be picked out of noise.
    coarser = np.abs(across[:3, :3]).max(axis=1)
    blur = 0.5 * np.sqrt(np.maximum(coarser**2 - 1, 0))
    blur[np.array(source.shape[:3]) == 1] = 0
    out = np.empty((*grid.shape, source.shape[3]), dtype=np.float32)
    lowest = []
    for channel in range(source.shape[3]):
        values = source[..., channel].astype(np.float32)
        lowest.append(values.min())
        if blur.max() > 0.3:
            values = gaussian_filter(values, blur)
        affine_transform(
            values, across[:3, :3], across[:3, 3], output_shape=grid.shape,
            output=out[..., channel], order=1, mode="nearest",
        )  # fmt: skip
    inside = 0
    for number, plane in enumerate(out):
        there = _inside(across, number, grid.shape, source.shape[:3])
        plane[~there] = lowest
        inside += int(np.count_nonzero(there))
    share = inside / int(np.prod(grid.shape))
    return (out if volume.array.ndim == 4 else out[..., 0]), share


def _inside(
    across: np.ndarray, number: int, shape: tuple[int, ...], size: tuple[int, ...]
) -> np.ndarray:
    """Which pixels of slice `number` of a grid lie in a volume, its outer half voxels included."""
    rows, columns = np.arange(shape[1])[:, None], np.arange(shape[2])[None, :]
    there = np.ones(shape[1:], dtype=bool)
    for axis in range(3):
        first, row, column, offset = across[axis]
        index = first * number + row * rows + column * columns + offset
        there &= (index >= -0.5 - _FLAT) & (index <= size[axis] - 0.5 + _FLAT)
    return there


def _channels(array: np.ndarray) -> np.ndarray:
    return array if array.ndim == 4 else array[..., None]
