"""Cleaning up the mask of the scan: what would change, and changing it in one step."""

from __future__ import annotations

import numpy as np

from napari_dim.errors import InputError
from napari_dim.gui.commands.slice_commands import current
from napari_dim.gui.layers.image_layers import layer_source, separate
from napari_dim.gui.logic.clean_up_plan import Plan, Situation, carry_out
from napari_dim.gui.session import Session


def situation(session: Session, first: int, last: int) -> Situation:
    """The mask as it is now in some slices and on the screen, and the size of its voxels.

    Other slices are left empty: of a large scan a copy of all would take the window's time.

    Raises
    ------
    InputError
        If the scan has no mask.
    """
    mask, image = session.mask, session.image
    if mask is None or image is None:
        raise InputError("the scan has no mask yet", hint="Press New and paint some slices")
    numbers = [*range(first, last + 1), current(session)]
    mask.look(numbers)
    planes = np.zeros_like(mask.planes)
    for number in numbers:
        planes[number] = mask.planes[number]
    grid = layer_source(image).grid
    return Situation(planes, mask.states, grid.spacing, grid.unit, separate(image))


def still_true(session: Session, then: Situation, first: int, last: int) -> bool:
    """Whether the mask is in some slices, and on the screen, what it was."""
    mask = session.mask
    if mask is None or mask.planes.shape != then.planes.shape:
        return False
    numbers, states = [*range(first, last + 1), current(session)], mask.states
    return all(
        states[n] == then.states[n] and np.array_equal(mask.planes[n], then.planes[n])
        for n in numbers
    )


def clean_up(session: Session, made: Plan) -> str:
    """Carry out a clean-up; one step that can be undone."""
    mask = session.mask
    if mask is None:
        raise InputError("the scan has no mask yet", hint="Press New and paint some slices")
    carry_out(mask, made)
    return f"{made.title[0].upper()}{made.title[1:]}: {made.text} Ctrl-Z takes it back"


def show_clean_up(session: Session) -> str:
    """Show or hide the window that cleans up."""
    session.clean_up_wanted.emit()
    return "Clean up: choose what and where; it says what would change before it does"
