"""Where two masks of a scan differ: by pixel, by slice and by piece, and how well they agree."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from napari_dim.io.export.size_tables import pixel_and_voxel
from napari_dim.volume import Grid
from napari_dim.words import figure

ONLY_A, ONLY_B, OTHER = 1, 2, 3
"""What a pixel of the overlay is: painted in one mask alone, or in both with different classes."""
LARGEST, IN_ORDER = "largest first", "slice by slice"
"""The orders that pieces are gone through in."""
_TOUCHING = np.ones((3, 3), bool)


@dataclass(frozen=True)
class Piece:
    """Pixels of a slice that differ and hang together, corners included.

    `row` and `column` are the middle of the box around them.
    """

    number: int
    area: int
    row: float
    column: float


@dataclass(frozen=True)
class SliceDifferences:
    """Where two masks differ in a slice.

    Attributes
    ----------
    overlay
        0 where they agree, else `ONLY_A`, `ONLY_B` or `OTHER`, ``(row, column)`` uint8.
    counts
        Pixels of these three, ``(3,)``.
    pieces
        What hangs together.
    sizes
        Class id -> pixels in A, in B, in both.
    """

    overlay: np.ndarray
    counts: np.ndarray
    pieces: tuple[Piece, ...]
    sizes: dict[int, tuple[int, int, int]]


@dataclass(frozen=True)
class Agreement:
    """How well two masks agree in a class, in voxels; `dice` is NaN where neither has it."""

    id: int
    a: int
    b: int
    both: int

    @property
    def dice(self) -> float:
        """Twice what both have over all that they have, in [0, 1]."""
        return 2 * self.both / (self.a + self.b) if self.a + self.b else float("nan")


def compare(number: int, a: np.ndarray, b: np.ndarray) -> SliceDifferences:
    """Compare one slice of two masks, class ids ``(row, column)`` each."""
    overlay = np.zeros(a.shape, np.uint8)
    painted = (a != 0) | (b != 0)
    rows, columns = np.flatnonzero(painted.any(1)), np.flatnonzero(painted.any(0))
    if not rows.size:
        return SliceDifferences(overlay, np.zeros(3, int), (), {})
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    a, b = a[box], b[box]
    of_a, of_b, of_both = _sizes(a), _sizes(b), _sizes(np.where(a == b, a, 0))
    sizes = {
        one: (of_a.get(one, 0), of_b.get(one, 0), of_both.get(one, 0)) for one in {*of_a, *of_b}
    }
    differ = a != b
    inside = overlay[box]
    inside[differ] = OTHER
    inside[differ & (b == 0)] = ONLY_A
    inside[differ & (a == 0)] = ONLY_B
    counts = np.bincount(inside.ravel(), minlength=4)[1:]
    parts, count = ndimage.label(differ, _TOUCHING)
    areas = np.bincount(parts.ravel(), minlength=count + 1)[1:]
    pieces = []
    for area, (down, across) in zip(areas, ndimage.find_objects(parts), strict=True):
        row = rows[0] + (down.start + down.stop - 1) / 2
        column = columns[0] + (across.start + across.stop - 1) / 2
        pieces.append(Piece(number, int(area), float(row), float(column)))
    return SliceDifferences(overlay, counts, tuple(pieces), sizes)


def _sizes(plane: np.ndarray) -> dict[int, int]:
    """Pixels of each class."""
    ids, counts = np.unique(plane[plane != 0], return_counts=True)
    return {int(one): int(count) for one, count in zip(ids, counts, strict=True)}


class Differences:
    """Where two masks differ, slice by slice as they are compared.

    Parameters
    ----------
    count
        How many slices they have.

    Attributes
    ----------
    counts
        Pixels that are only in A, only in B, of another class, ``(slice, 3)``.
    """

    def __init__(self, count: int) -> None:
        self.counts = np.zeros((count, 3), int)
        self._versions: list[object] = [None] * count
        self._sizes: list[dict[int, tuple[int, int, int]]] = [{} for _ in range(count)]
        self._pieces: list[tuple[Piece, ...]] = [()] * count

    def stale(self, versions: Sequence[object], near: int) -> list[int]:
        """Slices that have changed since they were compared, the nearest to `near` first."""
        found = [n for n, now in enumerate(versions) if self._versions[n] != now]
        return sorted(found, key=lambda number: abs(number - near))

    def version_of(self, number: int) -> object:
        """The version that a slice was of when it was compared; None if it never was."""
        return self._versions[number]

    def take(self, number: int, version: object, found: SliceDifferences) -> None:
        """Take over how a slice compared when it was of a version."""
        self._versions[number] = version
        self.counts[number] = found.counts
        self._sizes[number], self._pieces[number] = found.sizes, found.pieces

    @property
    def slices(self) -> list[int]:
        """The slices that differ."""
        return [int(number) for number in np.flatnonzero(self.counts.any(axis=1))]

    def pieces(self, order: str) -> list[Piece]:
        """All pieces, in an order: `LARGEST` or `IN_ORDER`."""
        found = [piece for pieces in self._pieces for piece in pieces]
        return sorted(found, key=lambda piece: _key(piece, order))

    def step(self, last: Piece | None, order: str, direction: int) -> tuple[int, Piece] | None:
        """The next (1) or the previous (-1) piece and its place in the order, from 0.

        Parameters
        ----------
        last
            Where one is; it may be mended by now. None begins with the first or the last.
        order, direction
            `LARGEST` or `IN_ORDER`; 1 or -1. After the last comes the first again.
        """
        found = self.pieces(order)
        if not found:
            return None
        if last is None:
            place = 0 if direction > 0 else len(found) - 1
        else:
            keys = [_key(piece, order) for piece in found]
            at = _key(last, order)
            place = bisect_right(keys, at) if direction > 0 else bisect_left(keys, at) - 1
        place %= len(found)
        return place, found[place]

    def agreements(self) -> list[Agreement]:
        """How well the masks agree in each class that either has, by id."""
        ids = sorted({class_id for sizes in self._sizes for class_id in sizes})
        made = []
        for class_id in ids:
            a, b, both = np.sum(
                [sizes[class_id] for sizes in self._sizes if class_id in sizes], axis=0
            )
            made.append(Agreement(class_id, int(a), int(b), int(both)))
        return made


def rows(
    agreements: Sequence[Agreement], names: dict[int, str], grid: Grid
) -> list[tuple[str, ...]]:
    """The table of classes, its header first: Dice, and how much each mask has."""
    pixel, voxel = pixel_and_voxel(grid)
    physical = grid.unit == "mm"
    unit, size = ("ml", voxel) if physical else ("px", pixel)
    body = [
        (
            names.get(one.id, str(one.id)), f"{one.dice:.3f}", figure(one.a * size, 4),
            figure(one.b * size, 4), _more((one.b - one.a) * size),
        )
        for one in agreements
    ]  # fmt: skip
    return [("class", "Dice", f"A ({unit})", f"B ({unit})", "B − A"), *body]


def _more(amount: float) -> str:
    return figure(amount) if amount < 0 else f"+{figure(amount)}"


def _key(piece: Piece, order: str) -> tuple[float, ...]:
    place = (piece.number, piece.row, piece.column)
    return (-piece.area, *place) if order == LARGEST else (*place[:1], -piece.area, *place[1:])
