"""What a large NIfTI file holds, by its header and a sample of its voxels."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from napari_dim.errors import one_line
from napari_dim.io.format_rows import How
from napari_dim.io.glance import Glance
from napari_dim.io.nifti.nifti_header import Source, one_volume, open_stream, read_nifti_header
from napari_dim.io.nifti.nifti_reader import DAMAGED, grid_of

LARGE = 64 * 2**20
"""Bytes of voxels above which a sample is looked at."""

_RUNS, _RUN = 32, 2**20  # Bytes.


def glance_nifti(path: Path, how: How) -> Glance | None:
    """The header and a sample of a large file; None for one that is read at once."""
    with one_line(path, "NIfTI file", known=DAMAGED):
        source = one_volume(read_nifti_header(path), how.part, path)
        if math.prod(source.shape) * source.dtype.itemsize <= LARGE:
            return None
        grid, warnings = grid_of(source, path, how.slice_axis)
        values, where = _sample(source)
        slope, inter = source.scaling
        if source.scaling != (1.0, 0.0):
            values = values * slope + inter
        channels = min(source.colors, 3) or (source.shape[3] if len(source.shape) > 3 else 1)
        stored = source.dtype.newbyteorder("=").name
        notes = (*source.notes, *warnings)
        return Glance(grid, values, where, stored, path, "volume", channels, notes)


def _sample(source: Source) -> tuple[np.ndarray, str]:
    """Some of the stored values, and of which part of the file they are."""
    size = math.prod(source.shape) * source.dtype.itemsize
    run = _RUN // source.dtype.itemsize * source.dtype.itemsize
    with open_stream(source.data_path) as (stream, packed):
        if packed:
            stream.seek(source.offset)
            data = stream.read(min(size, _RUNS * run))
            where = f"in the first {100 * len(data) / size:.2g} % of its voxels"
        else:
            starts = np.linspace(0, size - run, _RUNS).astype(np.int64)
            parts = []
            for start in starts // source.dtype.itemsize * source.dtype.itemsize:
                stream.seek(source.offset + int(start))
                parts.append(stream.read(run))
            data = b"".join(parts)
            where = f"in a sample of {100 * len(data) / size:.2g} % of its voxels"
    return np.frombuffer(data[: len(data) // source.dtype.itemsize * source.dtype.itemsize],
                         source.dtype), where  # fmt: skip
