"""How a mask is drawn: the machine's slices as outlines, a person's as areas, or all as contours.

Contours only, a person's line is twice as wide as the machine's: they are told apart.
"""

from __future__ import annotations

import numpy as np
from napari.layers import Labels

from napari_dim.gui.layers.mask_layer import MaskLayer
from napari_dim.states import SliceState

OUTLINED = (SliceState.MACHINE, SliceState.FILLED)
"""The states of slices that nobody has looked at yet."""
FINE = 256
"""An outline is a pixel wide for so many rows or columns."""


def contour_of(state: SliceState, side: int, *, machines: bool, all_: bool) -> int:
    """How wide the line around what a slice shows is, in pixels; 0 where it is an area.

    Parameters
    ----------
    state
        Of the slice.
    side
        Rows or columns of the slice, the fewer of both.
    machines
        Whether slices that nobody has looked at are shown as outlines.
    all_
        Whether all slices are.
    """
    line = max(1, round(side / FINE))
    if state in OUTLINED:
        return line if machines or all_ else 0
    return 2 * line if all_ else 0


def lines_of(mask: MaskLayer, *, machines: bool, all_: bool) -> np.ndarray:
    """How wide the lines of each slice are, ``(slice,)``, in lines of the machine's; 0 for areas.

    Parameters
    ----------
    mask
        The mask.
    machines, all_
        As in `contour_of`.
    """
    widths = {state: contour_of(state, FINE, machines=machines, all_=all_) for state in SliceState}
    return np.array([widths[SliceState(int(state))] for state in mask.states], int)


def show_outline(mask: MaskLayer, number: int, *, machines: bool, all_: bool) -> None:
    """Show the slice on the screen as `contour_of` says."""
    layer: Labels = mask.layer
    states = mask.states
    state = SliceState(int(states[number])) if number < len(states) else SliceState.UNTOUCHED
    width = contour_of(state, min(mask.planes.shape[1:]), machines=machines, all_=all_)
    if layer.contour != width:
        layer.contour = width
