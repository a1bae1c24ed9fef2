"""The slices of one volume as the network sees them, made when they are asked for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from napari_dim.data.turning import AS_IT_IS, Turn
from napari_dim.data.working_grid import normalised
from napari_dim.volume import Volume

MOST = 2**30
"""Bytes of normalised slices that are made at once; a volume with more is read as it goes."""


class LazySlices:
    """Stands in for the tensor ``(slice, channel, row, column)`` of `working.normalised`.

    Holds the slices that were asked for last: the next ones mostly share some of them.

    Parameters
    ----------
    volume
        The image; it may lie on the disk.
    shape
        Rows and columns wanted.
    turn
        How slices are turned first.
    """

    def __init__(self, volume: Volume, shape: tuple[int, int], turn: Turn = AS_IT_IS) -> None:
        self._volume = volume
        self._turn = turn
        self._held: dict[int, Tensor] = {}
        self.shape = (volume.array.shape[0], volume.channels, *shape)
        self.device = torch.device("cpu")

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, places: Tensor) -> Tensor:
        """Slices by number, ``(*places.shape, channel, row, column)`` float16."""
        numbers = places.cpu().numpy().ravel()
        wanted, back = np.unique(numbers, return_inverse=True)
        new = np.array([n for n in wanted if int(n) not in self._held], dtype=int)
        held = {int(n): self._held[int(n)] for n in wanted if int(n) in self._held}
        # A caller's mixed precision is not for this: the slices must be those of `normalised`.
        with torch.autocast("cpu", enabled=False):
            if new.size:
                stack = normalised(
                    self._volume, (self.shape[2], self.shape[3]), new, turn=self._turn
                )
                held |= {int(n): plane for n, plane in zip(new, stack, strict=True)}
            found = torch.stack([held[int(n)] for n in wanted])[torch.from_numpy(back)]
        self._held = held
        return found.view(*places.shape, *found.shape[1:])


def slices_of(
    volume: Volume,
    shape: tuple[int, int],
    check: Callable[[], None] | None = None,
    turn: Turn = AS_IT_IS,
) -> Tensor | LazySlices:
    """The normalised slices of a volume: all at once if they are at most `MOST` bytes.

    `check` is called after every few slices; what it raises ends the work.
    """
    pixels = volume.array.shape[0] * volume.channels * shape[0] * shape[1]
    if 2 * pixels > MOST:
        return LazySlices(volume, shape, turn)
    return normalised(volume, shape, check=check, turn=turn)
