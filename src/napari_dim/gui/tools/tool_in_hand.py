"""The tool in the hand, of those that napari has not: taking it, and laying it down.

While one is in the hand, the mask's layer is in napari's picking mode, whose own doing is
kept silent: the ring of the brush is shown, keys and Space do what they do with any tool, and
whatever tool of napari's is taken lays ours down.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from napari.layers import Labels, Layer

from napari_dim.editing.kept_classes import free
from napari_dim.errors import InputError
from napari_dim.gui.layers.image_layers import add_layer, current_slice, slice_values
from napari_dim.gui.layers.stroke_layer import stroke_layer
from napari_dim.gui.session import Session
from napari_dim.gui.tools.brush import radius_of, swept

SPOT = 2.5
"""Pixels around a press that a range is picked from."""
MODE = "pick"
"""napari's mode meanwhile."""
ASLEEP = "pan_zoom"
"""napari's mode while Space is held; the tool stays in the hand."""


class MouseTool(ABC):
    """What has the mouse over the canvas while it is in the hand.

    Parameters
    ----------
    session
        The session of the viewer.
    """

    double_clicks = False
    """Whether it knows a double click; else its second press is one like the first."""
    drawing = False
    """Whether a gesture goes on that is to do something."""

    def __init__(self, session: Session) -> None:
        self.session = session

    @property
    @abstractmethod
    def layer(self) -> Layer:
        """The layer whose own tool must not hear the mouse."""

    @abstractmethod
    def lay_down(self) -> None:
        """It is in the hand no longer."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether a press of the mouse is for it."""

    @abstractmethod
    def stroke(self, event: Any, *, wanted: bool) -> Iterator[None]:
        """Follow the mouse from a press to its release, as napari's callbacks do.

        Parameters
        ----------
        event
            Of the press; it becomes that of each move and of the release.
        wanted
            Whether it was the left button: the right one takes away.
        """

    @property
    def begun(self) -> bool:
        """Whether something is half drawn that takes further places."""
        return False

    def take_back(self) -> None:  # noqa: B027
        """Take back the last place of what is half drawn."""

    def forget(self) -> str:
        """Forget the last gesture where it made no step of its own; says so, or nothing."""
        return ""

    def keys(self) -> Mapping[str, Callable[[], None]]:
        """Keys that do something else while it is in the hand."""
        return {}

    def hold_keys(self, layer: Layer) -> None:
        """Take its keys, which reach it while a layer is selected."""
        for key, act in self.keys().items():
            layer.bind_key(key, lambda _, act=act: act(), overwrite=True)

    def free_keys(self, layer: Layer) -> None:
        """Give its keys back."""
        for key in self.keys():
            layer.bind_key(key, None)

    def hover(self, event: Any) -> None:  # noqa: B027
        """The mouse moves, and no button is down."""

    def double_click(self, event: Any, *, wanted: bool) -> None:  # noqa: B027
        """A second press at once; the first one was a `stroke`."""


class HandTool(MouseTool):
    """A tool that changes the mask under the mouse.

    Parameters
    ----------
    session
        The session of the viewer.
    """

    name = ""
    """What it is called on its button."""
    tip = ""
    """What it does, for people."""
    cursor = "circle"
    """napari's cursor meanwhile: the ring of the brush, for tools that stroke."""
    at_once = False
    """Whether a drag paints as it goes; else it shows what it will do when the button is let go."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
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
        self._show_cursor()
        self._laid_over(current_slice(self.session.viewer, layer))
        self.hold_keys(layer)
        layer.events.mode.connect(self._on_mode)
        self.session.case_changed.connect(self._on_case)

    def lay_down(self) -> None:
        """It is in the hand no longer."""
        self._take_away()
        layer, self._layer = self._layer, None
        if layer is not None:
            layer.events.mode.disconnect(self._on_mode)
            self.free_keys(layer)
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

    def place(self, event: Any) -> tuple[int, np.ndarray]:
        """The slice under the mouse, and row and column there, in pixels.

        Raises
        ------
        InputError
            If the scan is looked at along another axis than its slices, or beyond its ends.
        """
        if sorted(event.dims_displayed)[0] != self.session.viewer.dims.ndim - 2:
            raise InputError(
                "this tool draws in the scan's own slices", hint="Ctrl-E goes back to them"
            )
        at = np.asarray(self.layer.world_to_data(event.position), float)[-self.layer.ndim :]
        number = round(float(at[0])) if self.layer.ndim == 3 else 0
        if self.layer.ndim == 3 and not 0 <= number < len(self.layer.data):
            raise InputError("this scan has no slice here", hint="Go to one of its slices")
        return number, at[-2:]

    def brushed(self, event: Any) -> Iterator[np.ndarray]:
        """Pixels that the brush goes over from one place to the next, while the button is down."""
        shape, radius = self.layer.data.shape, radius_of(self.layer)
        _, last = self.place(event)
        yield swept(shape, last, last, radius)
        while event.type == "mouse_move":
            _, here = self.place(event)
            yield swept(shape, last, here, radius)
            last = here

    def keys(self) -> Mapping[str, Callable[[], None]]:
        """Keys that do something else while it is in the hand."""
        return {} if self.at_once else {"Escape": self.give_up}

    def give_up(self) -> None:
        """Esc: a drag whose button is still down does nothing."""
        if self.drawing:
            self.drawing = False
            self.clear()
            self.session.say(f"{self.name}: given up")

    def show(
        self, number: int, marks: Sequence[tuple[np.ndarray, int]], *, beside: bool = False
    ) -> None:
        """Show pixels over the mask, in place of what was shown or `beside` it.

        Parameters
        ----------
        number
            The slice.
        marks
            Pixels, ``(row, column)`` bool, and what they are (`stroke_layer`); the last one lies
            on top.
        beside
            Whether what was shown stays.
        """
        shown = self._laid_over(number)
        plane = shown.data[number] if shown.ndim == 3 else shown.data
        wanted = plane.copy() if beside else np.zeros_like(plane)
        for pixels, what in marks:
            wanted[pixels] = what
        at = np.nonzero(wanted != plane)
        if at[0].size:  # napari draws only what changed
            where = (np.full_like(at[0], number), *at) if shown.ndim == 3 else at
            shown.data_setitem(where, wanted[at])

    def clear(self) -> None:
        """Show nothing over the mask."""
        if self._shown is not None and not self._gone:
            self.show(self._shown_of, [])

    def _laid_over(self, number: int) -> Labels:
        """The layer that shows strokes, those of one slice; made beforehand, which takes long."""
        if self._shown is None or self._gone:
            self._shown, self._shown_of = stroke_layer(self.layer), number
            add_layer(self.session.viewer, self._shown)
        elif self._shown_of != number:
            if self._shown.ndim == 3:
                self._shown.data[self._shown_of] = 0
            self._shown_of = number
        return self._shown

    def _take_away(self) -> None:
        """Take the layer that shows strokes away."""
        shown, self._shown = self._shown, None
        if shown is not None and shown in self.session.viewer.layers:
            self.session.viewer.layers.remove(shown)

    @property
    def _gone(self) -> bool:
        """Whether a person has deleted the layer that shows strokes."""
        return self._shown not in self.session.viewer.layers

    def values(self, number: int) -> np.ndarray:
        """The values of a slice of the scan, ``(row, column[, channel])``.

        Raises
        ------
        InputError
            If its scan is not open.
        """
        return slice_values(self.scan(), number)

    def scan(self) -> Layer:
        """The scan of the mask that is drawn in, while another one is gone over to, too.

        Raises
        ------
        InputError
            If it is not open.
        """
        image = self.session.scans.owner_of(self.layer)
        if image is None:
            raise InputError("there is no scan under this mask")
        return image

    def spot(self, at: np.ndarray) -> np.ndarray:
        """The pixels around a place, ``(row, column)`` bool; none of them beside the image."""
        return swept(self.layer.data.shape, at, at, np.full(2, SPOT))

    def set(self, number: int, pixels: np.ndarray, wanted: bool) -> None:
        """Give pixels the class in the hand, or take it from them, as napari's tools do."""
        layer, mask = self.layer, self.session.mask
        assert mask is not None
        class_id = int(layer.selected_label)
        plane = layer.data[number] if layer.ndim == 3 else layer.data
        pixels = pixels & (free(plane, mask.only) if wanted else plane == class_id)
        at = np.nonzero(pixels)
        if at[0].size:
            where = (np.full(at[0].size, number), *at) if layer.ndim == 3 else at
            layer.data_setitem(where, class_id if wanted else 0)

    def _show_cursor(self) -> None:
        layer = self.layer
        layer.cursor = self.cursor
        layer.brush_size = layer.brush_size  # whose setter sizes the ring

    def _on_mode(self, event: Any = None) -> None:
        mode = str(self.layer.mode)
        if mode == MODE:
            self._show_cursor()
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
