"""TIFFs of many pages: the slices of one stack, which are neighbours where they are grey."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import tifffile

from napari_dim.errors import InputError, one_line
from napari_dim.io.format_rows import How
from napari_dim.io.glance import LARGE, PLANES, Glance
from napari_dim.io.library_words import withheld
from napari_dim.io.nifti.nifti_header import MAX_BYTES
from napari_dim.io.pictures.picture_pixels import (
    UNBOUNDED,
    check_segments,
    check_size,
    files_in_set,
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


@dataclass(frozen=True)
class _Layout:
    """What the axes of a TIFF's series are: of its array first slices, rows, columns, channels."""

    series: tifffile.TiffPageSeries
    stacks: list[int]
    colors: list[int]
    grid: Grid
    text: bool
    kind: Literal["volume", "picture"]
    notes: tuple[str, ...]

    def ordered(self, array: np.ndarray) -> np.ndarray:
        """Values in the order of the file as ``(slice, row, column[, channel])``."""
        axes = self.series.axes.upper()
        order = [*self.stacks, axes.index("Y"), axes.index("X"), *self.colors]
        array = np.transpose(array, order + [n for n in range(array.ndim) if n not in order])
        array = array.reshape([array.shape[n] for n in range(len(order))])
        return array if self.stacks else array[None]

    @property
    def channels(self) -> int:
        return int(self.series.shape[self.colors[0]]) if self.colors else 1


def _layout(path: Path, file: tifffile.TiffFile) -> _Layout:
    whole = [one for one in file.series if not one.keyframe.is_reduced] or list(file.series)
    series = whole[0]
    axes, shape = series.axes.upper(), series.shape
    if len(whole) > 1 or any(axis not in "TZIQCSYX" for axis in axes):
        raise InputError(
            f"the TIFF holds several images, or axes that can't be used ({axes})", where=path,
            hint="Save one stack as a TIFF or NIfTI file of its own",
        )  # fmt: skip
    gone = sum(page is None for page in series.pages)
    if gone:
        absent = [name for name in files_in_set(file) if not (path.parent / name).is_file()]
        raise InputError(
            f"{gone} of the {len(series.pages)} pages of this OME-TIFF are in files that are "
            f"missing ({', '.join(absent[:3])}{', …' if len(absent) > 3 else ''})", where=path,
            hint="Put them beside this one, under these names",
        )  # fmt: skip
    stacks = [n for n, axis in enumerate(axes) if axis in "TZIQ" and shape[n] > 1]
    colors = [n for n, axis in enumerate(axes) if axis in "CS" and shape[n] > 1]
    if len(stacks) > 1 or len(colors) > 1:
        raise InputError(f"the TIFF has the axes {axes} {shape}", where=path,
                         hint="Save one time and one series of channels")  # fmt: skip
    if math.prod(shape) * series.dtype.itemsize > MAX_BYTES:
        raise InputError("the TIFF is larger than what can be read", where=path)
    channels = shape[colors[0]] if colors else 1
    if channels > _MOST_CHANNELS:
        raise InputError(f"the TIFF has {channels} channels", where=path)
    sizes = (shape[stacks[0]] if stacks else 1, shape[axes.index("Y")], shape[axes.index("X")])
    notes: tuple[str, ...] = ()
    if stacks and axes[stacks[0]] == "T":
        notes = ("the slices are times, not places",)
    grid = grid_in(series.keyframe.description, sizes)
    text = grid is not None
    spacing, told = voxel_size(file)
    if grid is None:
        notes += told
        grid = Grid.of_pictures(*sizes, spacing)
    kind: Literal["volume", "picture"] = "volume"
    if channels in (3, 4) and grid.unit != "mm":
        kind = "picture"
    return _Layout(series, stacks, colors, grid, text, kind, notes)


def _stack(path: Path, file: tifffile.TiffFile, *, indices: bool) -> Volume:
    found = _layout(path, file)
    array, white = turned(found.series.asarray(), found.series.keyframe, indices=indices)
    array = found.ordered(array)
    if found.text:
        array = found.grid.to_array(np.swapaxes(array, 0, 2))
    header = {"stored": array.dtype.name}
    return Volume(array, found.grid, path, found.kind, header, (*white, *found.notes))


def glance_pages(path: Path, how: How) -> Glance | None:
    """What a large TIFF of many pages is, by some of them; None for any other picture."""
    if not is_tiff(path):
        return None
    with withheld(), one_line(path, "picture"), tifffile.TiffFile(path) as file:
        if len(file.pages) < 2 or not _is_large(file):
            return None
        pages = full_pages(file)
        if any(page.compression in UNBOUNDED for page in pages):
            return None  # whoever reads it says why it can't be read
        found = _layout(path, file)
        numbers = np.unique(np.linspace(0, len(pages) - 1, PLANES).round().astype(int))
        looked = [pages[int(number)] for number in numbers]
        for page in looked:
            check_size(math.prod(page.shape), path)
            check_segments(page, path)
        values, white = turned(
            np.stack([one.asarray() for one in looked]), looked[0], indices=False
        )
        where = f"in {len(looked)} of its {len(pages)} pages"
        return Glance(found.grid, values, where, values.dtype.name, path, found.kind,
                      found.channels, (*white, *found.notes))  # fmt: skip


def _is_large(file: tifffile.TiffFile) -> bool:
    first = file.pages.first
    values = math.prod(first.shape) * len(file.pages)
    return bool(values * (first.dtype or np.dtype(np.uint8)).itemsize > LARGE)
