"""The tables' own metrics, in 2D and in pixels, as medpy defines them; ours are in the engine.

HD is the 95th percentile of the distances of both directions pooled; ASD is directed, from
the prediction to the reference alone. A surface is a mask without its erosion by the four
neighbours, what lies beyond the image being background.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage

NOTHING = 100.0
"""HD and ASD of an empty mask against one that is not."""
METRICS = ("DC", "JC", "HD", "ASD")


class TableScores(NamedTuple):
    """DC and JC in [0, 1], HD and ASD in pixels."""

    dc: float
    jc: float
    hd: float
    asd: float


def table_scores(prediction: np.ndarray, reference: np.ndarray) -> TableScores:
    """Score one structure of one slice.

    Parameters
    ----------
    prediction, reference
        Boolean, ``(row, column)``.
    """
    size, true = int(prediction.sum()), int(reference.sum())
    if not size and not true:
        return TableScores(1.0, 1.0, 0.0, 0.0)
    if not size or not true:
        return TableScores(0.0, 0.0, NOTHING, NOTHING)
    both = int((prediction & reference).sum())
    surface, wanted = _surface(prediction), _surface(reference)
    there = ndimage.distance_transform_edt(~wanted)[surface]
    back = ndimage.distance_transform_edt(~surface)[wanted]
    return TableScores(
        2 * both / (size + true),
        both / (size + true - both),
        float(np.percentile(np.concatenate([there, back]), 95)),
        float(there.mean()),
    )


def _surface(mask: np.ndarray) -> np.ndarray:
    edge: np.ndarray = mask & ~ndimage.binary_erosion(mask)
    return edge
