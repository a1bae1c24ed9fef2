"""The paper's four metrics: Dice, Jaccard, 95 % Hausdorff and average surface distance.

The surface of a class is its voxels with a neighbour outside it (faces, in 3D; edges, in
2D). Both distances are symmetric. They agree with MONAI's to rounding (a test compares
them) and are computed here from one distance transform a side, shared by both metrics, on
the crop around the class, without loading torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from napari_dim.errors import InputError


@dataclass(frozen=True)
class Scores:
    """How well one class of one case is found.

    `dice` and `jaccard` are in [0, 1]; `hd95` and `asd` in the unit of the spacing, None
    where the class is empty in the prediction, the reference or both.
    """

    dice: float
    jaccard: float
    hd95: float | None
    asd: float | None


def score(
    prediction: np.ndarray,
    reference: np.ndarray,
    spacing: Sequence[float],
    ids: Iterable[int],
) -> dict[int, Scores]:
    """Score a mask class by class.

    Parameters
    ----------
    prediction, reference
        Class ids of the same shape, e.g. ``(slice, row, column)``. An axis of one voxel
        does not count as a dimension: a single slice is scored in 2D.
    spacing
        Distance between neighbours, one an axis.
    ids
        The classes to score.

    Returns
    -------
    dict
        Class id -> scores. A class empty on both sides has Dice and Jaccard 1, on one side 0.
    """
    if prediction.shape != reference.shape or len(spacing) != reference.ndim:
        raise InputError(
            f"a prediction of {prediction.shape} can't be compared with {reference.shape}"
        )
    flat = tuple(axis for axis, size in enumerate(reference.shape) if size == 1)
    flat = flat[: reference.ndim - 1]  # A volume of one voxel keeps one axis.
    steps = tuple(step for axis, step in enumerate(spacing) if axis not in flat)
    found, true = prediction.squeeze(flat), reference.squeeze(flat)
    return {label: score_binary(found == label, true == label, steps) for label in ids}


def score_binary(prediction: np.ndarray, reference: np.ndarray, spacing: Sequence[float]) -> Scores:
    """Score one boolean mask, any number of axes."""
    sizes = int(np.count_nonzero(prediction)), int(np.count_nonzero(reference))
    if sizes == (0, 0):
        return Scores(1.0, 1.0, None, None)
    if 0 in sizes:
        return Scores(0.0, 0.0, None, None)
    box = _box(prediction | reference)
    prediction, reference = prediction[box], reference[box]
    both = int(np.count_nonzero(prediction & reference))
    there, back = _surface_distances(prediction, reference, spacing)
    return Scores(
        dice=2 * both / sum(sizes),
        jaccard=both / (sum(sizes) - both),
        hd95=float(max(np.percentile(there, 95), np.percentile(back, 95))),
        asd=float((there.sum() + back.sum()) / (there.size + back.size)),
    )


def relabel(mask: np.ndarray, merges: Mapping[int, int]) -> np.ndarray:
    """Replace ids: `merges` maps old to new; others stay. A new array, same shape."""
    ids, where = np.unique(mask, return_inverse=True)
    new = np.array([merges.get(int(label), int(label)) for label in ids], dtype=np.int64)
    merged: np.ndarray = new[where].reshape(mask.shape)
    return merged


def parse_merges(texts: Iterable[str]) -> dict[int, int]:
    """Read merges such as ``"1,2=1"``: classes 1 and 2 count as class 1.

    Raises
    ------
    InputError
        If a text is something else or a class is merged into two.
    """
    merges: dict[int, int] = {}
    for text in texts:
        sources, equals, target = text.partition("=")
        parts = [*sources.split(","), target]
        if not equals or not all(part.strip().isdecimal() for part in parts):
            raise InputError(
                f"{text!r} is no merge of classes", where="--merge", hint="Write it as 1,2=1"
            )
        *olds, new = (int(part) for part in parts)
        if not all((*olds, new)):
            raise InputError("0 is the background, no class", where=f"--merge {text}",
                             hint="Merge classes into one another")  # fmt: skip
        for old in olds:
            if merges.setdefault(old, new) != new:
                raise InputError(f"class {old} is merged into two", where="--merge")
    return merges


def _box(mask: np.ndarray) -> tuple[slice, ...]:
    """The smallest box around a mask that is not empty."""
    box = []
    for axis in range(mask.ndim):
        others = tuple(other for other in range(mask.ndim) if other != axis)
        hit = np.flatnonzero(mask.any(axis=others))
        box.append(slice(int(hit[0]), int(hit[-1]) + 1))
    return tuple(box)


def _surface_distances(
    first: np.ndarray, second: np.ndarray, spacing: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """From each surface voxel of one mask to the nearest of the other, both ways."""
    edges = _surface(first), _surface(second)
    to_first, to_second = (
        ndimage.distance_transform_edt(~edge, sampling=spacing) for edge in edges
    )
    return to_second[edges[0]], to_first[edges[1]]


def _surface(mask: np.ndarray) -> np.ndarray:
    # The default border value of erosion is 0: what touches the image's edge has a surface there.
    surface: np.ndarray = mask & ~ndimage.binary_erosion(mask)
    return surface
