"""Labelled slices and scribbles grow into the slices between and around them.

A slice of scribbles is first made whole from its own image: all classes as one body by random
walks, and each apart from the others by the way from its strokes. Whole slices then part the
scan into slabs, which are solved from their walls and the image (`slab_walks`). Beyond the last
wall the shape is carried on only as long as the walks are sure of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from scipy import ndimage

from napari_dim.editing.random_walks import scribbled
from napari_dim.editing.slab_walks import Model, Plane, Report, grown

SURE = 0.75
"""Product of how sure walks are of each slice on the way, below which none is taken."""
FLAT = 0.1
"""Cost of a way from strokes where the image is flat."""
EDGES = 4.0
"""Usual edges that cost as much as 1."""
LEAST = 0.05
"""Share of the wall's voxels below which a structure has come to its end."""


class Stop(Enum):
    """Why a mask was carried no further."""

    DONE = "as far as was asked"
    UNSURE = "unsure"
    GONE = "the structure ends"


@dataclass(frozen=True)
class Carried:
    """How far a mask was carried in one direction.

    Attributes
    ----------
    planes
        Slice number -> class ids, ``(row, column)``.
    why
        Why no further.
    """

    planes: dict[int, np.ndarray]
    why: Stop


def made_whole(image: np.ndarray, seeds: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """A whole slice from strokes of some classes, and perhaps of background.

    Parameters
    ----------
    image
        Values of the slice, ``(row, column)`` or ``(row, column, channel)``.
    seeds
        Class ids, 0 for background, below 0 where nothing is said, ``(row, column)``.
    spacing
        Size of a pixel along rows and columns.

    Returns
    -------
    numpy.ndarray
        Class ids, ``(row, column)``, of the type of `seeds`; seeds stay.
    """
    said = seeds >= 0
    classes = [int(i) for i in np.unique(seeds[seeds > 0])]
    body = scribbled(image, seeds > 0, seeds == 0, spacing=spacing) | (seeds > 0)
    made = np.where(body, classes[0], 0).astype(seeds.dtype)
    if len(classes) > 1:
        box = ndimage.find_objects(body.astype(np.uint8))[0]
        nearest = _nearest(image[box], seeds[box], classes, spacing)
        made[box] = np.where(body[box], nearest, 0)
    made[said] = seeds[said]
    return made


def _nearest(
    image: np.ndarray, seeds: np.ndarray, classes: Sequence[int], spacing: Sequence[float]
) -> np.ndarray:
    """Of each pixel the class whose strokes are nearest, where edges make ways long."""
    from skimage.graph import MCP_Geometric

    values = np.atleast_3d(np.asarray(image, np.float32))
    slopes = [
        slope / side
        for channel in np.moveaxis(values, -1, 0)
        for slope, side in zip(np.gradient(np.pad(channel, 1, mode="edge")), spacing, strict=True)
    ]
    edge = np.sqrt(sum(np.square(slope) for slope in slopes))[1:-1, 1:-1]
    cost = FLAT + edge / max(EDGES * float(edge.mean()), 1e-9)
    away = [
        MCP_Geometric(cost, sampling=tuple(spacing)).find_costs(np.argwhere(seeds == one))[0]
        for one in classes
    ]
    return np.asarray(np.array(classes, seeds.dtype)[np.argmin(away, 0)])


def between_walls(
    image: Plane,
    walls: Mapping[int, np.ndarray],
    spacing: Sequence[float],
    *,
    model: Model | None = None,
    report: Report | None = None,
) -> dict[int, np.ndarray]:
    """Class ids of all slices between the first and the last of some whole slices.

    Parameters
    ----------
    image, spacing, model, report
        As in `slab_walks.grown`.
    walls
        Slice number -> class ids, ``(row, column)``, of whole slices.

    Returns
    -------
    dict
        Slice number -> class ids, ``(row, column)``.
    """
    numbers = sorted(walls)
    gaps = [(a, b) for a, b in itertools.pairwise(numbers) if b - a > 1]
    every, done, found = sum(b - a - 1 for a, b in gaps), 0, {}
    for a, b in gaps:
        part = _part(report, done / every, (b - a - 1) / every)
        slab = grown(
            image, {a: walls[a], b: walls[b]}, range(a + 1, b), spacing, model=model, report=part
        )
        found.update({number: one.ids for number, one in slab.items()})
        done += b - a - 1
    return found


def carried(
    image: Plane,
    wall: int,
    ids: np.ndarray,
    numbers: Sequence[int],
    spacing: Sequence[float],
    *,
    model: Model | None = None,
    report: Report | None = None,
) -> Carried:
    """Carry the mask of a slice into those next to it, until unsure or the structure ends.

    Parameters
    ----------
    image, spacing, model, report
        As in `slab_walks.grown`.
    wall, ids
        The slice, and its class ids, ``(row, column)``.
    numbers
        Slices one after the other, from the next one on, in either direction.
    """
    planes: dict[int, np.ndarray] = {}
    last, sure, least = (wall, ids), 1.0, LEAST * np.count_nonzero(ids)
    for done, number in enumerate(numbers):
        part = _part(report, done / len(numbers), 1 / len(numbers))
        slab = grown(image, dict([last]), [number], spacing, model=model, report=part)
        one = slab[number]
        sure *= one.sure  # what is carried on from a doubtful slice is no better
        if np.count_nonzero(one.ids) <= least:
            return Carried(planes, Stop.GONE)
        if sure < SURE:
            return Carried(planes, Stop.UNSURE)
        planes[number] = one.ids
        last = number, one.ids
    return Carried(planes, Stop.DONE)


def reach_beyond(walls: Iterable[int], count: int) -> int:
    """How many slices beyond the last whole ones are tried: as many as training guesses there."""
    numbers = sorted(walls)
    widest = max((b - a for a, b in itertools.pairwise(numbers)), default=0)
    return max(1, widest // 2, count // 8)


def _part(report: Report | None, begun: float, share: float) -> Report | None:
    """A report of one part of the work, told as that of all."""
    return None if report is None else lambda done: report(begun + share * done)
