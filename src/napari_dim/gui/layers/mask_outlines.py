"""The machine's slices as outlines and a person's as areas, whatever the colours."""

from __future__ import annotations

from napari.layers import Labels

from napari_dim.gui.layers.mask_layer import MaskLayer
from napari_dim.states import SliceState

OUTLINED = (SliceState.MACHINE, SliceState.FILLED)
"""The states of slices that nobody has looked at yet."""
FINE = 256
"""An outline is a pixel wide for so many rows or columns."""


def show_outline(mask: MaskLayer, number: int, *, wanted: bool) -> None:
    """Show the slice on the screen as outlines where it is the machine's, else as areas."""
    layer: Labels = mask.layer
    states = mask.states
    machine = number < len(states) and SliceState(int(states[number])) in OUTLINED
    width = max(1, round(min(mask.planes.shape[1:]) / FINE)) if wanted and machine else 0
    if layer.contour != width:
        layer.contour = width
