"""How much of each class there is and how bright it is: kept a slice, so that a stroke counts one.

Each slice is counted by itself (`tally`); the whole scan is put together from that. Mean and
deviation are merged from means and squares about them, which stays exact for bright scans.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_dim.io.export.size_tables import pixel_and_voxel
from napari_dim.volume import Grid
from napari_dim.words import figure

LUMINANCE = (0.2126, 0.7152, 0.0722)
"""Shares of red, green and blue in how bright a colour is (ITU-R BT.709)."""


@dataclass(frozen=True)
class Tally:
    """What one slice holds, a row a class that it shows.

    Attributes
    ----------
    ids
        Class ids, ``(class,)``.
    voxels
        How many.
    valued
        How many of them have a finite value.
    mean, squares
        Of those, the mean and the sum of squares about it; 0 where there are none.
    """

    ids: np.ndarray
    voxels: np.ndarray
    valued: np.ndarray
    mean: np.ndarray
    squares: np.ndarray


@dataclass(frozen=True)
class Amount:
    """How much there is, in voxels, and its intensity; NaN where nothing is."""

    voxels: int
    mean: float
    deviation: float


@dataclass(frozen=True)
class ClassNumbers:
    """One class: in one slice, in the whole scan, and in how many slices.

    `labelled` counts those of `slices` that a person stands behind.
    """

    id: int
    here: Amount
    whole: Amount
    slices: int
    labelled: int


def tally(plane: np.ndarray, values: np.ndarray) -> Tally:
    """Count one slice.

    Parameters
    ----------
    plane
        Class ids, ``(row, column)``.
    values
        Intensities there, ``(row, column)``, or ``(row, column, colour)`` of a colour picture,
        whose luminance is taken.
    """
    there = plane != 0
    ids, place = _placed(plane[there])
    inside = intensity(values[there])
    finite = np.isfinite(inside)
    count = len(ids)
    voxels = np.bincount(place, minlength=count)
    if not finite.all():
        place, inside = place[finite], inside[finite]
    valued = np.bincount(place, minlength=count)
    some = np.maximum(valued, 1)
    mean = np.bincount(place, inside, count) / some
    squares = np.bincount(place, (inside - mean[place]) ** 2, count)
    return Tally(ids.astype(np.int64), voxels, valued, mean, squares)


def _placed(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ids that occur, ascending, and the place of each voxel's among them."""
    if not ids.size or ids.max() >= 2**16:
        return np.unique(ids, return_inverse=True)
    there = np.bincount(ids) > 0  # without sorting, which takes long for a large structure
    places = np.cumsum(there) - 1
    return np.flatnonzero(there), places[ids]


def intensity(values: np.ndarray) -> np.ndarray:
    """Values as numbers; of colours ``(..., 3 or 4)`` after the pixels, how bright they are."""
    if values.ndim == 2:
        return np.asarray(values[:, :3] @ np.array(LUMINANCE))
    return values.astype(np.float64)


class LiveNumbers:
    """The numbers of all slices of a mask.

    Parameters
    ----------
    count
        How many slices it has.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._versions = np.full(count, -1, dtype=np.int64)
        self._of: dict[int, np.ndarray] = {}  # id -> (voxels, valued, mean, squares) a slice

    def stale(self, versions: np.ndarray, near: int) -> list[int]:
        """Slices that have changed since they were counted, the nearest to `near` first.

        Parameters
        ----------
        versions
            As `ScanMask.versions`.
        near
            A slice.
        """
        numbers = np.flatnonzero(self._versions != versions)
        order = np.argsort(np.abs(numbers - near), kind="stable")
        return [int(number) for number in numbers[order]]

    def version_of(self, number: int) -> int:
        """The version that a slice was of when it was counted; below 0 if it never was."""
        return int(self._versions[number])

    def take(self, number: int, version: int, counted: Tally) -> None:
        """Take over what a slice held when it was of a version."""
        self._versions[number] = version
        for known in self._of.values():
            known[:, number] = 0
        columns = zip(
            counted.ids.tolist(), counted.voxels, counted.valued, counted.mean, counted.squares,
            strict=True,
        )  # fmt: skip
        for class_id, *column in columns:
            if class_id not in self._of:
                self._of[class_id] = np.zeros((4, self._count))
            self._of[class_id][:, number] = column

    def of(self, class_id: int, number: int, labelled: Sequence[int]) -> ClassNumbers:
        """The numbers of a class, in a slice and in all.

        Parameters
        ----------
        class_id, number
            The class, and the slice.
        labelled
            Slices that a person stands behind.
        """
        known = self._of.get(class_id, np.zeros((4, self._count)))
        shown = known[0] > 0
        return ClassNumbers(
            class_id,
            _amount(known[:, [number]]),
            _amount(known),
            int(shown.sum()),
            int(shown[list(labelled)].sum()),
        )


def _amount(parts: np.ndarray) -> Amount:
    voxels, valued, mean, squares = parts
    count = valued.sum()
    if not count:
        return Amount(int(voxels.sum()), float("nan"), float("nan"))
    middle = (valued * mean).sum() / count
    about = squares.sum() + (valued * (mean - middle) ** 2).sum()
    return Amount(int(voxels.sum()), float(middle), float(np.sqrt(about / count)))


def rows(
    numbers: Sequence[ClassNumbers], names: dict[int, str], grid: Grid
) -> list[tuple[str, ...]]:
    """The table of classes as it is read and copied, its header first.

    Areas and volumes are written as in the table that Export writes.
    """
    pixel, voxel = pixel_and_voxel(grid)
    physical = grid.unit == "mm"
    header = (
        "class", f"here ({'mm²' if physical else 'px'})", "mean here", "SD here",
        "all (ml)" if physical else "all (px)", "mean", "SD", "voxels", "slices", "labelled",
    )  # fmt: skip
    body = []
    for one in numbers:
        whole = one.whole.voxels * (voxel if physical else pixel)
        body.append(
            (
                names.get(one.id, str(one.id)), figure(one.here.voxels * pixel, 6),
                _value(one.here.mean), _value(one.here.deviation), figure(whole, 6),
                _value(one.whole.mean), _value(one.whole.deviation),
                str(one.whole.voxels), str(one.slices), str(one.labelled),
            )
        )  # fmt: skip
    return [header, *body]


def _value(number: float) -> str:
    return "-" if np.isnan(number) else figure(number, 5)
