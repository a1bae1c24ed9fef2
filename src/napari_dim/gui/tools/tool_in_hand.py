"""The tool in the hand, of those that napari has not: taking it, and laying it down.

While one is in the hand, the mask's layer is in napari's picking mode, whose own doing is
kept silent: the ring of the brush is shown, keys and Space do what they do with any tool, and
whatever tool of napari's is taken lays ours down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np
from napari.layers import Labels

from napari_dim.errors import InputError
from napari_dim.gui.layers.image_layers import add_layer, slice_values
from napari_dim.gui.layers.stroke_layer import UNWANTED, WANTED, place_of_slice, stroke_layer
from napari_dim.gui.session import Session

SPOT = 2.5
"""Pixels around a press that a range is picked from."""
MODE = "pick"
"""napari's mode meanwhile."""
ASLEEP = "pan_zoom"
"""napari's mode while Space is held; the tool stays in the hand."""


class HandTool:
    """A tool that changes the mask under the mouse.

    Parameters
    ----------
    session
        The session of the viewer.
    """

    tip = ""
    """What it does, for people."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._layer: Labels | None = None
        self._shown: Labels | None = None
        self._shown_of = -1

    @property
    def layer(self) -> Labels:
        """The layer of the mask that it was taken for."""
        assert self._layer is not None
        return self._layer

    def take(self, layer: Labels) -> None:
        """It is in the hand from now on."""
        self._layer = layer
        self.session.viewer.layers.selection.active = layer
        layer.mode = MODE
        self._show_ring()
        layer.events.mode.connect(self._on_mode)
        self.session.case_changed.connect(self._on_case)

    def lay_down(self) -> None:
        """It is in the hand no longer."""
        self.hide()
        layer, self._layer = self._layer, None
        if layer is not None:
            layer.events.mode.disconnect(self._on_mode)
            with suppress(KeyError, ValueError, RuntimeError):
                self.session.case_changed.disconnect(self._on_case)

    def ready(self) -> bool:
        """Whether a press of the mouse is for it."""
        layer = self._layer
        return (
            layer is not None
            and self.session.labels is layer
            and self.session.viewer.layers.selection.active is layer
            and str(layer.mode) == MODE
        )

    def stroke(self, event: Any, *, wanted: bool) -> Iterator[None]:
        """Follow the mouse from a press to its release, as napari's callbacks do."""
        raise NotImplementedError

    def place(self, event: Any) -> tuple[int, np.ndarray]:
        """The slice under the mouse, and row and column there, in pixels.

        Raises
        ------
        InputError
            If the scan is looked at along another axis than its slices.
        """
        if sorted(event.dims_displayed)[0] != self.session.viewer.dims.ndim - 2:
            raise InputError(
                "this tool draws in the scan's own slices", hint="Ctrl-E goes back to them"
            )
        at = np.asarray(self.layer.world_to_data(event.position), float)[-self.layer.ndim :]
        return (round(float(at[0])) if self.layer.ndim == 3 else 0), at[-2:]

    def show(self, number: int, pixels: np.ndarray, wanted: bool, *, alone: bool = True) -> None:
        """Show pixels over the mask, in place of what was shown (`alone`) or beside it."""
        shown = self._laid_over(number)
        plane = shown.data[0] if shown.ndim == 3 else shown.data
        value = WANTED if wanted else UNWANTED
        steps = [(pixels & (plane != value), value)]
        if alone:
            steps.insert(0, (~pixels & (plane != 0), 0))
        for there, new in steps:
            at = np.nonzero(there)
            if at[0].size:  # napari draws only what changed
                shown.data_setitem((np.zeros_like(at[0]), *at) if shown.ndim == 3 else at, new)

    def _laid_over(self, number: int) -> Labels:
        """The layer that shows strokes, over a slice; made when first wanted, which takes long."""
        if self._shown is None or self._gone:
            self._shown, self._shown_of = stroke_layer(self.layer, number), number
            add_layer(self.session.viewer, self._shown)
        elif self._shown_of != number:
            self._shown.data[:] = 0
            self._shown.affine = place_of_slice(self.layer, number)
            self._shown_of = number
        return self._shown

    def hide(self) -> None:
        """Show nothing over the mask any more."""
        shown, self._shown = self._shown, None
        if shown is not None and shown in self.session.viewer.layers:
            self.session.viewer.layers.remove(shown)

    @property
    def _gone(self) -> bool:
        """Whether a person has deleted the layer that shows strokes."""
        return self._shown not in self.session.viewer.layers

    def _spot(self, number: int, at: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """The values of a slice, and the pixels around a place; None beside the image."""
        image = self.session.image
        shape = self.layer.data.shape
        if image is None or (len(shape) == 3 and not 0 <= number < shape[0]):
            return None
        values = slice_values(image, number)
        spot = np.zeros(values.shape[:2], bool)
        rows, columns, inside = disc(spot.shape, at, np.full(2, SPOT))
        spot[rows, columns] = inside
        return (values, spot) if spot.any() else None

    def _set(self, number: int, pixels: np.ndarray, wanted: bool) -> None:
        """Give pixels the class in the hand, or take it from them, as napari's tools do."""
        layer = self.layer
        class_id = int(layer.selected_label)
        plane = layer.data[number] if layer.ndim == 3 else layer.data
        if not wanted:
            pixels = pixels & (plane == class_id)
        elif layer.preserve_labels:
            pixels = pixels & (plane == 0)
        at = np.nonzero(pixels)
        if at[0].size:
            where = (np.full(at[0].size, number), *at) if layer.ndim == 3 else at
            layer.data_setitem(where, class_id if wanted else 0)

    def _show_ring(self) -> None:
        layer = self.layer
        layer.cursor = "circle"
        layer.brush_size = layer.brush_size  # whose setter sizes the ring

    def _on_mode(self, event: Any = None) -> None:
        mode = str(self.layer.mode)
        if mode == MODE:
            self._show_ring()
        elif mode != ASLEEP:
            put_down(self.session)

    def _on_case(self) -> None:
        if self.session.labels is not self._layer:
            put_down(self.session)


def take_up(session: Session, make: Callable[[Session], HandTool]) -> str:
    """Take a tool of ours into the hand; the same one once more lays it down.

    Raises
    ------
    InputError
        If there is no mask that can be drawn in.
    """
    mask = session.mask
    if mask is None:
        raise InputError("the scan has no mask yet", hint="Press New first")
    if not mask.layer.editable:
        raise InputError("this mask can only be looked at")
    if not mask.layer.visible:
        raise InputError("the mask is hidden", hint="V shows it")
    if session.viewer.dims.ndisplay != 2:
        raise InputError("draw in slices, not in 3D", hint="Press 3D to go back")
    before = session.tool
    tool = make(session)
    if before is not None:
        put_down(session)
        if type(before) is type(tool):
            mask.layer.mode = "paint"
            return "The brush is in the hand again"
    if mask.layer.selected_label == 0:
        raise InputError("no class is in the hand", hint="Click one in the table")
    tool.take(mask.layer)
    session.tool = tool
    session.tool_changed.emit()
    return tool.tip


def put_down(session: Session) -> None:
    """Lay down the tool in the hand, if it is one of ours."""
    tool, session.tool = session.tool, None
    if tool is not None:
        tool.lay_down()
        session.tool_changed.emit()


def disc(shape: tuple[int, ...], at: np.ndarray, radius: np.ndarray) -> tuple[slice, slice, Any]:
    """Pixels of a round brush: rows, columns, and which of that box, bool.

    Parameters
    ----------
    shape
        Of the slice.
    at
        Its middle, row and column.
    radius
        In pixels, along rows and columns: of those that are no squares it is an ellipse.
    """
    low = np.maximum(np.floor(at - radius), 0).astype(int)
    high = np.minimum(np.ceil(at + radius) + 1, shape[-2:]).astype(int)
    rows, columns = np.ogrid[low[0] : max(high[0], low[0]), low[1] : max(high[1], low[1])]
    inside = ((rows - at[0]) / radius[0]) ** 2 + ((columns - at[1]) / radius[1]) ** 2 <= 1
    return slice(low[0], max(high[0], low[0])), slice(low[1], max(high[1], low[1])), inside


def radius_of(layer: Labels) -> np.ndarray:
    """The radius of a layer's brush in pixels, along rows and columns."""
    scale = np.abs(np.asarray(layer.scale, float)[-2:])
    return np.asarray((np.floor(layer.brush_size / 2) + 0.5) * scale.min() / scale)


def along(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Places from one to another, half a pixel apart."""
    steps = max(1, int(np.ceil(2 * np.abs(end - start).max())))
    return np.asarray(start + np.linspace(0, 1, steps + 1)[:, None] * (end - start))
