"""Volume: voxels with their place in the patient. The one place that knows axis order.

Files store voxels in any axis order and direction. Everything else in napari-dim sees
``(slice, row, column[, channel])``, laid out as a radiologist reads it: rows run towards
the patient's inferior or posterior, columns towards the left or posterior. The slice axis
is never turned round, so slice *n* is slice *n* of the file. `Grid.to_array` and
`Grid.to_file` go between the two by transposing and flipping alone: no voxel is resampled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol

import nibabel as nib
import numpy as np

from napari_dim.errors import InputError

# Reading order of the world's axes for rows: superior-inferior first, then anterior-posterior.
_ROW_PRIORITY = {"S": 0, "I": 0, "A": 1, "P": 1, "R": 2, "L": 2}
PLANES = {"axial": "SI", "coronal": "AP", "sagittal": "RL"}
"""What slices are called -> the letters of the axis that they are counted along."""

_FLIPPED_IN_PLANE = frozenset("RAS")
_LARGE = 2**28  # Voxels above which intensities are judged by some slices...
_LOOKED_AT = 32  # ... and by how many.


@dataclass(frozen=True)
class Grid:
    """How a file's voxel grid lies in the patient, and how its array is laid out here.

    Attributes
    ----------
    file_shape
        Voxels along the file's first three axes.
    file_affine
        4 x 4, float64: file voxel index -> position, RAS+, in mm (or pixels).
    slice_axis
        File axis (0, 1, 2) that slices are counted along.
    unit
        ``"mm"``, or ``"pixel"`` for pictures without a physical size.
    placed
        Whether the file says where the voxels lie; else only sizes can be compared.
    others
        Further places that the file states, as `file_affine`: a NIfTI's qform that differs
        from its sform.
    """

    file_shape: tuple[int, int, int]
    file_affine: np.ndarray
    slice_axis: int
    unit: Literal["mm", "pixel"] = "mm"
    placed: bool = True
    others: tuple[np.ndarray, ...] = ()

    def __post_init__(self) -> None:
        affine = np.asarray(self.file_affine, dtype=np.float64)
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            raise InputError("the affine is not a 4 x 4 matrix of finite numbers")
        sizes = np.linalg.norm(affine[:3, :3], axis=0)
        # Relative to the spacing: a volume in metres or microns is no more singular.
        if not sizes.all() or abs(np.linalg.det(affine[:3, :3] / sizes)) < 1e-6:
            raise InputError("the affine is singular: an axis has no direction of its own")
        if min(self.file_shape) < 1:
            raise InputError("the image is empty: it has no voxels along an axis")
        if self.slice_axis not in (0, 1, 2):
            raise InputError(f"slice axis {self.slice_axis} is not 0, 1 or 2")
        affine = affine.copy()
        affine.flags.writeable = False
        object.__setattr__(self, "file_affine", affine)

    @classmethod
    def of_picture(cls, height: int, width: int) -> Grid:
        """The grid of a 2D picture: one slice, rows and columns as stored, in pixels."""
        return cls.of_pictures(1, height, width)

    @classmethod
    def of_pictures(
        cls, count: int, height: int, width: int, spacing: tuple[float, float, float] | None = None
    ) -> Grid:
        """The grid of a stack of pictures, rows and columns as stored.

        `spacing` of (slices, rows, columns) is in mm; without it the unit is pixels.
        """
        slices, rows, columns = spacing or (1.0, 1.0, 1.0)
        # Diagonal (column: L, row: P) so that the layout below leaves rows and columns alone.
        affine = np.diag([-columns, -rows, slices, 1.0])
        return cls((width, height, count), affine, 2, "mm" if spacing else "pixel", placed=False)

    @property
    def codes(self) -> str:
        """Orientation letters of the file's axes, e.g. ``"RAS"``."""
        return "".join(nib.orientations.aff2axcodes(self.file_affine))

    @cached_property
    def layout(self) -> tuple[tuple[int, int, int], tuple[int, ...]]:
        """File axes in the order (slice, row, column), and the array axes to flip."""
        codes = self.codes
        plane = sorted(
            (axis for axis in range(3) if axis != self.slice_axis),
            key=lambda axis: _ROW_PRIORITY[codes[axis]],
        )
        order = (self.slice_axis, plane[0], plane[1])
        flips = tuple(
            position for position in (1, 2) if codes[order[position]] in _FLIPPED_IN_PLANE
        )
        return order, flips

    @property
    def shape(self) -> tuple[int, int, int]:
        """(slices, rows, columns)."""
        order, _ = self.layout
        return (
            self.file_shape[order[0]],
            self.file_shape[order[1]],
            self.file_shape[order[2]],
        )

    @cached_property
    def affine(self) -> np.ndarray:
        """4 x 4: array index (slice, row, column) -> position, RAS+, in mm (or pixels)."""
        order, flips = self.layout
        to_file = np.zeros((4, 4))
        to_file[3, 3] = 1.0
        for position, axis in enumerate(order):
            flipped = position in flips
            to_file[axis, position] = -1.0 if flipped else 1.0
            to_file[axis, 3] = self.file_shape[axis] - 1 if flipped else 0
        return self.file_affine @ to_file

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance between neighbouring (slices, rows, columns), in `unit`."""
        sizes = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(sizes[0]), float(sizes[1]), float(sizes[2])

    def to_array(self, data: np.ndarray) -> np.ndarray:
        """A view of data in the file's order ``(i, j, k[, channel])``, laid out for us."""
        order, flips = self.layout
        return np.flip(np.transpose(data, (*order, *range(3, data.ndim))), flips)

    def to_file(self, array: np.ndarray) -> np.ndarray:
        """The inverse of `to_array`: a view in the file's axis order and direction."""
        order, flips = self.layout
        back = tuple(int(axis) for axis in np.argsort(order))
        return np.transpose(np.flip(array, flips), (*back, *range(3, array.ndim)))

    def axis_called(self, name: str) -> int:
        """The file axis that slices of a plane are counted along.

        Parameters
        ----------
        name
            ``"axial"``, ``"coronal"`` or ``"sagittal"``; the axis nearest to its normal is
            taken. Or the number of a file axis, from 0.

        Raises
        ------
        InputError
            If it is neither.
        """
        name = name.strip().lower()
        if name in PLANES:
            letters = PLANES[name]
            return next(axis for axis in range(3) if self.codes[axis] in letters)
        if name in ("0", "1", "2"):
            return int(name)
        raise InputError(
            f"the slice axis is {name!r}", hint=f"Use {', '.join(PLANES)}, or 0, 1 or 2"
        )

    @property
    def plane(self) -> str:
        """What a radiologist calls the slices: ``"axial"``, ``"coronal"`` or ``"sagittal"``."""
        code = self.codes[self.slice_axis]
        return next(name for name, letters in PLANES.items() if code in letters)

    def matches(self, other: Grid, tolerance: float = 1e-3) -> bool:
        """Whether both grids put every voxel at the same place, within `tolerance` voxels."""
        if self.file_shape != other.file_shape:
            return False
        corners = np.array(
            [[i, j, k, 1] for i in (0, 1) for j in (0, 1) for k in (0, 1)], dtype=float
        ).T
        corners[:3] *= (np.array(self.file_shape) - 1)[:, None]
        apart = np.linalg.norm(((self.file_affine - other.file_affine) @ corners)[:3], axis=0)
        return bool(apart.max() <= tolerance * min(self.spacing))


class Placed(Protocol):
    """What a mask is laid onto or written for: an image, or all of it but its voxels."""

    @property
    def grid(self) -> Grid:
        """Where the voxels are."""

    @property
    def path(self) -> Path | None:
        """The file that it was read from."""

    @property
    def kind(self) -> Literal["volume", "picture"]:
        """As `Volume.kind`."""

    @property
    def header(self) -> Mapping[str, Any]:
        """As `Volume.header`."""


@dataclass(frozen=True)
class Place:
    """A `Volume` without its voxels."""

    grid: Grid
    path: Path | None = None
    kind: Literal["volume", "picture"] = "volume"
    header: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Volume:
    """An image with its grid and where it came from.

    Attributes
    ----------
    array
        ``(slice, row, column)`` or ``(slice, row, column, channel)``.
    grid
        Where the voxels are.
    path
        The file it was read from, if any.
    kind
        ``"volume"``, or ``"picture"`` for a 2D image file or a stack of such, each of its own.
    header
        What an export needs of the source's header (codes, units), nothing else of it:
        free-text fields can name a patient.
    warnings
        What the reader noticed, one sentence each.
    """

    array: np.ndarray
    grid: Grid
    path: Path | None = None
    kind: Literal["volume", "picture"] = "volume"
    header: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.array.ndim not in (3, 4) or self.array.shape[:3] != self.grid.shape:
            raise InputError(
                f"the array is {self.array.shape}, its grid {self.grid.shape}", where=self.path
            )

    def along(self, slice_axis: int) -> Volume:
        """The same voxels with slices counted along another file axis; a view, not a copy.

        Raises
        ------
        InputError
            If these are pictures, which have no other way to be cut.
        """
        if slice_axis == self.grid.slice_axis:
            return self
        if self.kind == "picture":
            raise InputError("pictures can't be cut along another axis", where=self.path)
        grid = replace(self.grid, slice_axis=slice_axis)
        return replace(self, grid=grid, array=grid.to_array(self.grid.to_file(self.array)))

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance between neighbouring (slices, rows, columns), in ``grid.unit``."""
        return self.grid.spacing

    @property
    def separate(self) -> bool:
        """Whether the slices are pictures of their own, not neighbours in one body."""
        return self.kind == "picture" or (self.grid.unit != "mm" and self.channels in (3, 4))

    @property
    def channels(self) -> int:
        """Number of channels, 1 for a plain grey image."""
        return self.array.shape[3] if self.array.ndim == 4 else 1

    @cached_property
    def intensities(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """0.5 and 99.5 %, and mean and standard deviation within them, ``(channel,)`` each.

        From about two million voxels at most, a few planes' rows and columns left out; of
        a volume of more than `_LARGE` voxels only some slices are looked at, for one that
        lies on the disk is not read as a whole for it.
        """
        slices, rows, columns = self.array.shape[:3]
        wanted = slices if slices * rows * columns <= _LARGE else min(slices, _LOOKED_AT)
        step = max(1, round(np.sqrt(max(1, wanted * rows * columns // 2_000_000))))
        if wanted == slices:
            picked = np.asarray(self.array[:, ::step, ::step])
        else:
            numbers = np.linspace(0, slices - 1, wanted).round().astype(int)
            picked = np.stack([self.array[int(n)][::step, ::step] for n in numbers])
        sample = picked.reshape(-1, self.channels).astype(np.float32)
        if not np.isfinite(sample).all():
            sample = np.nan_to_num(sample, posinf=0.0, neginf=0.0)
        low, high = np.percentile(sample, (0.5, 99.5), axis=0)
        flat = high <= low  # mostly background: the limits would wipe the rest out
        low = np.where(flat, sample.min(0), low).astype(np.float32)
        high = np.where(flat, sample.max(0), high).astype(np.float32)
        sample = np.clip(sample, low, high)
        spread = sample.std(0)
        return low, high, sample.mean(0), np.where(spread > 0, spread, 1.0).astype(np.float32)


def default_slice_axis(affine: np.ndarray) -> int:
    """The file axis with the largest spacing, else the last (spacings within 1 % are equal)."""
    sizes = np.linalg.norm(np.asarray(affine, dtype=float)[:3, :3], axis=0)
    largest = sizes.max()
    return int(np.flatnonzero(sizes >= 0.99 * largest)[-1])


def file_stem(path: Path) -> str:
    """A file's name without its suffix, and without both of ``.nii.gz``.

    Numbers after a full stop are no suffix: DICOM names files and folders by them.
    """
    name = Path(str(path)).name  # a place elsewhere is no Path
    if name.lower().endswith(".gz"):
        name = name[:-3]
    return name if Path(name).suffix[1:].isdigit() else Path(name).stem
