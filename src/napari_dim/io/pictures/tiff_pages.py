"""TIFFs of many pages: the slices of one stack, which are neighbours where they are grey."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

import numpy as np
import tifffile

from napari_dim.errors import InputError
from napari_dim.io.labels import as_labels
from napari_dim.io.nifti.nifti_header import MAX_BYTES
from napari_dim.io.pictures.picture_pixels import UNBOUNDED, check_segments, check_size, is_tiff
from napari_dim.volume import Grid, Volume

_MOST_CHANNELS = 8


def is_stack(path: Path) -> bool:
    """Whether a file is a TIFF of many pages; False where that can't be told."""
    try:
        with tifffile.TiffFile(path) as file:
            return len(file.pages) > 1
    except Exception:  # no TIFF, or a damaged one: whoever reads it says so
        return False


def read_pages(path: Path) -> Volume | None:
    """Read a TIFF of many pages: slices of one stack, and channels where it says so.

    None for any other picture.
    """
    if not is_tiff(path):
        return None
    with tifffile.TiffFile(path) as file:
        if len(file.pages) < 2:
            return None
        for page in file.pages:
            page = page.aspage()
            check_size(math.prod(page.shape), path)
            if page.compression in UNBOUNDED:
                raise InputError("a TIFF of many pages compressed so can't be read", where=path)
            check_segments(page, path)
        return _stack(path, file)


def read_pages_mask(path: Path, array: np.ndarray, like: Volume) -> np.ndarray:
    """A TIFF with a page a slice as the mask of `like`."""
    if array.shape != like.grid.shape:
        raise InputError(
            f"the mask is {array.shape}, its image {like.grid.shape}", where=path,
            hint="Use a mask made for this image",
        )  # fmt: skip
    return as_labels(array, where=path)


def _stack(path: Path, file: tifffile.TiffFile) -> Volume:
    series = file.series[0]
    axes, shape = series.axes.upper(), series.shape
    if len(file.series) > 1 or any(axis not in "TZIQCSYX" for axis in axes):
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
    array = series.asarray()
    y, x = axes.index("Y"), axes.index("X")
    order = [*stacks, y, x, *colors]
    array = np.transpose(array, order + [n for n in range(array.ndim) if n not in order])
    array = array.reshape([array.shape[n] for n in range(len(order))])
    if not stacks:
        array = array[None]
    notes: tuple[str, ...] = ()
    if array.ndim == 4 and array.shape[3] > _MOST_CHANNELS:
        raise InputError(f"the TIFF has {array.shape[3]} channels", where=path)
    if stacks and axes[stacks[0]] == "T":
        notes = ("the slices are times, not places",)
    spacing = _spacing(file)
    kind: Literal["volume", "picture"] = "volume"
    if array.ndim == 4 and array.shape[3] in (3, 4) and spacing is None:
        kind = "picture"
    grid = Grid.of_pictures(array.shape[0], array.shape[1], array.shape[2], spacing)
    return Volume(array, grid, path, kind, {"stored": array.dtype.name}, notes)


def _spacing(file: tifffile.TiffFile) -> tuple[float, float, float] | None:
    """Distances of (slices, rows, columns) in mm, where ImageJ wrote them all down."""
    told = file.imagej_metadata or {}
    factor = {"mm": 1.0, "micron": 1e-3, "um": 1e-3, "µm": 1e-3, r"\u00B5m": 1e-3, "cm": 10.0,
              "nm": 1e-6}.get(str(told.get("unit", "")))  # fmt: skip
    page = file.pages.first
    sizes = [page.tags.get("YResolution"), page.tags.get("XResolution")]
    if factor is None or not told.get("spacing") or None in sizes:
        return None
    row, column = (float(tag.value[1]) / max(float(tag.value[0]), 1e-12) for tag in sizes if tag)
    step = abs(float(told["spacing"]))
    if not all(0 < value < 1e6 for value in (step, row, column)):
        return None
    return step * factor, row * factor, column * factor
