"""What the finished mask of a scan holds: all that is seen, or what a person stands behind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from napari_dim.errors import InputError
from napari_dim.gui.state.scan_mask import ScanMask
from napari_dim.states import BY_HAND, LABELLED, SliceState
from napari_dim.words import count as counted

SHOWN, LABELLED_ONLY, LAYER = (
    "the whole mask, as it is shown",
    "labelled slices only",
    "another layer as it is",
)
"""What a mask may hold."""


@dataclass(frozen=True)
class Contents:
    """What a mask is to hold, before it is put together.

    Attributes
    ----------
    states
        A `SliceState` for each slice of the mask; those left out are untouched.
    text
        All that in words.
    """

    states: np.ndarray
    text: str


def contents(mask: ScanMask | None, include: str) -> Contents:
    """What the mask of a scan would hold; no voxel is looked at.

    Parameters
    ----------
    mask
        The scan's mask.
    include
        `SHOWN` or `LABELLED_ONLY`.

    Raises
    ------
    InputError
        If there is nothing to write.
    """
    if mask is None:
        raise InputError("there is nothing to export yet", hint="Label some slices, or train")
    states = mask.states
    if include == LABELLED_ONLY:
        states = np.where(np.isin(states, LABELLED), states, SliceState.UNTOUCHED).astype(np.uint8)
        rest = ["the others are left empty"]
    else:
        rest = []
    return Contents(states, f"{'; '.join([words(states, mask.missing), *rest])}.")


def words(states: np.ndarray, missing: Collection[int] = ()) -> str:
    """How many slices come from whom, for people: by hand, accepted, the machine's, nobody's.

    Parameters
    ----------
    states
        One `SliceState` a slice, ``(slice,)``.
    missing
        Numbers of the slices that the scan lacks.
    """
    there = np.delete(states, sorted(missing))
    states, lacked = there, len(states) - len(there)
    many = Counter(int(state) for state in states)
    hands = sum(many[state] for state in BY_HAND)
    parts = [f"{hands} of {counted(len(states), 'slice')} labelled by a person"]
    for count, what in (
        (many[SliceState.ACCEPTED], "accepted unchanged"),
        (many[SliceState.ACCEPTED_PART], "accepted in part"),
        (many[SliceState.MACHINE], "the machine's, unseen"),
        (many[SliceState.FILLED], "filled in, not confirmed"),
        (many[SliceState.UNTOUCHED], "without a mask"),
        (lacked, "missing from the series"),
    ):
        if count:
            parts.append(f"{count} {what}")
    return ", ".join(parts)


def exported(
    mask: ScanMask | None, include: str, brush: int | None = None
) -> tuple[np.ndarray, Contents]:
    """The mask of a scan, class ids ``(slice, row, column)``, and what it holds.

    Parameters and errors as in `contents`; `brush` is the id that paints background.
    """
    if mask is not None:
        mask.look()
    what = contents(mask, include)
    assert mask is not None
    found = mask.planes.copy()
    if include == LABELLED_ONLY:
        found[what.states == SliceState.UNTOUCHED] = 0
    if brush is not None:
        found[found == brush] = 0
    return found, what
