"""The class in the hand: taken by the table, by a number key, or as the brush of background."""

from __future__ import annotations

from napari.layers import Labels

from napari_dim.errors import InputError
from napari_dim.gui.commands.slice_commands import current, set_partial
from napari_dim.gui.layers.layer_classes import classes_of, set_classes
from napari_dim.gui.layers.mask_layer import MaskLayer
from napari_dim.gui.session import Session
from napari_dim.gui.tools.tool_in_hand import HandTool, put_down
from napari_dim.states import OPEN
from napari_dim.words import count as counted

BY_KEY = 9
"""Classes that have a key of their own."""
PAINTING = ("paint", "fill", "polygon")
"""napari's tools that paint a class."""


def take_brush(session: Session, layer: Labels, class_id: int) -> None:
    """Paint a class from now on; a tool in the hand that paints stays there."""
    layer.selected_label = class_id
    session.viewer.layers.selection.active = layer
    if session.tool is not None and not isinstance(session.tool, HandTool):
        put_down(session)
    if str(layer.mode) not in PAINTING and session.tool is None:
        layer.mode = "paint"


def take_class(session: Session, place: int) -> str:
    """Take the brush of a class by its place in the table, from 1.

    Raises
    ------
    InputError
        If there is no mask, or no such class.
    """
    mask = _mask(session)
    known = classes_of(mask.layer)
    if place > len(known):
        raise InputError(
            f"there is no class {place} in the table, which has {counted(len(known), 'class')}",
            hint="+ beside the table adds one",
        )
    take_brush(session, mask.layer, known[place - 1].id)
    return f"“{known[place - 1].name}” is in the hand"


def take_eraser(session: Session) -> str:
    """Take napari's eraser.

    Raises
    ------
    InputError
        If there is no mask.
    """
    layer = _mask(session).layer
    session.viewer.layers.selection.active = layer
    if session.tool is not None:
        put_down(session)
    layer.mode = "erase"
    return "The eraser is in the hand; a class takes its brush again"


def take_background(session: Session) -> str:
    """Take the brush of background; the slice is partial from then on.

    Raises
    ------
    InputError
        If there is no mask.
    """
    mask = _mask(session)
    layer, first = mask.layer, mask.brush is None
    take_brush(session, layer, mask.background_brush())
    if first:
        set_classes(layer, classes_of(layer))
    if mask.states[current(session)] not in OPEN:
        return set_partial(session)
    return "The background brush is in the hand: what it paints is certainly not the structure"


def _mask(session: Session) -> MaskLayer:
    mask = session.mask
    if mask is None:
        raise InputError("the scan has no mask yet", hint="Press New and paint some slices")
    return mask
