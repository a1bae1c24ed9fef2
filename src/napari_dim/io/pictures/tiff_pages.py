"""TIFFs of many pages: the slices of one stack, which are neighbours where they are grey."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

import numpy as np
import tifffile

from napari_dim.errors import InputError
from napari_dim.io.library_words import withheld
from napari_dim.io.nifti.nifti_header import MAX_BYTES
from napari_dim.io.pictures.picture_pixels import (
    UNBOUNDED,
    check_segments,
    check_size,
    full_pages,
    is_tiff,
)
from napari_dim.io.pictures.picture_place import grid_in
from napari_dim.io.pictures.voxel_size import voxel_size
from napari_dim.io.pictures.white_is_zero import turned
from napari_dim.volume import Grid, Volume

_MOST_CHANNELS = 8


def is_stack(path: Path) -> bool:
    """Whether a file is a TIFF of many pages; False where that can't be told."""
    try:
        with withheld(), tifffile.TiffFile(path) as file:
            return len(full_pages(file)) > 1
    except Exception:  # no TIFF, or a damaged one: whoever reads it says so
        return False


def read_pages(path: Path, *, indices: bool = False) -> Volume | None:
    """Read a TIFF of many pages: slices of one stack, and channels where it says so.

    None for any other picture. With `indices` its values are class numbers.
    """
    if not is_tiff(path):
        return None
    with tifffile.TiffFile(path) as file:
        pages = full_pages(file)
        if len(pages) < 2:
            return None
        for page in pages:
            check_size(math.prod(page.shape), path)
            if page.compression in UNBOUNDED:
                raise InputError("a TIFF of many pages compressed so can't be read", where=path)
            check_segments(page, path)
        return _stack(path, file, indices=indices)


def _stack(path: Path, file: tifffile.TiffFile, *, indices: bool) -> Volume:
    whole = [one for one in file.series if not one.keyframe.is_reduced] or list(file.series)
    series = whole[0]
    axes, shape = series.axes.upper(), series.shape
    if len(whole) > 1 or any(axis not in "TZIQCSYX" for axis in axes):
        raise InputError(
            f"the TIFF holds several images, or axes that can't be used ({axes})", where=path,
            hint="Save one stack as a TIFF or NIfTI file of its own",
        )  # fmt: skip
    stacks = [n for n, axis in enumerate(axes) if axis in "TZIQ" and shape[n] > 1]
    colors = [n for n, axis in enumerate(axes) if axis in "CS" and shape[n] > 1]
    if len(stacks) > 1 or len(colors) > 1:
        raise InputError(f"the TIFF has the axes {axes} {shape}", where=path,
                         hint="Save one time and one series of channels")  # fmt: skip
    if math.prod(shape) * series.dtype.itemsize > MAX_BYTES:
        raise InputError("the TIFF is larger than what can be read", where=path)
    array, white = turned(series.asarray(), series.keyframe, indices=indices)
    y, x = axes.index("Y"), axes.index("X")
    order = [*stacks, y, x, *colors]
    array = np.transpose(array, order + [n for n in range(array.ndim) if n not in order])
    array = array.reshape([array.shape[n] for n in range(len(order))])
    if not stacks:
        array = array[None]
    notes = [*white]
    if array.ndim == 4 and array.shape[3] > _MOST_CHANNELS:
        raise InputError(f"the TIFF has {array.shape[3]} channels", where=path)
    if stacks and axes[stacks[0]] == "T":
        notes.append("the slices are times, not places")
    grid = grid_in(series.keyframe.description, array.shape[:3])
    spacing, told = voxel_size(file)
    if grid is not None:
        array = grid.to_array(np.swapaxes(array, 0, 2))
    else:
        notes += told
        grid = Grid.of_pictures(array.shape[0], array.shape[1], array.shape[2], spacing)
    kind: Literal["volume", "picture"] = "volume"
    if array.ndim == 4 and array.shape[3] in (3, 4) and grid.unit != "mm":
        kind = "picture"
    header = {"stored": array.dtype.name}
    return Volume(array, grid, path, kind, header, tuple(notes))
