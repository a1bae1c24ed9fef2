"""One case as training sees it: a volume, what is known of its mask, and where it came from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_dim.errors import InputError
from napari_dim.project.states import SliceState, guessed
from napari_dim.volume import Volume


@dataclass(frozen=True)
class Case:
    """A volume with the labels of some of its slices.

    Attributes
    ----------
    volume
        The image, ``(slice, row, column[, channel])``.
    mask
        Class ids, ``(slice, row, column)``, or None where nothing is labelled.
        Only slices whose state is `CONFIRMED` or `PARTIAL` are read; in a partial
        slice, `painted` tells which pixels count.
    states
        One `SliceState` a slice, ``(slice,)``.
    site
        Scanner or centre, as free text.
    name
        What the user calls the case.
    painted
        Boolean, ``(slice, row, column)``: pixels that count in `PARTIAL` slices; None
        where there is no partial slice.
    """

    volume: Volume
    mask: np.ndarray | None
    states: np.ndarray
    site: str = ""
    name: str = ""
    painted: np.ndarray | None = None

    def __post_init__(self) -> None:
        spatial = self.volume.array.shape[:3]
        if self.states.shape != (spatial[0],):
            raise InputError(
                f"{self.states.size} slice states for {spatial[0]} slices", where=self.name
            )
        for what, array in (("mask", self.mask), ("painted area", self.painted)):
            if array is not None and array.shape != spatial:
                raise InputError(
                    f"the {what} is {array.shape}, the image {spatial}",
                    where=self.name,
                    hint="Use a mask made for this image",
                )
        if self.mask is None and self.labelled.size:
            raise InputError("slices are marked as labelled but there is no mask", where=self.name)
        if self.painted is None and (self.states == SliceState.PARTIAL).any():
            raise InputError("partial slices need the painted area", where=self.name)

    @property
    def labelled(self) -> np.ndarray:
        """Numbers of the slices with labels, ``(n,)``."""
        return np.flatnonzero(np.isin(self.states, (SliceState.CONFIRMED, SliceState.PARTIAL)))

    @property
    def unlabelled(self) -> np.ndarray:
        """Numbers of the slices without labels, ``(n,)``."""
        return np.flatnonzero(~np.isin(self.states, (SliceState.CONFIRMED, SliceState.PARTIAL)))

    @property
    def guessed(self) -> np.ndarray:
        """Numbers of the unlabelled slices that training learns from, ``(n,)``: those that
        `project.states.guessed` gives, or all if the slices are pictures of their own.
        """
        return self.unlabelled if self.volume.separate else guessed(self.states)
