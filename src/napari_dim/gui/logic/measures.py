"""Lengths and angles between places of a scan, as the patient has them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from napari_dim.volume import Grid
from napari_dim.words import figure

Point = tuple[float, float, float]
"""Slice, row, column; counted from the middle of the first voxel."""


def length(points: Sequence[Point], grid: Grid) -> float:
    """The length of the way through some places, in ``grid.unit``."""
    return float(np.linalg.norm(_steps(points, grid), axis=1).sum())


def angle(points: Sequence[Point], grid: Grid) -> float:
    """The angle at the second of three places, in degrees, in [0, 180]; 0 where two are one."""
    before, after = _steps(points, grid)
    crossed = float(np.linalg.norm(np.cross(-before, after)))
    return float(np.degrees(np.arctan2(crossed, float(-before @ after))))


def words(points: Sequence[Point], grid: Grid) -> str:
    """The length of two places or the angle of three, for people: ``23.4 mm``, ``87.5°``."""
    if len(points) == 3:
        return f"{angle(points, grid):.1f}°"
    return f"{figure(length(points, grid), 4)} {unit_of(grid)}"


def unit_of(grid: Grid) -> str:
    """What lengths are in: ``mm``, or ``px`` for pictures without a physical size."""
    return "mm" if grid.unit == "mm" else "px"


def rows(measured: Sequence[Sequence[Point]], grid: Grid) -> list[tuple[str, ...]]:
    """The table of rulers and angles as it is read and copied, its header first."""
    body = []
    for number, points in enumerate(measured, start=1):
        slices = sorted({round(point[0]) for point in points})
        where = str(slices[0]) if len(slices) == 1 else f"{slices[0]} to {slices[-1]}"
        if len(points) == 3:
            body.append((f"angle {number}", figure(angle(points, grid), 4), "°", where))
        else:
            body.append((f"ruler {number}", figure(length(points, grid), 4), unit_of(grid), where))
    return [("measured", "value", "unit", "slice"), *body]


def turned(points: Sequence[Point], old: Grid, new: Grid) -> tuple[Point, ...]:
    """The same places in the patient, counted along the axes of another grid of the scan."""
    matrix = np.linalg.inv(new.affine) @ old.affine
    moved = np.c_[np.asarray(points, float), np.ones(len(points))] @ matrix.T
    return tuple((float(s), float(r), float(c)) for s, r, c, _ in moved)


def _steps(points: Sequence[Point], grid: Grid) -> np.ndarray:
    """From each place to the next, in the patient, ``(step, 3)``."""
    return np.asarray(np.diff(np.asarray(points, float), axis=0) @ grid.affine[:3, :3].T)


def nearest(lines: Sequence[Sequence[np.ndarray]], at: np.ndarray, most: float) -> int | None:
    """Which line passes a place at the least distance; None where that is more than `most`.

    Parameters
    ----------
    lines
        The corners of each, ``(2,)`` arrays.
    at
        The place, ``(2,)``.
    most
        In the units of both.
    """
    away = [
        min((_away(at, a, b) for a, b in pairwise(corners)), default=float("inf"))
        for corners in lines
    ]
    best = int(np.argmin(away)) if away else -1
    return best if best >= 0 and away[best] <= most else None


def _away(at: np.ndarray, start: np.ndarray, end: np.ndarray) -> float:
    along = end - start
    share = float(np.clip((at - start) @ along / max(float(along @ along), 1e-12), 0, 1))
    return float(np.linalg.norm(at - start - share * along))
