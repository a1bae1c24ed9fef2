"""What a large MetaImage or NRRD file holds, by its header and a sample of its voxels."""

from __future__ import annotations

import io
import math
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from napari_dim.io.format_rows import How
from napari_dim.io.glance import FIRST, LARGE, Glance, sampled
from napari_dim.io.itk.itk_reader import check_data_file, grid_told, list_classes, read_header
from napari_dim.io.itk.text_header import header_of


def glance_itk(path: Path, how: How) -> Glance | None:
    """The header and a sample of a large file; None for others, which are read at once.

    Those are small ones, segments, series of volumes, and what is stored in rarer ways.
    """
    header = header_of(path)
    if header is None or header.size <= LARGE or header.packed is None or header.dtype is None:
        return None
    if how.part or any(char in header.data_file for char in "% ") or list_classes(path):
        return None
    if header.data_file.upper() == "LIST" or _skips(header.fields):
        return None
    check_data_file(path)
    told = read_header(path)
    channels = int(told["channels"])
    shape = tuple(int(n) for n in told["size"])
    if len(shape) != 3 or header.size != math.prod(shape) * channels * header.dtype.itemsize:
        return None
    held = path if not header.data_file else path.parent / header.data_file.replace("\\", "/")
    start = 0 if header.data_file else header.end
    if not header.packed and held.stat().st_size < start + header.size:
        return None  # whoever reads it says what is missing
    with held.open("rb") as file:
        if header.packed:
            first = io.BytesIO(_unpacked(file, start, FIRST))
            values, where = sampled(first, 0, header.size, header.dtype, packed=True)
        else:
            values, where = sampled(file, start, header.size, header.dtype, packed=False)
    if not values.size:
        return None
    grid, notes = grid_told(path, told, (shape[0], shape[1], shape[2]), how.slice_axis)
    stored = np.dtype(header.dtype).newbyteorder("=").name
    return Glance(grid, values, where, stored, path, "volume", channels, tuple(notes))


def _skips(fields: dict[str, str]) -> bool:
    """Whether voxels begin elsewhere than right after the header, or at the other file's start."""
    names = ("line skip", "lineskip", "byte skip", "byteskip", "headersize")
    return any(fields.get(name, "0") not in ("", "0") for name in names)


def _unpacked(file: BinaryIO, start: int, count: int) -> bytes:
    """The first bytes of a stream by zlib or gzip, of those that can be had."""
    unpack, parts = zlib.decompressobj(47), []  # 47: whichever of the two it is
    file.seek(start)
    try:
        while count > 0 and (packed := file.read(2**20)):
            parts.append(unpack.decompress(packed, count))
            count -= len(parts[-1])
    except zlib.error:
        pass  # whoever reads all of it says that it is damaged
    return b"".join(parts)
