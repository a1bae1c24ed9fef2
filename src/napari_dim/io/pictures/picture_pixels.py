"""The pixels of picture files, decoded within limits by Pillow and tifffile."""

from __future__ import annotations

import lzma
import math
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image, UnidentifiedImageError

from napari_dim.errors import Foreseen, InputError, one_line
from napari_dim.io.hashing import as_read
from napari_dim.io.library_words import c_words_withheld, withheld
from napari_dim.io.pictures.exif_orientation import (
    TAG,
    as_stored,
    in_words,
    orientation_of,
    upright,
)
from napari_dim.io.pictures.mask_palette import by_palette
from napari_dim.io.pictures.picture_place import KEY
from napari_dim.io.pictures.stored_numbers import jpeg_fault, layout_of
from napari_dim.io.pictures.voxel_size import pixel_size
from napari_dim.io.pictures.white_is_zero import turned

MAX_PIXELS = 178_956_970
"""Larger pictures are refused before they are decoded: Pillow's own limit."""

UNBOUNDED = (34926, 50000)
"""Compressions of a TIFF's pages whose size is not known before they are unpacked."""

# What a file is, its content says; others that Pillow knows start programs of their own.
# MPO is opened as JPEG.
_FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "DIB", "GIF", "WEBP", "JPEG2000", "PPM", "TGA")
_LOSSY = ("JPEG", "MPO")
_DEFLATE, _LZMA = (8, 32946), 34925
_BAND = 2**20  # pixels
OF_SET = "its own picture is read: give their folder for all"
"""The end of what is told of a file that belongs to a set."""
_IN_SET = re.compile(r'<(?:\w+:)?UUID[^>]* FileName="([^"]+)"')
_FORESEEN: Foreseen = {
    Image.DecompressionBombError: ("the picture is too large", ""),
    UnidentifiedImageError: (
        "this is no picture that can be read: it is damaged, or of another kind than its name says",
        "Save it again as PNG or TIFF",
    ),
}


@dataclass(frozen=True)
class Pixels:
    """A decoded picture.

    Attributes
    ----------
    values
        ``(row, column[, channel])``, as viewers show it.
    notes
        What is to be told of it.
    orientation
        How it was turned, as EXIF counts: 1 to 8, 1 where it was not.
    lossy
        Whether its values went through JPEG.
    text
        What napari-dim wrote into the file, see `picture_place`.
    """

    values: np.ndarray
    notes: tuple[str, ...] = ()
    orientation: int = 1
    lossy: bool = False
    text: str = ""


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever goes wrong while reading into one `InputError`."""
    with withheld(), one_line(path, "picture", known=_FORESEEN):
        yield


def is_tiff(path: Path) -> bool:
    """Whether a file is a TIFF by its name."""
    return path.suffix.lower() in (".tif", ".tiff")


def check_size(pixels: int, path: Path) -> None:
    """Refuse a picture without pixels, or with more than `MAX_PIXELS`."""
    if pixels < 1:
        raise InputError("the picture is empty: it has no pixels along a side", where=path)
    if pixels > MAX_PIXELS:
        raise InputError(
            f"the picture has {pixels} pixels, more than the {MAX_PIXELS} that can be read",
            where=path,
        )


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """A picture whose header is read and of a size that can be used."""
    Image.init()
    known = [name for name in _FORMATS if name in Image.OPEN]
    try:
        with Image.open(as_read(path), formats=known) as picture:
            check_size(picture.width * picture.height, path)
            yield picture
    except OSError as error:
        if error.errno is not None:
            raise
        problem, hint = jpeg_fault(path)
        if not problem and isinstance(error, UnidentifiedImageError):
            raise
        # Pillow's own words help nobody.
        problem, hint = problem or "the picture is damaged or cut off", hint or "Copy it again"
        raise InputError(problem, where=path, hint=hint) from error


def read_pixels(path: Path, *, indices: bool = False) -> Pixels:
    """Decode one picture, the first of a file that holds several.

    With `indices`, one with a palette gives its indices: the ids of a mask.
    """
    if is_tiff(path):
        found = _read_tiff(path, indices=indices)
    else:
        found = _as_stored(path, _read(path, indices=indices), indices=indices)
    if found.orientation == 1:
        return found
    told = f"the picture is {in_words(found.orientation)}, as its file asks (EXIF) and viewers do"
    values = upright(found.values, found.orientation)
    return replace(found, values=values, notes=(*found.notes, told))


def _as_stored(path: Path, found: Pixels, *, indices: bool) -> Pixels:
    """The numbers that the file holds, where Pillow makes others of them."""
    layout = layout_of(path)
    if layout.depth <= 8:
        return replace(found, values=layout.stored(found.values)) if indices else found
    if found.values.dtype != np.uint8:
        return replace(found, values=layout.stored(found.values))
    # Colours, which Pillow cuts down to 8 bits.
    png = path.suffix.lower() == ".png"
    if png and find_spec("SimpleITK") is not None:
        from napari_dim.io.itk.itk_reader import read_plain

        return replace(found, values=np.swapaxes(read_plain(path), 0, 1))
    told = f"the picture has {layout.depth} bit a colour and is read with 8"
    return replace(found, notes=(*found.notes, f"{told}; the extra itk reads all" if png else told))


def _read(path: Path, *, indices: bool) -> Pixels:
    """Decode with Pillow, not yet turned."""
    with opened(path) as picture:
        count = int(getattr(picture, "n_frames", 1))
        notes: tuple[str, ...] = ()
        if count > 1:
            notes = (f"the file holds {count} pictures; the first is read",)
            picture.seek(0)
        lossy = picture.format in _LOSSY
        values = _values(picture, indices=indices)
        if indices and picture.mode == "P":
            colours = np.array(picture.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
            values, told = by_palette(values, colours)
            notes += told
        text = str(picture.info.get(KEY, ""))
        return Pixels(values, notes, orientation_of(picture), lossy, text)


def _values(picture: Image.Image, *, indices: bool) -> np.ndarray:
    mode = picture.mode
    if mode == "P" and not indices:
        return _pixels(picture.convert("RGBA" if "transparency" in picture.info else "RGB"))
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


def full_pages(file: tifffile.TiffFile) -> list[tifffile.TiffPage]:
    """The pages of a TIFF without smaller copies of others; all where there are only such."""
    # By number: over a page that names itself as the next, tifffile goes round for ever.
    pages = [file.pages[number].aspage() for number in range(len(file.pages))]
    return [page for page in pages if not page.is_reduced] or pages


def files_in_set(file: tifffile.TiffFile) -> list[str]:
    """The names of the files that an OME-TIFF counts to its set, its own included."""
    return sorted(set(_IN_SET.findall(file.ome_metadata or "")))


def check_segments(page: tifffile.TiffPage, path: Path) -> None:
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


def _read_tiff(path: Path, *, indices: bool) -> Pixels:
    """Decode a TIFF's one full page, any sample type, not yet turned."""
    values: np.ndarray
    notes: tuple[str, ...] = ()
    with tifffile.TiffFile(as_read(path)) as file:
        page = full_pages(file)[0]
        if len(file.pages) > 1:
            notes = ("the smaller copies of the picture in its file are left out",)
        if len(together := files_in_set(file)) > 1:
            notes += (f"the file is one of {len(together)} of an OME-TIFF; {OF_SET}",)
        check_size(math.prod(page.shape), path)
        axes, palette = page.axes, page.photometric == tifffile.PHOTOMETRIC.PALETTE
        tag = page.tags.get(TAG)
        orientation = int(tag.value) if tag is not None and in_words(int(tag.value)) else 1
        if page.compression in UNBOUNDED:
            return _by_pillow(path, page, orientation, indices=indices)
        check_segments(page, path)
        try:
            values = page.asarray()
        except ValueError:
            # tifffile needs a further package for LZW, JPEG and others; Pillow brings its own.
            return _by_pillow(path, page, orientation, indices=indices)
        if palette and not indices:
            # (channel, index) of 16 bit -> RGB of 8 bit.
            colors: np.ndarray = page.colormap.T[values]
            values = (colors >> 8).astype(np.uint8)
            axes = "YXS"
        elif palette:
            values, told = by_palette(values, (page.colormap.T >> 8).astype(np.uint8))
            notes += told
        values, told_of_white = turned(values, page, indices=indices)
        notes += told_of_white
        lossy = page.compression in (6, 7, 34892)
        text, size = page.description, pixel_size(file)
        if size is not None:
            notes += (
                f"a pixel is {size[0]:.4g} x {size[1]:.4g} mm by its file; distances are in pixels",
            )
    if axes == "SYX":
        values = np.moveaxis(values, 0, -1)
    if axes not in ("YX", "YXS", "SYX"):
        raise InputError(f"the TIFF is no 2D picture, its axes are {axes}", where=path)
    return Pixels(values, notes, orientation, lossy, text)


def _by_pillow(path: Path, page: tifffile.TiffPage, orientation: int, *, indices: bool) -> Pixels:
    """A TIFF by Pillow, which turns it on its own."""
    with c_words_withheld():
        found = _read(path, indices=indices)
    values, told = turned(found.values, page, indices=indices, by_pillow=True)
    found = replace(found, values=values, notes=(*found.notes, *told))
    if found.orientation != 1:
        return found
    return replace(found, values=as_stored(found.values, orientation), orientation=orientation)
