"""Smart scribble: strokes and shapes of the class, and of "not this", give the slice's mask."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from napari.layers import Labels

from napari_dim.editing.shape_seeds import Seeds, seeds_of_box, seeds_of_ellipse
from napari_dim.errors import InputError
from napari_dim.gui.layers.image_layers import current_slice, layer_source
from napari_dim.gui.layers.locked_layer import why_locked
from napari_dim.gui.layers.stroke_layer import UNWANTED, WANTED, WANTED_AREA
from napari_dim.gui.logic.scribble_strokes import Scribbles
from napari_dim.gui.session import Session
from napari_dim.gui.tools.tool_in_hand import HandTool
from napari_dim.words import count as counted
from napari_dim.words import figure

LEAST_SHAPE = 3
"""Pixels along each side of a box or an ellipse that is meant as one."""


class ScribbleTool(HandTool):
    """Left strokes are of the class, right strokes are not; the last stroke refines the mask."""

    name = "Scribble"
    tip = (
        "Smart scribble: stroke over some of the class, and with the right button over what is "
        "not it: the slice's mask follows each stroke. Shift-drag draws a box around it"
    )
    shape = "box"
    """What a shape of it is called."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._scribbles: Scribbles | None = None

    def take(self, layer: Labels) -> None:
        """It is in the hand from now on."""
        super().take(layer)
        mask = self.session.mask
        assert mask is not None
        self._scribbles = Scribbles(mask)
        self.session.slices_changed.connect(self._show_strokes)
        layer.events.selected_label.connect(self._show_strokes)

    def lay_down(self) -> None:
        """It is in the hand no longer; its strokes are shown no longer."""
        if self._layer is not None:
            self._layer.events.selected_label.disconnect(self._show_strokes)
            self.session.slices_changed.disconnect(self._show_strokes)
        super().lay_down()

    def stroke(self, event: Any, *, wanted: bool) -> Iterator[None]:
        """Draw a stroke or a shape, and make the mask from it when the button is let go."""
        if wanted and self._shaped(event):
            return self._shape(event)
        return self._stroke(event, wanted)

    def give_up(self) -> None:
        """Esc: a stroke or shape whose button is still down does nothing."""
        super().give_up()
        self._show_strokes()

    def forget(self) -> str:
        """Forget a stroke that changed nothing: Ctrl-Z must not take back what was before it."""
        number = current_slice(self.session.viewer, self.layer)
        class_id = int(self.layer.selected_label)
        if self._scribbles is None or not self._scribbles.forget(number, class_id):
            return ""
        self._show_strokes()
        return "Took back the stroke, which had changed nothing"

    def _shaped(self, event: Any) -> bool:
        """Whether a drag of the left button is a shape."""
        return "Shift" in event.modifiers

    def _seeds(self, start: np.ndarray, end: np.ndarray) -> Seeds:
        """What the shape from one corner to the other says."""
        return seeds_of_box(self.layer.data.shape[-2:], start, end)

    def _stroke(self, event: Any, wanted: bool) -> Iterator[None]:
        number, _ = self.place(event)
        drawn = np.zeros(self.layer.data.shape[-2:], bool)
        for pixels in self.brushed(event):
            drawn |= pixels
            self.show(number, [(pixels, WANTED if wanted else UNWANTED)], beside=True)
            yield
        none = np.zeros_like(drawn)
        if drawn.any():
            self._scribble(number, *((drawn, none) if wanted else (none, drawn)))

    def _shape(self, event: Any) -> Iterator[None]:
        number, start = self.place(event)
        end = start
        yield
        while event.type == "mouse_move":
            _, end = self.place(event)
            of, off = self._seeds(start, end)
            self.show(number, [(of, WANTED_AREA), (off, UNWANTED)])
            yield
        if np.abs(end - start).min() >= LEAST_SHAPE:
            self._scribble(number, *self._seeds(start, end), lasting=False)
        self._show_strokes()

    def _scribble(
        self, number: int, of: np.ndarray, off: np.ndarray, *, lasting: bool = True
    ) -> None:
        session, layer = self.session, self.layer
        scribbles = self._scribbles
        class_id = int(layer.selected_label)
        if scribbles is None:
            return
        if why := why_locked(layer):
            raise InputError(why, where=layer.name)
        grid = layer_source(self.scan()).grid
        act = scribbles.add(
            number,
            class_id,
            of,
            off,
            image=self.values(number),
            spacing=grid.spacing[1:],
            lasting=lasting,
            what="scribble" if lasting else self.shape,
        )
        self._show_strokes()
        plane = layer.data[number] if layer.ndim == 3 else layer.data
        there = int(np.count_nonzero(plane == class_id))
        area = there * grid.spacing[1] * grid.spacing[2]
        size = f"{figure(area, 4)} mm²" if grid.unit == "mm" else counted(there, "pixel")
        what = "stroke" if lasting else self.shape
        if act is None:
            session.say(f"The slice stays as it is; the next strokes heed this {what}")
        else:
            session.say(f"The slice has {size} of the class now; Ctrl-Z takes the {what} back")

    def _show_strokes(self, event: Any = None) -> None:
        """Show the strokes that hold; those that were taken back are gone."""
        if self._scribbles is None or self._layer is None or self._shown is None or self._gone:
            return
        number, class_id = self._shown_of, int(self._layer.selected_label)
        standing = self._scribbles.standing(number, class_id)
        self.show(
            number, [mark for of, off in standing for mark in ((of, WANTED), (off, UNWANTED))]
        )


class BoxTool(ScribbleTool):
    """A drag of the left button is a box around the structure, one with Shift is a stroke."""

    name = "Box"
    tip = (
        "Box: drag it around the structure from corner to corner, and its mask is there; "
        "Shift-drag strokes over more of it, the right button over what is not it"
    )
    cursor = "cross"

    def _shaped(self, event: Any) -> bool:
        return "Shift" not in event.modifiers


class EllipseTool(BoxTool):
    """A drag of the left button is an ellipse around the structure, one with Shift a stroke."""

    name = "Ellipse"
    tip = (
        "Ellipse: drag it around the structure, as a box that it fills, and its mask is there; "
        "Shift-drag strokes over more of it, the right button over what is not it"
    )
    shape = "ellipse"

    def _seeds(self, start: np.ndarray, end: np.ndarray) -> Seeds:
        return seeds_of_ellipse(self.layer.data.shape[-2:], start, end)
