"""What a slice becomes by what a person does with it: the rules, in one place."""

from __future__ import annotations

from napari_dim.states import OPEN, UNCHANGED, SliceState

_MACHINES = (SliceState.MACHINE, SliceState.ACCEPTED, SliceState.CORRECTED)


def edited(state: SliceState, area: int, *, through: bool = False) -> SliceState:
    """What a slice is once a person has changed its voxels.

    Parameters
    ----------
    state
        What it was.
    area
        Pixels that are not 0 now.
    through
        Whether one stroke went through several slices, or background is painted in this one:
        then nothing is said of the rest of a slice that was untouched.
    """
    if state in _MACHINES:
        return SliceState.CORRECTED
    if area == 0:
        return SliceState.UNTOUCHED  # erased: nothing is said of it any more
    if state == SliceState.FILLED:
        return SliceState.CORRECTED
    if state in OPEN or (through and state == SliceState.UNTOUCHED):
        return SliceState.PARTIAL
    return SliceState.PAINTED


def confirmed(state: SliceState, area: int, *, said: bool, same: bool) -> SliceState:
    """What a slice is once a person has said that it is right as it is.

    Parameters
    ----------
    state, area
        What it was, and its pixels that are not 0.
    said, same
        Whether the machine has said anything of it, and whether it shows just that.
    """
    if state in (SliceState.MACHINE, SliceState.FILLED):
        return SliceState.ACCEPTED
    if state in OPEN and area and said:
        return SliceState.ACCEPTED if same else SliceState.CORRECTED
    if state in (SliceState.UNTOUCHED, *OPEN):
        return SliceState.PAINTED if area else SliceState.EMPTY
    return state


def taken_back(state: SliceState, area: int, *, said: bool, same: bool) -> SliceState | None:
    """What a slice is once a person takes back what was said of it.

    None gives it back to the machine, or to nobody where the machine has said nothing. A slice
    that was drawn stays as it is: its voxels say that it is labelled. A partial slice that shows
    nothing was never drawn.
    """
    if state in (*UNCHANGED, SliceState.EMPTY, SliceState.FILLED):
        return None
    if state == SliceState.PARTIAL:
        if area == 0:
            return None
        if said:
            return None if same else SliceState.CORRECTED
        return SliceState.PAINTED
    return state
