"""What can be said of an image without reading all of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np

from napari_dim.volume import Grid, Volume

PLANES = 9
"""So many slices of a large image are looked at."""

LARGE = 64 * 2**20
"""Bytes of voxels above which a sample is looked at."""

_RUNS, _RUN = 32, 2**20  # Bytes.
FIRST = _RUNS * _RUN
"""So many bytes of a compressed image are looked at."""


@dataclass(frozen=True)
class Glance:
    """An image's geometry and a sample of its values.

    Attributes
    ----------
    grid
        Where the voxels are.
    sample
        Values, of any shape.
    where
        Of which part of the image they are; ``""``: all.
    stored
        The type in the file.
    path
        The file.
    kind, channels, warnings
        As those of a `Volume`.
    """

    grid: Grid
    sample: np.ndarray
    where: str
    stored: str
    path: Path | None
    kind: Literal["volume", "picture"]
    channels: int
    warnings: tuple[str, ...]

    @classmethod
    def at(cls, volume: Volume) -> Glance:
        """All values of a volume in memory, those of some slices of one on the disk."""
        array, where = volume.array, ""
        if not isinstance(array, np.ndarray):
            numbers = np.unique(np.linspace(0, len(array) - 1, PLANES).round().astype(int))
            array = np.stack([array[int(number)] for number in numbers])
            where = f"in {len(numbers)} of its slices"
        stored = str(volume.header.get("stored", array.dtype))
        return cls(volume.grid, array, where, stored, volume.path, volume.kind,
                   volume.channels, volume.warnings)  # fmt: skip


def sampled(
    file: BinaryIO, start: int, size: int, dtype: np.dtype[Any], *, packed: bool
) -> tuple[np.ndarray, str]:
    """Some of the values in a file, and of which part of it they are.

    Parameters
    ----------
    file
        Open for reading.
    start
        Byte where the values begin.
    size
        Bytes of all values, unpacked.
    dtype
        How one is stored.
    packed
        Whether the file unpacks itself: then they are the first ones.
    """
    run = _RUN // dtype.itemsize * dtype.itemsize
    if packed:
        file.seek(start)
        data = file.read(min(size, _RUNS * run))
        where = f"in the first {100 * len(data) / size:.2g} % of its voxels"
    else:
        parts = []
        for at in np.linspace(0, size - run, _RUNS).astype(np.int64):
            file.seek(start + int(at) // dtype.itemsize * dtype.itemsize)
            parts.append(file.read(run))
        data = b"".join(parts)
        where = f"in a sample of {100 * len(data) / size:.2g} % of its voxels"
    whole = len(data) // dtype.itemsize * dtype.itemsize
    return np.frombuffer(data[:whole], dtype), where
