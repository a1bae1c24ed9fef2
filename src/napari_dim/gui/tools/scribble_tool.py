"""Smart scribble: strokes of the class and of "not this" give the mask of the slice at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from napari.layers import Labels

from napari_dim.editing.shape_seeds import seeds_of_box
from napari_dim.errors import InputError
from napari_dim.gui.layers.image_layers import current_slice, layer_source, slice_values
from napari_dim.gui.layers.locked_layer import why_locked
from napari_dim.gui.logic.scribble_strokes import Scribbles
from napari_dim.gui.session import Session
from napari_dim.gui.tools.tool_in_hand import HandTool, along, disc, radius_of
from napari_dim.words import count as counted

LEAST_BOX = 3
"""Pixels along each side of a box that is meant as one."""


class ScribbleTool(HandTool):
    """Left strokes are of the class, right strokes are not; the last stroke refines the mask."""

    tip = (
        "Smart scribble: stroke over some of the class, with the right button over what is not "
        "it, or Shift-drag a box around it"
    )

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._scribbles: Scribbles | None = None

    def take(self, layer: Labels) -> None:
        """It is in the hand from now on."""
        super().take(layer)
        mask = self.session.mask
        assert mask is not None
        self._scribbles = Scribbles(mask)
        self._laid_over(current_slice(self.session.viewer, layer))
        self.session.slices_changed.connect(self._show_strokes)
        layer.events.selected_label.connect(self._show_strokes)

    def lay_down(self) -> None:
        """It is in the hand no longer; its strokes are shown no longer."""
        if self._layer is not None:
            self._layer.events.selected_label.disconnect(self._show_strokes)
            self.session.slices_changed.disconnect(self._show_strokes)
        super().lay_down()

    def stroke(self, event: Any, *, wanted: bool) -> Iterator[None]:
        """Draw a stroke, and make the mask from it when the button is let go."""
        if wanted and "Shift" in event.modifiers:
            yield from self._box(event)
            return
        number, last = self.place(event)
        shape = self.layer.data.shape
        if len(shape) == 3 and not 0 <= number < shape[0]:
            return
        pixels = np.zeros(shape[-2:], bool)
        self._draw(number, pixels, [last], wanted)
        yield
        while event.type == "mouse_move":
            _, here = self.place(event)
            self._draw(number, pixels, along(last, here), wanted)
            last = here
            yield
        none = np.zeros_like(pixels)
        if pixels.any():
            self._scribble(number, *((pixels, none) if wanted else (none, pixels)))

    def _box(self, event: Any) -> Iterator[None]:
        """Draw a box around the structure, and make the mask when the button is let go."""
        number, start = self.place(event)
        shape = self.layer.data.shape
        if len(shape) == 3 and not 0 <= number < shape[0]:
            return
        end = start
        yield
        while event.type == "mouse_move":
            _, end = self.place(event)
            of, off = seeds_of_box(shape[-2:], start, end)
            self.show(number, of, True)
            self.show(number, off, False, alone=False)
            yield
        if np.abs(end - start).min() >= LEAST_BOX:
            self._scribble(number, *seeds_of_box(shape[-2:], start, end), lasting=False)
        self._show_strokes()

    def _draw(self, number: int, pixels: np.ndarray, places: Any, wanted: bool) -> None:
        radius = radius_of(self.layer)
        for at in places:
            rows, columns, inside = disc(pixels.shape, at, radius)
            pixels[rows, columns] |= inside
        self.show(number, pixels, wanted, alone=False)

    def _scribble(
        self, number: int, of: np.ndarray, off: np.ndarray, *, lasting: bool = True
    ) -> None:
        session, layer = self.session, self.layer
        image, scribbles = session.image, self._scribbles
        class_id = int(layer.selected_label)
        if image is None or scribbles is None:
            return
        if why := why_locked(layer):
            raise InputError(why, where=layer.name)
        grid = layer_source(image).grid
        scribbles.add(
            number,
            class_id,
            of,
            off,
            image=slice_values(image, number),
            spacing=grid.spacing[1:],
            keep_others=bool(layer.preserve_labels),
            lasting=lasting,
        )
        self._show_strokes()
        plane = layer.data[number] if layer.ndim == 3 else layer.data
        there = int(np.count_nonzero(plane == class_id))
        area = there * grid.spacing[1] * grid.spacing[2]
        size = f"{area:.4g} mm²" if grid.unit == "mm" else counted(there, "pixel")
        session.say(f"The slice has {size} of the class now; Ctrl-Z takes the stroke back")

    def _show_strokes(self, event: Any = None) -> None:
        """Show the strokes that hold; those that were taken back are gone."""
        if self._scribbles is None or self._layer is None or self._shown is None or self._gone:
            return
        number, class_id = self._shown_of, int(self._layer.selected_label)
        none = np.zeros(self._layer.data.shape[-2:], bool)
        self.show(number, none, True)
        for of, off in self._scribbles.standing(number, class_id):
            self.show(number, of, True, alone=False)
            self.show(number, off, False, alone=False)
