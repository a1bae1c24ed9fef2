"""Taking back and doing again, in one order: what is half drawn, rulers, and acts in the mask."""

from __future__ import annotations

from typing import Any

from napari_dim.errors import InputError
from napari_dim.gui.commands.slice_commands import go_to
from napari_dim.gui.layers.napari_compat import corners, take_corner_back
from napari_dim.gui.session import Session
from napari_dim.gui.state.rulers import Measuring, Rulers
from napari_dim.gui.state.undo_steps import UndoSteps, to_redo, to_undo


def undo(session: Session) -> str:
    """Take back the last point of what is half drawn; else the last step in mask or rulers.

    Raises
    ------
    InputError
        If there is nothing that anything could be drawn in.
    """
    if _begun(session):
        _take_point_back(session)
        return "Took the last point back" if _begun(session) else "Took the only point back"
    if session.tool is not None and (forgotten := session.tool.forget()):
        return str(forgotten)
    steps = to_undo(*_things(session))
    if steps is None:
        return "There is nothing to take back"
    rulers, mask = _rulers(session), session.mask
    if rulers is not None and steps is rulers.steps:
        return _went(session, "Took back", rulers.undo())
    assert mask is not None
    act = mask.undo()
    return session.message if act is None else f"Took back: {act.title}"


def redo(session: Session) -> str:
    """Do again what was taken back last.

    Raises
    ------
    InputError
        If something is half drawn.
    """
    if _begun(session):
        raise InputError("an outline is begun", hint="Close it first, or press Esc to give it up")
    steps = to_redo(*_things(session))
    if steps is None:
        return "There is nothing to do again"
    rulers, mask = _rulers(session), session.mask
    if rulers is not None and steps is rulers.steps:
        return _went(session, "Did again", rulers.redo())
    assert mask is not None
    act = mask.redo()
    return session.message if act is None else f"Did again: {act.title}"


def _begun(session: Session) -> bool:
    """Whether an outline, a ruler or an angle is half drawn."""
    tool, labels = session.tool, session.labels
    if tool is not None:
        return bool(tool.begun)
    return labels is not None and corners(labels) > 0


def _take_point_back(session: Session) -> None:
    if session.tool is not None:
        session.tool.take_back()
    elif session.labels is not None:
        take_corner_back(session.labels)


def _rulers(session: Session) -> Rulers | None:
    return None if session.image is None else session.rulers_of(session.image)


def _things(session: Session) -> list[UndoSteps[Any]]:
    """The steps of the mask and of the rulers of the scan that is worked on."""
    rulers, mask = _rulers(session), session.mask
    if rulers is None and mask is None:
        raise InputError("no scan is open")
    found = [] if rulers is None else [rulers.steps]
    return found if mask is None else [*found, mask.steps]


def _went(session: Session, what: str, step: Measuring | None) -> str:
    """Go where a ruler came or went, and say what was done."""
    if step is None:
        return session.message
    places = {round(point[0]) for points in step.changed for point in points}
    if len(places) == 1:
        go_to(session, *places)
    return f"{what}: {step.title}"
