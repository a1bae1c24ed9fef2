"""The pixels of PNG, JPEG and TIFF files, decoded within limits by Pillow and tifffile."""

from __future__ import annotations

import lzma
import math
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from napari_dim.errors import Foreseen, InputError, one_line

MAX_PIXELS = 178_956_970
"""Larger pictures are refused before they are decoded: Pillow's own limit."""

UNBOUNDED = (34926, 50000)
"""Compressions of a TIFF's pages whose size is not known before they are unpacked."""

_DEFLATE, _LZMA = (8, 32946), 34925
_BAND = 2**20  # pixels
_TOO_LARGE: Foreseen = {Image.DecompressionBombError: ("the picture is too large", "")}


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever goes wrong while reading into one `InputError`."""
    with warnings.catch_warnings(), one_line(path, "picture", known=_TOO_LARGE):
        # Pillow warns of large pictures; `MAX_PIXELS` decides here.
        warnings.simplefilter("ignore")
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


def read_pixels(path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """The pixels of one picture, and what is to be told of them."""
    if is_tiff(path):
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
    from napari_dim.io.itk.itk_reader import read_plain

    return np.swapaxes(read_plain(path), 0, 1), ()


def read_indices(path: Path) -> np.ndarray:
    """As `read_pixels`, but of a picture with a palette the indices: the ids of a mask."""
    return (_read_tiff if is_tiff(path) else _read)(path, indices=True)


def _read(path: Path, *, indices: bool) -> np.ndarray:
    """Decode with Pillow: ``(row, column)`` or ``(row, column, channel)``.

    With `indices`, a palette picture gives its indices, which are the ids of a mask.
    """
    with Image.open(path) as picture:
        check_size(picture.width * picture.height, path)
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
        check_size(math.prod(page.shape), path)
        axes, palette = page.axes, page.photometric == tifffile.PHOTOMETRIC.PALETTE
        if page.compression in UNBOUNDED:
            return _read(path, indices=indices)
        check_segments(page, path)
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
