"""2D pictures (PNG, JPEG, TIFF) to one-slice volumes, and TIFFs of many pages to stacks.

Rows and columns are taken as stored: a camera's EXIF orientation is not applied, so that a
mask drawn on the stored pixels stays on them.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from napari_dim.errors import InputError
from napari_dim.io.formats import How
from napari_dim.io.labels import LabelClass, as_labels
from napari_dim.io.pictures.picture_pixels import check_size, read_indices, read_pixels, reading
from napari_dim.io.pictures.tiff_pages import read_pages, read_pages_mask
from napari_dim.volume import Grid, Volume


def read_picture(path: Path, how: How) -> Volume:
    """Read a picture, ``(1, row, column[, channel])``; see `napari_dim.io.read_volume`."""
    with reading(path):
        stack = read_pages(path)
        if stack is not None:
            pixels, odd = _plain(stack.array)
            told = (*stack.warnings, _odd(odd)) if odd else stack.warnings
            return replace(stack, array=pixels, warnings=told)
        pixels, notes = read_pixels(path)
        if pixels.ndim == 3 and pixels.shape[2] in (2, 4):
            pixels = pixels[..., :-1]
            notes += ("the transparency of the picture is left out",)
        if pixels.ndim == 3 and pixels.shape[2] == 1:
            pixels = pixels[..., 0]
        if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3):
            raise InputError(f"the picture is neither grey nor RGB: {pixels.shape}", where=path)
        pixels, odd = _plain(pixels)
        if odd:
            notes += (_odd(odd),)
        grid = Grid.of_picture(pixels.shape[0], pixels.shape[1])
        header = {"stored": pixels.dtype.name}
        return Volume(pixels[None], grid, path, kind="picture", header=header, warnings=notes)


def read_picture_mask(path: Path, like: Volume) -> np.ndarray:
    """Read a picture of label ids, ``(1, row, column)``; see `napari_dim.io.read_mask`."""
    if path.suffix.lower() in (".jpg", ".jpeg"):
        raise InputError(
            "JPEG changes the class numbers of a mask", where=path, hint="Save masks as PNG"
        )
    with reading(path):
        stack = read_pages(path)
        if stack is not None:
            return read_pages_mask(path, stack.array, like)
        if like.grid.shape[0] > 1:
            raise InputError(f"the mask has one slice, its image {like.grid.shape[0]}", where=path)
        pixels = read_indices(path)
        if pixels.ndim == 3:
            if pixels.shape[2] in (2, 4):
                pixels = pixels[..., :-1]
            if (pixels != pixels[..., :1]).any():
                raise InputError(
                    "the mask is a colour picture", where=path,
                    hint="Save it with one class number a pixel",
                )  # fmt: skip
            pixels = pixels[..., 0]
        if pixels.shape != like.array.shape[1:3]:
            raise InputError(
                f"the mask is {pixels.shape}, its image {like.array.shape[1:3]}",
                where=path,
                hint="Use a mask made for this image",
            )
        return as_labels(pixels, where=path)[None]


def palette_of(path: Path) -> list[LabelClass]:
    """The ids that an indexed PNG or TIFF holds, in the colours of its palette; else none.

    Raises
    ------
    InputError
        If it can't be read.
    """
    with reading(path), Image.open(path) as picture:
        if picture.mode != "P":
            return []
        check_size(picture.width * picture.height, path)
        table = np.zeros((256, 3), np.uint8)
        colours = np.array(picture.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
        table[: len(colours)] = colours
        found: set[int] = set()
        for number in range(getattr(picture, "n_frames", 1)):
            picture.seek(number)
            found.update(np.unique(np.asarray(picture)).tolist())
        found.discard(0)
        return [LabelClass(i, "", "#{:02X}{:02X}{:02X}".format(*table[i])) for i in sorted(found)]


def _odd(count: int) -> str:
    return f"{count} pixels are not finite numbers; they are shown as the lowest value"


def _plain(pixels: np.ndarray) -> tuple[np.ndarray, int]:
    """Native byte order; booleans to 0 and 1; floats to finite float32, with how many were not."""
    pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    if pixels.dtype == np.bool_:
        return pixels.astype(np.uint8), 0
    if pixels.dtype.kind in "iu":
        return pixels, 0
    if pixels.dtype.kind != "f":
        raise InputError(f"pictures of {pixels.dtype} values can't be used")
    with np.errstate(over="ignore"):
        values = pixels.astype(np.float32)
    finite = np.isfinite(values)
    if not finite.all():
        values[~finite] = values[finite].min() if finite.any() else 0.0
    return values, int(finite.size - np.count_nonzero(finite))
