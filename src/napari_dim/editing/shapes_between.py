"""Shapes between labelled slices: what an annotator would otherwise draw again and again."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from scipy import ndimage


def between(mask: np.ndarray, labelled: Sequence[int]) -> dict[int, np.ndarray]:
    """Class ids of the slices that lie between labelled ones, from signed distances.

    A class that is shown on one side alone tapers off half-way.

    Parameters
    ----------
    mask
        Class ids, ``(slice, row, column)``; only the labelled slices are read.
    labelled
        Numbers of the labelled slices, ascending.

    Returns
    -------
    dict
        Slice number -> class ids ``(row, column)``, for every slice strictly between two
        labelled ones.
    """
    filled: dict[int, np.ndarray] = {}
    for before, after in itertools.pairwise(labelled):
        if after - before < 2:
            continue
        inner = range(before + 1, after)
        classes = [int(i) for i in np.union1d(np.unique(mask[before]), np.unique(mask[after])) if i]
        best = {number: np.zeros(mask.shape[1:]) for number in inner}
        filled |= {number: np.zeros(mask.shape[1:], mask.dtype) for number in inner}
        for class_id in classes:
            ends = signed(mask[before] == class_id, mask[after] == class_id)
            for number in inner:
                share = (number - before) / (after - before)
                depth = (1 - share) * ends[0] + share * ends[1]
                nearer = depth > best[number]
                filled[number][nearer] = class_id
                best[number][nearer] = depth[nearer]
    return filled


def signed(*shapes: np.ndarray, spacing: Sequence[float] = (1.0, 1.0)) -> list[np.ndarray]:
    """How deep each pixel lies inside each shape, below 0 outside.

    Parameters
    ----------
    shapes
        ``(row, column)`` bool; at least one holds anything. An empty one is as far away
        everywhere as the others are deep.
    spacing
        Size of a pixel along rows and columns.

    Returns
    -------
    list of numpy.ndarray
        ``(row, column)``, in the unit of `spacing`.
    """
    found = [
        ndimage.distance_transform_edt(shape, sampling=spacing)
        - ndimage.distance_transform_edt(~shape, sampling=spacing)
        if shape.any()
        else None
        for shape in shapes
    ]
    deepest = max(float(depth.max()) for depth in found if depth is not None)
    return [np.full(shapes[0].shape, -deepest) if d is None else d for d in found]
