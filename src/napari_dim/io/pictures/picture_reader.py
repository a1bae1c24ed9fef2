"""2D pictures to one-slice volumes, and TIFFs of many pages to stacks.

Rows and columns are those that viewers show: a camera's EXIF orientation is applied, to the
picture and to its mask alike.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from napari_dim.errors import InputError
from napari_dim.io.finite_values import odd_words
from napari_dim.io.format_rows import How
from napari_dim.io.geometry import Laid, lay
from napari_dim.io.labels import LabelClass, as_labels
from napari_dim.io.pictures.exif_orientation import as_stored, in_words, upright
from napari_dim.io.pictures.mask_numbers import told_of_numbers
from napari_dim.io.pictures.picture_pixels import opened, read_pixels, reading
from napari_dim.io.pictures.picture_place import grid_in
from napari_dim.io.pictures.tiff_pages import read_pages
from napari_dim.io.pictures.white_is_zero import OF_MASKS
from napari_dim.volume import Grid, Placed, Volume

UNTAGGED = "the mask has no such tag"


def read_picture(path: Path, how: How) -> Volume:
    """Read a picture, ``(1, row, column[, channel])``; see `napari_dim.io.read_volume`."""
    with reading(path):
        stack = read_pages(path)
        if stack is not None:
            pixels, odd = _plain(stack.array)
            told = (*stack.warnings, odd_words(odd, "pixel")) if odd else stack.warnings
            return replace(stack, array=pixels, warnings=told)
        found = read_pixels(path)
        pixels, notes = found.values, found.notes
        if pixels.ndim == 3 and pixels.shape[2] in (2, 4):
            pixels = pixels[..., :-1]
            notes += ("the transparency of the picture is left out",)
        if pixels.ndim == 3 and pixels.shape[2] == 1:
            pixels = pixels[..., 0]
        if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3):
            raise InputError(f"the picture is neither grey nor RGB: {pixels.shape}", where=path)
        pixels, odd = _plain(pixels)
        if odd:
            notes += (odd_words(odd, "pixel"),)
        header = {"stored": pixels.dtype.name, "orientation": found.orientation}
        grid = grid_in(found.text, (1, *pixels.shape[:2]))
        if grid is not None:
            # A slice of a scan that was written here.
            return Volume(_on(grid, pixels), grid, path, header=header, warnings=notes)
        grid = Grid.of_picture(pixels.shape[0], pixels.shape[1])
        return Volume(pixels[None], grid, path, kind="picture", header=header, warnings=notes)


def read_picture_mask(path: Path, like: Placed) -> Laid:
    """Read a picture of label ids onto an image; see `napari_dim.io.lay_mask`."""
    with reading(path):
        stack = read_pages(path, indices=True)
        if stack is not None:
            laid = lay(stack, like.grid)
            white = [text for text in stack.warnings if text in OF_MASKS]
            return replace(laid, notes=(*white, *laid.notes, *told_of_numbers(laid.ids)))
        if like.grid.shape[0] > 1:
            raise InputError(f"the mask has one slice, its image {like.grid.shape[0]}", where=path)
        shape = like.grid.shape[1:]
        found = picture_ids(path, (shape[0], shape[1]), int(like.header.get("orientation", 1)))
        grid = grid_in(found.text, (1, *found.ids.shape))
        notes = (*found.notes, *told_of_numbers(found.ids[None]))
        if grid is None:
            grid = Grid.of_picture(*found.ids.shape)
            if grid.file_shape != like.grid.file_shape:
                # The image's one slice lies along another axis of its file.
                told = "the mask does not say where it lies; its rows and columns are those shown"
                return Laid(found.ids[None], (*notes, told))
        laid = lay(Volume(_on(grid, found.ids), grid, path), like.grid)
        return replace(laid, notes=(*laid.notes, *notes))


@dataclass(frozen=True)
class PictureIds:
    """The class ids of one picture ``(row, column)``, what is to be told, and its own text."""

    ids: np.ndarray
    notes: tuple[str, ...] = ()
    text: str = ""


def picture_ids(path: Path, shape: tuple[int, int], orientation: int = 1) -> PictureIds:
    """The class ids of a picture that was drawn on another one.

    Parameters
    ----------
    path
        The mask.
    shape
        Rows and columns of the picture that it was drawn on, as viewers show it.
    orientation
        How that one was turned to be shown so (EXIF).

    Raises
    ------
    InputError
        If it is no mask, or of another size.
    """
    found = read_pixels(path, indices=True)
    pixels = found.values
    if found.lossy:
        raise InputError(
            "JPEG changes the class numbers of a mask", where=path, hint="Save masks as PNG"
        )
    notes = found.notes
    if pixels.ndim == 3:
        if pixels.shape[2] in (2, 4):
            clear, pixels = pixels[..., -1], pixels[..., :-1]
            if clear.min() < clear.max() and (pixels == pixels[0, 0]).all():
                raise InputError(
                    "the mask is in the transparency of its picture alone, the colour is the same "
                    "everywhere", where=path,
                    hint="Save it with one class number a pixel, without transparency",
                )  # fmt: skip
            if clear.min() < clear.max():
                notes += ("the transparency of the mask is left out",)
        if (pixels != pixels[..., :1]).any():
            raise InputError(
                "the mask is a colour picture", where=path,
                hint="Save it with one class number a pixel",
            )  # fmt: skip
        pixels = pixels[..., 0]
    turned = in_words(orientation)
    if found.orientation != orientation and pixels.shape != shape:
        stored = as_stored(pixels, found.orientation)
        if stored.shape == as_stored(np.empty(shape, bool), orientation).shape:
            pixels = upright(stored, orientation)
            notes = (f"the mask is as large as the picture before that was {turned}: it is too",)
    elif turned and found.orientation == 1:
        notes += (untagged(orientation),)
    if pixels.shape != shape:
        also = f" (the picture is {turned}, as its file asks)" if turned else ""
        raise InputError(
            f"the mask is {pixels.shape}, its image {shape}{also}",
            where=path,
            hint="Use a mask made for this image",
        )
    return PictureIds(as_labels(pixels, where=path), notes, found.text)


def untagged(orientation: int) -> str:
    """What is told of a mask without a tag on a picture that is turned as its tag asks."""
    return (
        f"the picture is {in_words(orientation)} as its file asks (EXIF), {UNTAGGED}: it is taken "
        "to be drawn on what viewers show"
    )


def palette_of(path: Path) -> list[LabelClass]:
    """The ids that an indexed PNG or TIFF holds, in the colours of its palette; else none.

    Raises
    ------
    InputError
        If it can't be read.
    """
    with reading(path), opened(path) as picture:
        if picture.mode != "P":
            return []
        table = np.zeros((256, 3), np.uint8)
        colours = np.array(picture.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
        table[: len(colours)] = colours
        found: set[int] = set()
        for number in range(getattr(picture, "n_frames", 1)):
            picture.seek(number)
            found.update(np.unique(np.asarray(picture)).tolist())
        found.discard(0)
        return [LabelClass(i, "", "#{:02X}{:02X}{:02X}".format(*table[i])) for i in sorted(found)]


def _on(grid: Grid, pixels: np.ndarray) -> np.ndarray:
    """Pixels ``(row, column[, channel])`` in the layout of their grid, which mostly is theirs."""
    return grid.to_array(np.swapaxes(pixels[None], 0, 2))


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
