"""2D pictures (PNG, JPEG, TIFF) to one-slice volumes, and back to PNG and TIFF.

Rows and columns are taken as stored: a camera's EXIF orientation is not applied, so that a
mask drawn on the stored pixels stays on them.
"""

from __future__ import annotations

import lzma
import math
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from napari_dim.errors import Foreseen, InputError, one_line
from napari_dim.io.atomic import atomic_path
from napari_dim.io.formats import How
from napari_dim.io.labels import LabelClass, as_labels, classes_in
from napari_dim.volume import Grid, Volume

MAX_PIXELS = 178_956_970
"""Larger pictures are refused before they are decoded: Pillow's own limit."""

_TIFF = (".tif", ".tiff")
_DEFLATE, _LZMA, _UNBOUNDED = (8, 32946), 34925, (34926, 50000)
_BAND = 2**20  # pixels
_TOO_LARGE: Foreseen = {Image.DecompressionBombError: ("the picture is too large", "")}


def read_picture(path: Path, how: How) -> Volume:
    """Read a picture, ``(1, row, column[, channel])``; see `napari_dim.io.read_volume`."""
    with _reading(path):
        stack = _stack(path)
        if stack is not None:
            pixels, odd = _plain(stack.array)
            told = (*stack.warnings, _odd(odd)) if odd else stack.warnings
            return replace(stack, array=pixels, warnings=told)
        pixels, notes = _read_any(path)
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
    with _reading(path):
        stack = _stack(path)
        if stack is not None or like.grid.shape[0] > 1:
            from napari_dim.io.picture_stacks import read_pages_mask

            if stack is None:
                raise InputError(f"the mask has one slice, its image {like.grid.shape[0]}",
                                 where=path)  # fmt: skip
            return read_pages_mask(path, stack.array, like)
        pixels = _read_tiff(path, indices=True) if _is_tiff(path) else _read(path, indices=True)
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


def write_picture_mask(
    path: Path, mask: np.ndarray, volume: Volume, classes: Sequence[LabelClass] = ()
) -> Path:
    """Write label ids as an indexed 8 bit PNG, or a 16 bit one; see `napari_dim.io.write_mask`.

    The pixels are the ids. Up to 255, the palette shows each in the colour of its class; PNG
    has no palette beyond that.
    """
    if mask.shape[0] != 1:
        raise InputError(
            f"a PNG holds one slice, the mask has {mask.shape[0]}",
            where=path,
            hint="Save it as .nii.gz or .tif",
        )
    labels = as_labels(mask[0], where=path)
    if labels.dtype.itemsize > 2:
        raise InputError(
            f"a PNG holds class numbers up to 65535, the mask has {labels.max()}",
            where=path,
            hint="Renumber the classes, or save it as .tif",
        )
    picture = Image.fromarray(np.ascontiguousarray(labels))
    if labels.dtype == np.uint8:
        picture.putpalette(_palette(labels[None], classes).tobytes())
    with atomic_path(path) as temporary:
        picture.save(temporary, format="PNG")
    return path


def write_tiff_mask(
    path: Path, mask: np.ndarray, volume: Volume, classes: Sequence[LabelClass] = ()
) -> Path:
    """Write label ids as a TIFF with a page a slice; see `napari_dim.io.write_mask`.

    Pages are 8, 16 or 32 bit whole numbers; those of 8 bit have a palette of the classes'
    colours. The size of a pixel is kept, the place in the patient is not: TIFF has none.
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
    if _is_tiff(path):
        if volume.channels not in (1, 3):
            raise InputError(f"a TIFF of {volume.channels} channels is not written", where=path)
        colours = volume.channels == 3
        _write_tiff(path, array, volume, {"photometric": "rgb" if colours else "minisblack"})
        return path
    if array.shape[0] != 1:
        raise InputError(
            f"a PNG holds one slice, the image has {array.shape[0]}", where=path,
            hint="Save it as .nii.gz or .tif",
        )  # fmt: skip
    depth = "uint8" if volume.channels == 3 else "uint8 or uint16"
    if array.dtype.name not in depth.split(" or ") or volume.channels not in (1, 3):
        raise InputError(
            f"a PNG holds {depth} values, the image {array.dtype}", where=path,
            hint="Save it as .tif or .nii.gz",
        )  # fmt: skip
    with atomic_path(path) as temporary:
        Image.fromarray(np.ascontiguousarray(array[0])).save(temporary, format="PNG")
    return path


def palette_of(path: Path) -> list[LabelClass]:
    """The ids that an indexed PNG or TIFF holds, in the colours of its palette; else none.

    Raises
    ------
    InputError
        If it can't be read.
    """
    with _reading(path), Image.open(path) as picture:
        if picture.mode != "P":
            return []
        _check_size(picture.width * picture.height, path)
        table = np.zeros((256, 3), np.uint8)
        colours = np.array(picture.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
        table[: len(colours)] = colours
        found: set[int] = set()
        for number in range(getattr(picture, "n_frames", 1)):
            picture.seek(number)
            found.update(np.unique(np.asarray(picture)).tolist())
        found.discard(0)
        return [LabelClass(i, "", "#{:02X}{:02X}{:02X}".format(*table[i])) for i in sorted(found)]


def _write_tiff(path: Path, array: np.ndarray, volume: Volume, how: dict[str, Any]) -> None:
    """Pages of an array ``(slice, row, column[, channel])``, one at a time."""
    if volume.grid.unit == "mm":
        _, row, column = volume.spacing
        how |= {"resolution": (10 / column, 10 / row), "resolutionunit": "CENTIMETER"}
    large = array.size * array.dtype.itemsize > 3 * 2**30
    with atomic_path(path) as temporary, tifffile.TiffWriter(temporary, bigtiff=large) as file:
        for plane in array:
            file.write(
                np.ascontiguousarray(plane), compression="zlib", metadata=None,
                contiguous=False, **how,
            )  # fmt: skip


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn whatever goes wrong while reading into one `InputError`."""
    with warnings.catch_warnings(), one_line(path, "picture", known=_TOO_LARGE):
        # Pillow warns of large pictures; `MAX_PIXELS` decides here.
        warnings.simplefilter("ignore")
        yield


def _odd(count: int) -> str:
    return f"{count} pixels are not finite numbers; they are shown as the lowest value"


def _stack(path: Path) -> Volume | None:
    """A TIFF of many pages; None for any other picture."""
    from napari_dim.io.picture_stacks import read_pages

    if not _is_tiff(path):
        return None
    with tifffile.TiffFile(path) as file:
        if len(file.pages) < 2:
            return None
        for page in file.pages:
            page = page.aspage()
            _check_size(math.prod(page.shape), path)
            if page.compression in _UNBOUNDED:
                raise InputError("a TIFF of many pages compressed so can't be read", where=path)
            _check_segments(page, path)
        return read_pages(path, file)


def is_stack(path: Path) -> bool:
    """Whether a file is a TIFF of many pages; False where that can't be told."""
    try:
        with tifffile.TiffFile(path) as file:
            return len(file.pages) > 1
    except Exception:  # no TIFF, or a damaged one: whoever reads it says so
        return False


def _read_any(path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """The pixels of one picture, and what is to be told of them."""
    if _is_tiff(path):
        return _read_tiff(path, indices=False), ()
    with path.open("rb") as file:
        start = file.read(26)
    png = start[:8] == b"\x89PNG\r\n\x1a\n"
    if not png or start[24:26] not in (b"\x10\x02", b"\x10\x06"):
        return _read(path, indices=False), ()
    # 16 bit a colour: Pillow would cut them down to 8.
    if find_spec("SimpleITK") is None:
        told = "the picture has 16 bit a colour and is read with 8; the extra itk reads all"
        return _read(path, indices=False), (told,)
    from napari_dim.io.itk import read_plain

    return np.swapaxes(read_plain(path), 0, 1), ()


def _is_tiff(path: Path) -> bool:
    return path.suffix.lower() in _TIFF


def _check_size(pixels: int, path: Path) -> None:
    if pixels < 1:
        raise InputError("the picture is empty: it has no pixels along a side", where=path)
    if pixels > MAX_PIXELS:
        raise InputError(
            f"the picture has {pixels} pixels, more than the {MAX_PIXELS} that can be read",
            where=path,
        )


def _read(path: Path, *, indices: bool) -> np.ndarray:
    """Decode with Pillow: ``(row, column)`` or ``(row, column, channel)``.

    With `indices`, a palette picture gives its indices, which are the ids of a mask.
    """
    with Image.open(path) as picture:
        _check_size(picture.width * picture.height, path)
        if getattr(picture, "n_frames", 1) > 1:
            raise InputError(
                f"the file holds {picture.n_frames} pictures",  # type: ignore[attr-defined]
                where=path,
                hint="Save each as a file of its own",
            )
        mode = picture.mode
        if mode == "P" and not indices:
            return _pixels(picture.convert("RGB"))
        if mode == "1":
            return np.asarray(picture).astype(np.uint8)
        if mode not in ("L", "P", "RGB", "RGBA", "LA", "F") and not mode.startswith("I"):
            return _pixels(picture.convert("RGB"))
        pixels = _pixels(picture)
        if mode == "I" and pixels.min() >= 0 and pixels.max() < 2**16:
            return pixels.astype(np.uint16)  # Older Pillow widens 16 bit greys.
        return pixels


def _pixels(picture: Image.Image) -> np.ndarray:
    """The pixels of a picture, copied in bands: in one go Pillow holds three copies of them."""
    picture.load()
    width, height = picture.size
    rows = max(1, _BAND // max(1, width))
    if rows >= height:
        return np.asarray(picture)
    pixels: np.ndarray | None = None
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        band = np.asarray(picture.crop((0, top, width, bottom)))
        if pixels is None:
            pixels = np.empty((height, *band.shape[1:]), dtype=band.dtype)
        pixels[top:bottom] = band
    assert pixels is not None
    return pixels


def _check_segments(page: tifffile.TiffPage, path: Path) -> None:
    """Refuse strips and tiles that unpack to more than they declare: tifffile sets no limit."""
    if page.compression in _DEFLATE:
        unpacker: Callable[[], Any] = zlib.decompressobj
    elif page.compression == _LZMA:
        unpacker = lzma.LZMADecompressor
    else:
        return
    declared = math.prod(page.chunks) * (page.dtype or np.dtype(np.uint8)).itemsize
    for offset, size in zip(page.dataoffsets, page.databytecounts, strict=False):
        page.parent.filehandle.seek(offset)
        packed = page.parent.filehandle.read(size)
        if len(unpacker().decompress(packed, declared + 1)) > declared:
            raise InputError("a part of the picture unpacks to more than it declares", where=path)


def _read_tiff(path: Path, *, indices: bool) -> np.ndarray:
    """Decode a TIFF of one page, any sample type; ``(row, column[, channel])``."""
    pixels: np.ndarray
    with tifffile.TiffFile(path) as file:
        count = len(file.pages)
        if count != 1:
            raise InputError(
                f"the TIFF holds {count} pages",
                where=path,
                hint="Save each as a file of its own, or a stack as NIfTI",
            )
        page = file.pages.first
        _check_size(math.prod(page.shape), path)
        axes, palette = page.axes, page.photometric == tifffile.PHOTOMETRIC.PALETTE
        if page.compression in _UNBOUNDED:
            return _read(path, indices=indices)
        _check_segments(page, path)
        try:
            pixels = page.asarray()
        except ValueError:
            # tifffile needs a further package for LZW, JPEG and others; Pillow brings its own.
            return _read(path, indices=indices)
        if palette and not indices:
            # (channel, index) of 16 bit -> RGB of 8 bit.
            colors: np.ndarray = page.colormap.T[pixels]
            return (colors >> 8).astype(np.uint8)
    if axes == "SYX":
        pixels = np.moveaxis(pixels, 0, -1)
    if axes not in ("YX", "YXS", "SYX"):
        raise InputError(f"the TIFF is no 2D picture, its axes are {axes}", where=path)
    return pixels


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


def _palette(labels: np.ndarray, classes: Sequence[LabelClass]) -> np.ndarray:
    """Red, green and blue of each id, ``(256, 3)`` uint8; background is black."""
    table = np.zeros((256, 3), dtype=np.uint8)
    for item in (*classes, *classes_in(labels, classes)):
        if 0 < item.id < 256:
            table[item.id] = item.rgb
    return table
