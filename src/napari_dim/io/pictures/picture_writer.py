"""Images and masks to PNG, and to TIFF with a page a slice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from napari_dim.errors import InputError
from napari_dim.io.atomic import atomic_path
from napari_dim.io.labels import LabelClass, as_labels, classes_in
from napari_dim.io.pictures.picture_pixels import is_tiff
from napari_dim.io.pictures.picture_place import KEY, place_text
from napari_dim.volume import Placed, Volume


def write_picture_mask(
    path: Path, mask: np.ndarray, volume: Placed, classes: Sequence[LabelClass] = ()
) -> Path:
    """Write label ids as an indexed 8 bit PNG, or a 16 bit one; see `napari_dim.io.write_mask`.

    The pixels are the ids. Up to 255, the palette shows each in the colour of its class; PNG
    has no palette beyond that.
    """
    labels = png_labels(mask[0], path)
    picture = Image.fromarray(np.ascontiguousarray(labels))
    if labels.dtype == np.uint8:
        picture.putpalette(_palette(labels[None], classes).tobytes())
    _save_png(path, picture, volume)
    return path


def png_labels(mask: np.ndarray, path: Path) -> np.ndarray:
    """Class ids of the smallest type that holds them, if PNG has it.

    Raises
    ------
    InputError
        If it has not.
    """
    labels = as_labels(mask, where=path)
    if labels.dtype.itemsize > 2:
        raise InputError(
            f"a PNG holds class numbers up to 65535, the mask has {labels.max()}",
            where=path,
            hint="Renumber the classes, or save it as .tif",
        )
    return labels


def write_tiff_mask(
    path: Path, mask: np.ndarray, volume: Placed, classes: Sequence[LabelClass] = ()
) -> Path:
    """Write label ids as a TIFF with a page a slice; see `napari_dim.io.write_mask`.

    Pages are 8, 16 or 32 bit whole numbers; those of 8 bit have a palette of the classes'
    colours. TIFF has no place in the patient: see `picture_place`.
    """
    labels = as_labels(mask, where=path)
    if labels.dtype.itemsize > 4:
        raise InputError(
            f"a TIFF holds class numbers up to 4294967295, the mask has {labels.max()}",
            where=path,
            hint="Renumber the classes",
        )
    how: dict[str, Any] = {"photometric": "minisblack"}
    if labels.dtype == np.uint8:
        # (channel, index) of 16 bit.
        how = {"photometric": "palette", "colormap": _palette(labels, classes).T * np.uint16(257)}
    _write_tiff(path, labels, volume, how)
    return path


def write_picture(path: Path, volume: Volume) -> Path:
    """Write an image of one slice as PNG, or of any number as TIFF; values as they are.

    Raises
    ------
    InputError
        If the format can't hold it, or it can't be written.
    """
    array = np.asarray(volume.array)
    if is_tiff(path):
        if volume.channels not in (1, 3):
            raise InputError(f"a TIFF of {volume.channels} channels is not written", where=path)
        colours = volume.channels == 3
        _write_tiff(path, array, volume, {"photometric": "rgb" if colours else "minisblack"})
        return path
    depth = "uint8" if volume.channels == 3 else "uint8 or uint16"
    if array.dtype.name not in depth.split(" or ") or volume.channels not in (1, 3):
        raise InputError(
            f"a PNG holds {depth} values, the image {array.dtype}", where=path,
            hint="Save it as .tif or .nii.gz",
        )  # fmt: skip
    _save_png(path, Image.fromarray(np.ascontiguousarray(array[0])), volume)
    return path


def _save_png(path: Path, picture: Image.Image, volume: Placed) -> None:
    text = PngInfo()
    if place := place_text(volume.grid):
        text.add_text(KEY, place)
    with atomic_path(path) as temporary:
        picture.save(temporary, format="PNG", pnginfo=text)


def _write_tiff(path: Path, array: np.ndarray, volume: Placed, how: dict[str, Any]) -> None:
    """Pages of an array ``(slice, row, column[, channel])``, one at a time."""
    if volume.grid.unit == "mm":
        _, row, column = volume.grid.spacing
        how |= {"resolution": (10 / column, 10 / row), "resolutionunit": "CENTIMETER"}
    place = place_text(volume.grid) or None
    large = array.size * array.dtype.itemsize > 3 * 2**30
    with atomic_path(path) as temporary, tifffile.TiffWriter(temporary, bigtiff=large) as file:
        for plane in array:
            file.write(
                np.ascontiguousarray(plane), compression="zlib", metadata=None,
                contiguous=False, description=place, **how,
            )  # fmt: skip
            place = None  # once, in the first page


def _palette(labels: np.ndarray, classes: Sequence[LabelClass]) -> np.ndarray:
    """Red, green and blue of each id, ``(256, 3)`` uint8; background is black."""
    table = np.zeros((256, 3), dtype=np.uint8)
    for item in (*classes, *classes_in(labels, classes)):
        if 0 < item.id < 256:
            table[item.id] = item.rgb
    return table
