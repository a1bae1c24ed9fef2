"""A mask in the place of its image."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from napari_dim.io import LabelClass, write_mask
from napari_dim.volume import Grid, Place, Volume


@dataclass(frozen=True, eq=False, repr=False)
class Mask:
    """What `napari_dim.predict` gives: class ids, and where they lie.

    ``numpy.asarray(mask)`` is its `array`.

    Attributes
    ----------
    array
        Class ids, ``(slice, row, column)``, 0 for background, smallest unsigned type. Of a large
        image it lies on the disk as long as somebody holds it.
    place
        Where the voxels are: those of the image.
    classes
        The ids that the model knows.
    entropy
        Mean entropy of each slice as a share of its maximum, ``(slice,)``, in [0, 1]: how
        unsure the model is.
    """

    array: np.ndarray
    place: Place
    classes: tuple[int, ...] = ()
    entropy: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))

    @classmethod
    def on(cls, volume: Volume, array: np.ndarray, **more: Any) -> Mask:
        """A mask of `volume`."""
        place = Place(volume.grid, volume.path, volume.kind, volume.header)
        return cls(array, place, **more)

    @property
    def grid(self) -> Grid:
        """How the voxels lie in the patient."""
        return self.place.grid

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance between neighbouring (slices, rows, columns), in ``grid.unit``."""
        return self.grid.spacing

    @property
    def affine(self) -> np.ndarray:
        """4 x 4: index (slice, row, column) -> position, RAS+, in mm (or pixels)."""
        return self.grid.affine

    def save(self, path: str | Path, form: str = "") -> Path:
        """Write it, whole or not at all; the name's end says the format.

        Parameters
        ----------
        path
            The file.
        form
            The key of a format whose name says too little, such as ``"dicom-seg"``.

        Raises
        ------
        InputError
            If the format doesn't take it, or it can't be written.
        """
        classes = [LabelClass(class_id) for class_id in self.classes]
        return write_mask(Path(path), self.array, self.place, classes=classes, form=form)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.array, dtype=dtype) if copy else np.asarray(self.array, dtype=dtype)

    def __repr__(self) -> str:
        slices, rows, columns = self.array.shape
        sizes = " x ".join(f"{size:g}" for size in self.spacing)
        classes = ", ".join(str(one) for one in self.classes)
        return (
            f"<Mask of {slices} x {rows} x {columns}, {sizes} {self.grid.unit}, classes {classes}>"
        )
