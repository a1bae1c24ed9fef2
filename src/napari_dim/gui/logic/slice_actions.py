"""What a person does with slices of a mask: each is one act that can be undone.

Functions of the mask alone; they say what they did, or raise why it can't be done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from napari_dim.editing.kept_classes import kept
from napari_dim.errors import InputError
from napari_dim.gui.state.provenance import confirmed, taken_back
from napari_dim.gui.state.scan_mask import ScanMask
from napari_dim.states import FREE, LABELLED, UNCHANGED, SliceState
from napari_dim.words import count as counted


def confirm(mask: ScanMask, number: int) -> str:
    """A slice is right as it is; an empty one holds background alone.

    Of a slice of the machine's this says that a person checked it: it counts in the score.
    """
    _refuse_missing(mask, number)
    state = SliceState(int(mask.states[number]))
    wanted = confirmed(
        state,
        int(mask.areas[number]),
        said=bool(mask.answer.said[number]),
        same=mask.shows_answer(number),
    )
    if wanted == SliceState.ACCEPTED and state != SliceState.FILLED:
        mask.act(f"confirm slice {number}", {number: wanted}, checked=True)
        return f"Slice {number} is confirmed: the machine was right"
    if wanted == state:
        return f"Slice {number} is labelled: every stroke counts already"
    mask.act(f"confirm slice {number}", {number: wanted})
    only = ": background only" if wanted == SliceState.EMPTY else ""
    return f"Slice {number} is confirmed{only}"


def set_partial(mask: ScanMask, number: int) -> str:
    """Only the pixels of a slice that are not 0 count."""
    _refuse_missing(mask, number)
    # The machine's pixels become labels then, and are still no person's work.
    machines = mask.states[number] in (SliceState.MACHINE, *UNCHANGED)
    state = SliceState.ACCEPTED_PART if machines else SliceState.PARTIAL
    mask.act(f"partial slice {number}", {number: state})
    return (
        f"Slice {number} is partial: only what is painted counts. Paint some background with "
        "the background brush, too"
    )


def take_back(mask: ScanMask, number: int) -> str:
    """Take back what was said of a slice; what a person drew stays."""
    state = SliceState(int(mask.states[number]))
    wanted = taken_back(
        state,
        int(mask.areas[number]),
        said=bool(mask.answer.said[number]),
        same=mask.shows_answer(number),
    )
    if wanted == state:
        if state in FREE:
            return f"Nothing was said of slice {number}"
        hint = "take the machine's newest" if mask.answer.said[number] else "erase it"
        return f"Slice {number} is drawn, so it is labelled: {hint} to make it unlabelled"
    mask.act(f"take back slice {number}", {number: wanted})
    return f"Slice {number} is {'not labelled' if wanted is None else 'labelled as a whole'}"


def copy_nearest(mask: ScanMask, number: int) -> str:
    """Copy the nearest slice that a person stands behind and that shows anything."""
    states = mask.states
    if states[number] in LABELLED:
        raise InputError(f"slice {number} is labelled already", hint="Erase it first")
    others = np.flatnonzero(np.isin(states, LABELLED) & (mask.areas > 0))
    if not others.size:
        raise InputError("no slice is painted yet")
    nearest = int(others[np.abs(others - number).argmin()])
    plane = kept(mask.planes[number], mask.planes[nearest].copy(), mask.only)
    mask.act(f"copy slice {nearest} to {number}", {number: SliceState.FILLED}, {number: plane})
    return f"Copied slice {nearest} to {number}; correct it, or confirm it as it is"


def confirm_filled(mask: ScanMask) -> str:
    """All slices that were filled or copied are right as they are."""
    filled = [
        int(n) for n in np.flatnonzero(mask.states == SliceState.FILLED) if n not in mask.missing
    ]
    if not filled:
        raise InputError("no slice is filled in", hint="Press Fill between first")
    what = counted(len(filled), "filled slice")
    mask.act(f"confirm {what}", dict.fromkeys(filled, SliceState.ACCEPTED))
    return f"Confirmed {what} as drawn"


def machines(mask: ScanMask, numbers: Sequence[int] | None = None) -> list[int]:
    """Which slices are the machine's and seen by nobody; of some, or of all that are there."""
    states = mask.states
    wanted = range(len(states)) if numbers is None else numbers
    return [int(n) for n in wanted if states[n] == SliceState.MACHINE and n not in mask.missing]


def accept(mask: ScanMask, numbers: Sequence[int] | None = None) -> str:
    """Slices of the machine's are labels as they are; by default all of them.

    Raises
    ------
    InputError
        If none of them is the machine's.
    """
    if not mask.answer.said.any():
        raise InputError("there is no prediction of this scan yet", hint="Train first")
    if numbers is not None and len(numbers) == 1:
        _refuse_missing(mask, numbers[0])
    found = machines(mask, numbers)
    if not found:
        every = numbers is None
        raise InputError(
            "every slice is labelled already" if every else "this slice is labelled already",
            hint="Your own slices stay as they are",
        )
    what = f"slice {found[0]}" if len(found) == 1 else counted(len(found), "slice")
    mask.act(f"accept {what}", dict.fromkeys(found, SliceState.ACCEPTED))
    return f"Accepted {what}" + ("" if len(found) == 1 else "; Ctrl-Z takes them back")


@dataclass(frozen=True)
class Trusted:
    """What a person trusts of the machine's slices, and what accepting it would do.

    Attributes
    ----------
    what
        What it is called, for people.
    planes
        Slice number -> class ids that stay, ``(row, column)``.
    gone
        Other pixels of the machine's in these slices, which go.
    """

    what: str
    planes: Mapping[int, np.ndarray]
    gone: int


def trusted(mask: ScanMask, where: np.ndarray, what: str) -> Trusted:
    """The voxels of the machine's slices that a person trusts; nothing is changed yet.

    Parameters
    ----------
    where
        Trusted voxels, ``(slice, row, column)`` bool.
    what
        What they are called, for people.

    Raises
    ------
    InputError
        If there is nothing of it in slices without labels.
    """
    planes, gone = {}, 0
    for number in machines(mask):
        there = mask.planes[number] != 0
        kept = where[number] & there
        if kept.any():
            planes[number] = np.where(kept, mask.planes[number], 0)
            gone += int(np.count_nonzero(there & ~kept))
    if not planes:
        raise InputError(f"there is nothing to accept of {what} in slices without labels")
    return Trusted(what, planes, gone)


def accept_trusted(mask: ScanMask, part: Trusted) -> str:
    """Keep what a person trusts of the machine's slices; what else it found there goes.

    Nothing is said of the rest of the slices. What else the machine had found there can't stay:
    it would be shown and exported beside what a person stands behind, and such a slice teaches
    all that is painted in it. How much went is said.
    """
    states = dict.fromkeys(part.planes, SliceState.ACCEPTED_PART)
    mask.act(f"accept {part.what}", states, part.planes)
    gone = f". {counted(part.gone, 'other pixel')} of the machine's went there" if part.gone else ""
    return (
        f"Accepted {part.what} in {counted(len(part.planes), 'slice')}; only what is shown there "
        f"counts now{gone}. Ctrl-Z takes it back"
    )


def all_question(count: int) -> str:
    """What is asked before all slices of the machine's are accepted."""
    return (
        f"Accept {counted(count, 'slice')} of the machine's, unseen by a person? "
        f"{'It counts' if count == 1 else 'They count'} as labels from then on, shown as accepted "
        "unchanged. One Ctrl-Z takes all of it back."
    )


def part_question(part: Trusted) -> str:
    """What is asked before a part of the machine's slices is accepted."""
    gone = (
        f" {counted(part.gone, 'other pixel')} that it found in these slices "
        f"{'goes' if part.gone == 1 else 'go'} from the mask."
        if part.gone
        else ""
    )
    return (
        f"Accept {part.what} in {counted(len(part.planes), 'slice')} of the machine's, unseen by "
        f"a person? Only what is shown there counts from then on.{gone} One Ctrl-Z takes all of "
        "it back."
    )


def reject(mask: ScanMask, number: int) -> str:
    """Empty a slice of the machine's; later predictions leave it alone."""
    state = SliceState(int(mask.states[number]))
    if state not in (SliceState.MACHINE, SliceState.FILLED) or not mask.areas[number]:
        raise InputError(f"nothing is predicted in slice {number} that you have not labelled")
    empty = np.zeros_like(mask.planes[number])
    mask.act(f"reject slice {number}", {number: SliceState.UNTOUCHED}, {number: empty})
    return f"Rejected slice {number}; Ctrl-Z brings it back"


def take_newest(mask: ScanMask, number: int) -> str:
    """Give a slice back to the machine: it shows the machine's newest, and follows it."""
    if not mask.answer.said[number]:
        raise InputError("the machine has said nothing of this slice yet", hint="Train first")
    if mask.states[number] == SliceState.MACHINE:
        raise InputError(f"slice {number} shows the machine's newest already")
    mask.act(f"take the machine's newest in slice {number}", {number: None})
    return f"Slice {number} shows the machine's newest; Ctrl-Z brings yours back"


def _refuse_missing(mask: ScanMask, number: int) -> None:
    """Nobody can say what a slice shows that the scan lacks."""
    if number in mask.missing:
        raise InputError(
            f"the series lacks slice {number}",
            hint="What is drawn there is exported, and training does not learn from it",
        )
