"""Slices turned to lie as the labelled ones do.

A volume's rows and columns follow the axes that they are nearest to (`volume.Grid.layout`). Two
scans a few degrees apart on both sides of 45 degrees are then laid out a quarter turn or a
mirror image apart, and a network that saw one does not know the other. So a training keeps how
the rows and columns of its labelled scans run, and every scan is turned to them for the network,
by exchanging and reversing its axes alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from napari_dim.volume import Volume

CLEARLY = 0.25
"""How much better a turned scan must agree, as the mean cosine of rows and columns: one that lies
oblique in its plane stays as it is."""
LEAST = 0.6
"""Cosine that both its axes must reach: a scan that is cut along another axis stays as it is."""

Directions = tuple[tuple[float, float, float], tuple[float, float, float]]
"""Unit vectors along the rows' and the columns' index, RAS+."""
Planes = TypeVar("Planes", np.ndarray, Tensor)


@dataclass(frozen=True)
class Turn:
    """Axes of a slice exchanged, then reversed.

    Attributes
    ----------
    exchanged
        Whether rows become columns.
    reversed
        Whether (rows, columns) then run the other way.
    """

    exchanged: bool = False
    reversed: tuple[bool, bool] = (False, False)

    def own(self, size: tuple[int, int]) -> tuple[int, int]:
        """Rows and columns of a turned slice as they were before."""
        return (size[1], size[0]) if self.exchanged else size

    def to(self, planes: Planes) -> Planes:
        """Planes, ``(..., row, column)``, as the network sees them."""
        return _reversed(planes.swapaxes(-1, -2) if self.exchanged else planes, self.reversed)

    def back(self, planes: Planes) -> Planes:
        """The inverse of `to`."""
        planes = _reversed(planes, self.reversed)
        return planes.swapaxes(-1, -2) if self.exchanged else planes


AS_IT_IS = Turn()


def directions(volume: Volume) -> Directions | None:
    """How a volume's rows and columns run; None where its file does not say."""
    if volume.grid.unit != "mm" or not volume.grid.placed:
        return None
    axes = volume.grid.affine[:3, 1:3]
    rows, columns = (axes / np.linalg.norm(axes, axis=0)).T.tolist()
    return tuple(rows), tuple(columns)


def turn_towards(volume: Volume, wanted: Directions | None) -> Turn:
    """The turn by which a volume's rows and columns run as wanted, `AS_IT_IS` if none is clear."""
    own = directions(volume)
    if own is None or wanted is None:
        return AS_IT_IS
    cosines = np.array(own) @ np.array(wanted).T  # [own axis, wanted axis]
    found, most = AS_IT_IS, float(np.trace(cosines)) / 2 + CLEARLY
    for exchanged, up, left in product((False, True), repeat=3):
        both = (cosines[1, 0], cosines[0, 1]) if exchanged else (cosines[0, 0], cosines[1, 1])
        both = (-both[0] if up else both[0], -both[1] if left else both[1])
        if min(both) > LEAST and (agreed := sum(both) / 2) > most:
            found, most = Turn(exchanged, (up, left)), agreed
    return found


def _reversed(planes: Planes, axes: tuple[bool, bool]) -> Planes:
    chosen = [place for place, turned in zip((-2, -1), axes, strict=True) if turned]
    if not chosen:
        return planes
    if isinstance(planes, Tensor):
        return torch.flip(planes, chosen)
    flipped: Planes = np.flip(planes, tuple(chosen))
    return flipped
