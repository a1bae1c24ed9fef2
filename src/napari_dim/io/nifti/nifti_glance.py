"""What a large NIfTI file holds, by its header and a sample of its voxels."""

from __future__ import annotations

import math
from pathlib import Path

from napari_dim.errors import one_line
from napari_dim.io.format_rows import How
from napari_dim.io.glance import LARGE, Glance, sampled
from napari_dim.io.nifti.nifti_header import one_volume, open_stream, read_nifti_header
from napari_dim.io.nifti.nifti_reader import DAMAGED, grid_of


def glance_nifti(path: Path, how: How) -> Glance | None:
    """The header and a sample of a large file; None for one that is read at once."""
    with one_line(path, "NIfTI file", known=DAMAGED):
        source = one_volume(read_nifti_header(path), how.part, path)
        size = math.prod(source.shape) * source.dtype.itemsize
        if size <= LARGE:
            return None
        grid, warnings = grid_of(source, path, how.slice_axis)
        with open_stream(source.data_path) as (stream, packed):
            # A stream that unpacks itself goes on to the part that is wanted.
            values, where = sampled(stream, source.offset, size, source.dtype, packed=packed)
        slope, inter = source.scaling
        if source.scaling != (1.0, 0.0):
            values = values * slope + inter
        channels = min(source.colors, 3) or (source.shape[3] if len(source.shape) > 3 else 1)
        stored = source.dtype.newbyteorder("=").name
        notes = (*source.notes, *warnings)
        return Glance(grid, values, where, stored, path, "volume", channels, notes)
