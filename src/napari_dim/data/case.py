"""One case as training sees it: a volume, what is known of its mask, and where it came from."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from napari_dim.errors import InputError
from napari_dim.io.labels import as_labels
from napari_dim.states import LABELLED, OPEN, guessed
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
        Only slices whose state is one of `LABELLED` are read; in a partial slice,
        `painted` tells which pixels count.
    states
        One `SliceState` a slice, ``(slice,)``.
    site
        Scanner or centre, as free text.
    name
        What the user calls the case.
    painted
        Boolean, ``(slice, row, column)``: pixels that count in slices of an `OPEN` state; None
        where there is no partial slice.
    searched
        Slice number -> ids of the classes that a person looked for there. Slices that are
        missing were searched for all. A class that came later may lie in what is background.
    """

    volume: Volume
    mask: np.ndarray | None
    states: np.ndarray
    site: str = ""
    name: str = ""
    painted: np.ndarray | None = None
    searched: Mapping[int, Collection[int]] = field(default_factory=dict)

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
        if self.painted is None and np.isin(self.states, OPEN).any():
            raise InputError("partial slices need the painted area", where=self.name)

    @property
    def labelled(self) -> np.ndarray:
        """Numbers of the slices with labels, ``(n,)``."""
        return np.flatnonzero(np.isin(self.states, LABELLED))

    @property
    def unlabelled(self) -> np.ndarray:
        """Numbers of the slices without labels, ``(n,)``."""
        return np.flatnonzero(~np.isin(self.states, LABELLED))

    @property
    def guessed(self) -> np.ndarray:
        """Numbers of the unlabelled slices that training learns from, ``(n,)``: those that
        `states.guessed` gives, or all if the slices are pictures of their own.
        """
        return self.unlabelled if self.volume.separate else guessed(self.states)

    def unsaid(self, number: int, classes: Iterable[int]) -> tuple[int, ...]:
        """Those of some classes of which a labelled slice doesn't tell where they are not.

        A slice that shows a class was searched for it.
        """
        if number not in self.searched or self.mask is None:
            return ()
        known = self.searched[number]
        open_ = [class_id for class_id in classes if class_id not in known]
        if not open_:
            return ()
        shown = np.unique(self.mask[number])
        return tuple(class_id for class_id in open_ if class_id not in shown)


def labelled_case(
    volume: Volume,
    array: np.ndarray,
    states: np.ndarray,
    *,
    site: str = "",
    name: str = "",
    brush: int | None = None,
    searched: Mapping[int, Collection[int]] | None = None,
) -> Case:
    """A case of a mask as it is painted; the labelled slices are copied, nothing else is read.

    Parameters
    ----------
    array
        Class ids, ``(slice, row, column)``.
    brush
        The id that stands for painted background.
    states, site, name, searched
        As in `Case`.

    Raises
    ------
    InputError
        If the mask doesn't lie on the image, or holds values that are no class ids.
    """
    shape = volume.array.shape[:3]
    if array.shape != shape:
        raise InputError(
            f"the mask is {array.shape}, the image {shape}",
            where=name,
            hint="Use a mask made for this image",
        )
    # Of a large scan with few labelled slices, copying the rest would take long.
    known = np.flatnonzero(np.isin(states, LABELLED))
    planes = as_labels(np.array(array[known]), where=name)
    painted = np.zeros(shape, dtype=bool)
    painted[known] = planes > 0
    if brush is not None:
        planes[planes == brush] = 0
    mask = np.zeros(shape, dtype=planes.dtype)
    mask[known] = planes
    looked = {n: ids for n, ids in (searched or {}).items() if n in set(known.tolist())}
    return Case(volume, mask, states, site, name, painted, looked)


def unsaid_groups(cases: Iterable[Case], classes: Collection[int]) -> list[tuple[int, ...]]:
    """The different answers that `Case.unsaid` gives for labelled slices, empty ones left out."""
    found = {case.unsaid(int(n), classes) for case in cases for n in case.labelled}
    return sorted(found - {()})
