"""How fine the working grid must be: as coarse as the labelled structures allow.

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

MOST_SLICES = 48
"""Labelled slices looked at; more would only take longer."""


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
