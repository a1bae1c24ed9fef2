"""How fine the working grid must be, and where it is looked at: as the labels allow.

A step's time grows with the square of the slice's side, and a large organ loses nothing on
a coarse grid. The labels themselves tell: they are brought onto the grid and back.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from napari_dim.data.case import Case
from napari_dim.data.working_grid import WorkingGrid

MOST_SLICES = 48
"""Labelled slices looked at; more would only take longer."""

HELD = 0.95
"""Share of the patch's sides that the box of all labelled structures takes at most."""


def sufficient_side(cases: Sequence[Case], sides: Sequence[int], kept: float) -> int:
    """The shortest side on which every class keeps its shape.

    Parameters
    ----------
    cases
        What is trained on; the labelled slices are used.
    sides
        Lengths of a slice's longer side in pixels to choose from, ascending.
    kept
        Least Dice, over the labelled slices, between a class and itself after it was
        brought onto the grid and back, in [0, 1].

    Returns
    -------
    int
        The first of `sides` that keeps all classes, or the last.
    """
    planes = [_plane(case, int(n)) for case in cases for n in case.labelled]
    planes = planes[:: -(-len(planes) // MOST_SLICES)]
    classes = np.unique(np.concatenate([np.unique(plane) for plane in planes]))
    classes = classes[classes > 0]
    for side in sides[:-1]:
        overlap = np.zeros(len(classes))
        size = np.zeros(len(classes))
        for plane in planes:
            here = np.concatenate(([0], classes[np.isin(classes, plane)]))
            index = np.searchsorted(here, plane)
            back = _and_back(torch.from_numpy(index), len(here), side).numpy()
            for place, class_id in enumerate(here[1:], start=1):
                true, seen = index == place, back == place
                row = np.searchsorted(classes, class_id)
                overlap[row] += 2 * np.sum(true & seen)
                size[row] += true.sum() + seen.sum()
        if (overlap >= kept * size).all():
            return side
    return sides[-1]


def labelled_place(cases: Sequence[Case], grid: WorkingGrid) -> tuple[int, int] | None:
    """Where the labelled structures lie in a slice's field of view.

    What is of interest is in the middle of most fields of view, or at one side of all of
    them. So scans that show much more around it can be looked at in that place alone.

    Returns
    -------
    tuple or None
        Rows and columns of the working grid from the middle of a slice to that of the box
        that holds all structures; None if the patch does not hold the box.
    """
    boxes = [
        box
        for case in cases
        for number in case.labelled
        if (
            box := _box(
                grid.turn(case.volume).to(_plane(case, int(number)) > 0), grid.shape(case.volume)
            )
        )
        is not None
    ]
    if not boxes:
        return None
    least, most = np.min(boxes, axis=0)[0], np.max(boxes, axis=0)[1]
    if (most - least > HELD * np.array(grid.patch)).any():
        return None
    down, right = ((least + most) / 2).round().astype(int).tolist()
    return down, right


def _box(shown: np.ndarray, shape: tuple[int, int]) -> np.ndarray | None:
    """First and last (row, column) of what is shown, from the middle, on the working grid."""
    if not shown.any():
        return None
    ends = []
    for axis, size in enumerate(shape):
        places = np.flatnonzero(shown.any(1 - axis)) + 0.5
        scale = size / shown.shape[axis]
        ends.append((places[[0, -1]] * scale) - size / 2)
    return np.array(ends).T


def _plane(case: Case, number: int) -> np.ndarray:
    assert case.mask is not None
    return np.asarray(case.mask[number])


def _and_back(index: Tensor, classes: int, side: int) -> Tensor:
    """Class indices, ``(row, column)``, as they come back from a grid of `side` pixels."""
    rows, columns = index.shape
    scale = side / max(rows, columns)
    if scale >= 1:
        return index
    shape = max(1, round(rows * scale)), max(1, round(columns * scale))
    votes = F.one_hot(index.long(), classes).movedim(-1, 0)[None].float()
    coarse = F.interpolate(votes, size=shape, mode="bilinear", antialias=True, align_corners=False)
    chosen = F.one_hot(coarse.argmax(1), classes).movedim(-1, 1).float()
    fine = F.interpolate(chosen, size=(rows, columns), mode="bilinear", align_corners=False)
    return fine.argmax(1)[0]
