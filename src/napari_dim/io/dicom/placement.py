"""Where a stack of planes lies in the patient.

One affine must put every slice where its header says: a gantry tilt is kept as a shear, missing
slices keep their place, and a stack that no even spacing fits is refused, or comes in parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_dim.errors import InputError
from napari_dim.io.dicom.frames import Frame

_EVEN, _NEARLY_EVEN = 0.01, 0.1
"""How far a slice may lie from its even place, in spacings: unsaid, and told."""
_MOST_PARTS = 4
_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Place:
    """Where a stack lies.

    Attributes
    ----------
    affine
        4 x 4, (column, row, slice) -> RAS+ in mm.
    index
        Number of each frame's slice; numbers in between have no frame.
    count
        Slices, missing ones included.
    warnings
        What is odd about it.
    """

    affine: np.ndarray
    index: tuple[int, ...]
    count: int
    warnings: tuple[str, ...]


def place_of(frames: Sequence[Frame]) -> Place:
    """Where the frames of a stack, which are in order, lie in the patient.

    Raises
    ------
    InputError
        If one affine can't put all its slices in their places.
    """
    first, count = frames[0], len(frames)
    warnings: list[str] = []
    row, column = first.spacing or (1.0, 1.0)
    if first.orientation is None:
        step = np.array([0.0, 0.0, first.thickness or 1.0])
        # As a picture lies: columns towards the left, rows towards the back.
        across, down, origin = np.array([1.0, 0, 0]), np.array([0, 1.0, 0]), np.zeros(3)
        numbers = np.arange(count)
        if first.spacing:
            warnings.append("the file does not say how it lies in the patient")
    else:
        across, down = np.array(first.orientation[:3]), np.array(first.orientation[3:])
        across, down = _unit(across), _unit(down)
        if abs(across @ down) > 0.01:
            raise InputError("the directions of rows and columns are not at right angles")
        if first.spacing is None:
            warnings.append("the file does not say how large a pixel is; 1 mm is taken")
        positions = np.array([frame.position for frame in frames])
        step, numbers, told = _steps(positions, np.cross(across, down), first.thickness)
        warnings += told
        origin = positions[0]
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = across * column, down * row, step
    affine[:3, 3] = origin
    return Place(
        _TO_RAS @ affine,
        tuple(int(number) for number in numbers),
        int(numbers[-1]) + 1,
        tuple(warnings),
    )


def _unit(vector: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vector)
    if not np.isfinite(length) or length < 0.5:
        raise InputError("the directions of rows and columns can't be used")
    # Decimal strings are rounded; cosines that are right to six places stay as they are.
    unit: np.ndarray = vector if abs(length - 1) < 1e-6 else vector / length
    return unit


def _steps(
    positions: np.ndarray, normal: np.ndarray, thickness: float | None
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """The way from slice to slice, each plane's slice number, and what is odd."""
    warnings: list[str] = []
    if len(positions) == 1:
        if thickness is None:
            warnings.append("the file does not say how thick the slice is; 1 mm is taken")
        return normal * (thickness or 1.0), np.array([0]), warnings
    gaps = np.diff((positions - positions[0]) @ normal)
    fitted = _even_steps(positions, normal)
    if fitted is None:
        raise InputError(
            f"the slices lie {gaps.min():.3g} to {gaps.max():.3g} mm apart: no even spacing puts "
            "them all in their place",
            hint="Resample the series to an even spacing first",
        )
    step, numbers, off = fitted
    size = float(np.linalg.norm(step))
    missing = int(numbers[-1]) + 1 - len(numbers)
    if missing > len(numbers) / 2:
        raise InputError(
            f"the slices lie {gaps.min():.3g} to {gaps.max():.3g} mm apart: on an even spacing "
            "more would be missing than are there",
            hint="Copy the series again if it is not complete, else resample it first",
        )
    if missing:
        lost = sorted(set(range(int(numbers[-1]))) - set(numbers.tolist()))
        named = ", ".join(str(number) for number in lost[:8]) + (", …" if missing > 8 else "")
        warnings.append(f"{_many(missing, 'slice')} missing ({named}), shown empty in their place")
    if off > max(_EVEN * size, 0.011):
        warnings.append(f"the spacing of the slices varies; some lie up to {off:.2g} mm off")
    tilt = np.degrees(np.arctan2(np.linalg.norm(np.cross(step, normal)), step @ normal))
    if tilt > 0.06:
        warnings.append(
            f"the slices are sheared by {tilt:.1f} degrees (gantry tilt); this is kept, and "
            "distances are approximate"
        )
    return step, numbers, warnings


def _even_steps(
    positions: np.ndarray, normal: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float] | None:
    """The way from slice to slice, the slices' numbers, how far one lies off; None if none fits."""
    along = (positions - positions[0]) @ normal
    gaps = np.diff(along)
    if gaps.min() <= 0:
        return None
    for usual in (float(np.median(gaps)), float(gaps.min())):
        numbers = np.rint(along / usual).astype(int)
        step = (positions[-1] - positions[0]) / numbers[-1]
        off = float(
            np.linalg.norm(positions - positions[0] - numbers[:, None] * step, axis=1).max()
        )
        if np.unique(numbers).size == len(numbers) and off <= _NEARLY_EVEN * np.linalg.norm(step):
            return step, numbers, off
    return None


def spacings_in(
    frames: Sequence[Frame],
) -> tuple[list[tuple[list[Frame], str]], tuple[str, ...]]:
    """Frames in order along the normal, in parts where each part has a spacing of its own.

    Returns
    -------
    (list, tuple)
        Parts with their label, and what is to be told of them; one part without a label where
        the slices lie evenly, but for some that are missing, or in no parts that can be told.
    """
    alone: tuple[list[tuple[list[Frame], str]], tuple[str, ...]] = ([(list(frames), "")], ())
    if len(frames) < 4:
        return alone
    turn = np.array(frames[0].orientation)
    normal = np.cross(turn[:3], turn[3:])
    positions = np.array([frame.position for frame in frames], float)
    along = positions @ normal
    fitted = _even_steps(positions, normal)
    if fitted is not None and int(fitted[1][-1]) + 1 == len(frames):
        return alone
    runs = _runs(np.diff(along))
    least = 3 if fitted is None else 4  # a hole is no spacing
    if not 2 <= len(runs) <= _MOST_PARTS or min(last - first + 1 for first, last in runs) < least:
        return alone
    steps = [float(along[last] - along[first]) / (last - first) for first, last in runs]
    if fitted is not None and max(steps) - min(steps) < 0.05 * min(steps):
        return alone
    spans = [
        f"{step:.4g} mm apart from {along[first]:.4g} to {along[last]:.4g} mm"
        for step, (first, last) in zip(steps, runs, strict=True)
    ]
    told = (
        f"the slices of this series lie {', '.join(spans[:-1])} and {spans[-1]} along their normal;"
        " each part is an image of its own"
    )
    parts = [
        (list(frames[first : last + 1]), f"{step:.4g} mm apart")
        for step, (first, last) in zip(steps, runs, strict=True)
    ]
    return parts, (told,)


def _runs(gaps: np.ndarray) -> list[tuple[int, int]]:
    """First and last slice of each run of even gaps."""
    runs, first = [], 0
    while first <= len(gaps):
        last = min(first + 1, len(gaps))
        while last < len(gaps) and abs(gaps[last] - gaps[first]) <= max(0.02 * gaps[first], 0.03):
            last += 1
        runs.append((first, last))
        first = last + 1
    return runs


def _many(count: int, what: str) -> str:
    return f"{count} {what} is" if count == 1 else f"{count} {what}s are"
