"""What can be said of an image without reading all of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from napari_dim.volume import Grid, Volume

_PLANES = 9


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
            numbers = np.unique(np.linspace(0, len(array) - 1, _PLANES).round().astype(int))
            array = np.stack([array[int(number)] for number in numbers])
            where = f"in {len(numbers)} of its slices"
        stored = str(volume.header.get("stored", array.dtype))
        return cls(volume.grid, array, where, stored, volume.path, volume.kind,
                   volume.channels, volume.warnings)  # fmt: skip
