"""Image planes to stacks: which belong together, in what order, and where they lie.

Order and place come from positions in the patient, never from file names. One affine must put
every slice where its header says: a gantry tilt is kept as a shear, missing slices keep their
place, and a stack that no even spacing fits is refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_dim.errors import InputError
from napari_dim.io.dicom.headers import SPLITTERS, Frame

_SAME = 1e-3
"""Directions this close are one orientation."""
_EVEN, _NEARLY_EVEN = 0.01, 0.1
"""How far a slice may lie from its even place, in spacings: unsaid, and told."""
_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Stack:
    """Planes of one size and orientation, in order; `label` tells it from its siblings."""

    frames: tuple[Frame, ...]
    label: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def first(self) -> Frame:
        """The frame that speaks for all."""
        return self.frames[0]

    @property
    def voxels(self) -> int:
        """How large the image is."""
        return len(self.frames) * self.first.shape[0] * self.first.shape[1]


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


def stacks_of(frames: Sequence[Frame]) -> list[Stack]:
    """The stacks of all series among `frames`, by series number, each sorted by position."""
    groups: dict[tuple[object, ...], list[list[Frame]]] = {}
    for frame in frames:
        alike = groups.setdefault((frame.series, frame.shape, frame.color), [])
        for group in alike:
            if _same_plane(group[0], frame):
                group.append(frame)
                break
        else:
            alike.append([frame])
    stacks = [stack for alike in groups.values() for group in alike for stack in _split(group)]
    return sorted(stacks, key=lambda stack: (stack.first.series_number, stack.first.series))


def _same_plane(one: Frame, other: Frame) -> bool:
    for a, b in ((one.orientation, other.orientation), (one.spacing, other.spacing)):
        if (a is None) != (b is None):
            return False
        if a is not None and b is not None and not np.allclose(a, b, atol=_SAME, rtol=_SAME):
            return False
    return True


def _split(frames: list[Frame]) -> list[Stack]:
    """Copies left out, planes in order, several images of one place taken apart."""
    once = {(frame.uid or str(frame.file), frame.index): frame for frame in reversed(frames)}
    notes: tuple[str, ...] = ()
    if len(once) < len(frames):
        notes = (f"{_many(len(frames) - len(once), 'slice')} stored twice; one copy is read",)
    frames = sorted(once.values(), key=lambda frame: (frame.instance, str(frame.file), frame.index))
    if frames[0].position is None or frames[0].orientation is None:
        return [Stack(tuple(frames), "", notes)]
    along = _along(frames)
    frames = [frames[i] for i in np.argsort(along, kind="stable")]
    along = np.sort(along)
    if len(frames) < 2 or np.diff(along).min() > _closest(along):
        return [Stack(tuple(frames), "", notes)]
    for number, name in enumerate(SPLITTERS):
        values = sorted({frame.parts[number] for frame in frames})
        if len(values) < 2:
            continue
        groups = [[frame for frame in frames if frame.parts[number] == v] for v in values]
        if all(_distinct(group) for group in groups):
            return [
                Stack(tuple(group), f"{name} {value}", notes)
                for group, value in zip(groups, values, strict=True)
            ]
    places = np.concatenate([[0], np.cumsum(np.diff(along) > _closest(along))])
    times = Counter(places.tolist())
    if len(set(times.values())) == 1 and len(times) > 1:
        return [
            Stack(tuple(frames[i] for i in np.flatnonzero(_rank(places) == n)), f"image {n + 1}",
                  notes)
            for n in range(times[0])
        ]  # fmt: skip
    kept = [frames[i] for i in np.flatnonzero(_rank(places) == 0)]
    doubled = len(frames) - len(kept)
    notes += (f"{_many(doubled, 'slice')} at a place that another has; the first of each is read",)
    return [Stack(tuple(kept), "", notes)]


def _rank(places: np.ndarray) -> np.ndarray:
    """How many of the same place come before each, for sorted `places`."""
    starts = np.searchsorted(places, places, side="left")
    rank: np.ndarray = np.arange(len(places)) - starts
    return rank


def _distinct(frames: list[Frame]) -> bool:
    along = np.sort(_along(frames))
    return len(frames) < 2 or bool(np.diff(along).min() > _closest(along))


def _closest(along: np.ndarray) -> float:
    """Slices nearer than this are at one place: a small share of the usual distance."""
    steps = np.diff(along)
    steps = steps[steps > 1e-4]
    return 0.02 * float(np.median(steps)) if steps.size else 1e-4


def _along(frames: Sequence[Frame]) -> np.ndarray:
    """Distance of each plane along the normal, in mm."""
    orientation = np.array(frames[0].orientation)
    normal = np.cross(orientation[:3], orientation[3:])
    along: np.ndarray = np.array([frame.position for frame in frames]) @ normal
    return along


def place_of(stack: Stack) -> Place:
    """Where a stack lies in the patient.

    Raises
    ------
    InputError
        If one affine can't put all its slices in their places.
    """
    first, count = stack.first, len(stack.frames)
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
        positions = np.array([frame.position for frame in stack.frames])
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
    along = (positions - positions[0]) @ normal
    gaps = np.diff(along)
    for usual in (float(np.median(gaps)), float(gaps.min())):
        numbers = np.rint(along / usual).astype(int)
        step = (positions[-1] - positions[0]) / numbers[-1]
        off = np.linalg.norm(positions - positions[0] - numbers[:, None] * step, axis=1).max()
        size = float(np.linalg.norm(step))
        even = np.unique(numbers).size == len(numbers) and off <= _NEARLY_EVEN * size
        if even:
            break
    else:
        raise InputError(
            f"the slices lie {gaps.min():.3g} to {gaps.max():.3g} mm apart: no even spacing puts "
            "them all in their place",
            hint="Resample the series to an even spacing first",
        )
    missing = int(numbers[-1]) + 1 - len(numbers)
    if missing > len(numbers) / 2:
        raise InputError(
            f"the slices lie {gaps.min():.3g} to {gaps.max():.3g} mm apart: more are missing "
            "than are there",
            hint="Copy the series again",
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


def _many(count: int, what: str) -> str:
    return f"{count} {what} is" if count == 1 else f"{count} {what}s are"
