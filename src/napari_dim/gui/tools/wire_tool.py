"""Live wire: an outline that follows the edges from click to click."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from napari_dim.editing.live_wire import edge_costs, enclosed, straight, way
from napari_dim.errors import InputError
from napari_dim.gui.layers.image_layers import layer_source
from napari_dim.gui.layers.stroke_layer import LINE, UNWANTED
from napari_dim.gui.session import Session
from napari_dim.gui.tools.brush import swept
from napari_dim.gui.tools.tool_in_hand import HandTool
from napari_dim.words import count as counted

NEAR = 8.0
"""Pixels of the screen from the start at which a click closes the outline."""
KNOT = 3.0
"""Radius of what marks a point, in pixels of the screen."""
LEAST = 3
"""Points of an outline."""


class LiveWire(HandTool):
    """A click fixes a point, and the way from there to the mouse follows the edges."""

    name = "Live wire"
    tip = (
        "Live wire: click along the border, the line follows the edge to the mouse (Shift: goes "
        "straight). A double click, Enter or a click on the start closes it; Ctrl-Z or Backspace "
        "takes the last point back, Esc gives it up. Closed by the right button, it erases"
    )
    cursor = "cross"
    double_clicks = True

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._number = -1
        self._points: list[np.ndarray] = []
        self._ways: list[np.ndarray] = []
        self._costs: tuple[object, np.ndarray] | None = None
        self._pixel = np.ones(2)

    def keys(self) -> Mapping[str, Callable[[], None]]:
        """Keys that close the outline, take a point of it back, or give it up."""
        return {"Enter": self.close, "Backspace": self.take_back, "Escape": self.give_up}

    @property
    def begun(self) -> bool:
        """Whether an outline is open."""
        return bool(self._points)

    def lay_down(self) -> None:
        """It is in the hand no longer; an outline that was not closed is given up."""
        if self._points:
            self.session.say("The outline that was not closed is given up")
            self._points, self._ways = [], []
        super().lay_down()

    def stroke(self, event: Any, *, wanted: bool) -> Iterator[None]:
        """Fix a point at the press; a click on the start closes the outline."""
        pixel = self._pixel_under(event)
        if len(self._points) >= LEAST and self._at_start(pixel):
            self.close(wanted=wanted, back=self._way_to(self._points[0], event))
            return
        self._add(pixel, event)
        yield
        dragged = False
        while event.type == "mouse_move":
            self.hover(event)
            dragged = dragged or not self._close_by(self._pixel_under(event), pixel)
            yield
        if dragged:  # the button was held on the way to the next point
            self._add(self._pixel_under(event), event)

    def hover(self, event: Any) -> None:
        """Show the way to the mouse."""
        if self._points:
            self._show([*self._ways, self._way_to(self._pixel_under(event), event)])

    def double_click(self, event: Any, *, wanted: bool) -> None:
        """Close the outline; the first press of the two fixed its last point."""
        self.close(wanted=wanted)

    def close(self, *, wanted: bool = True, back: np.ndarray | None = None) -> None:
        """Give the class in the hand what the outline encloses, or take it away there.

        Parameters
        ----------
        wanted
            Whether it is given.
        back
            The way back to the start, ``(pixel, 2)``; by default along the edges.
        """
        if not self._points:
            return
        if len(self._points) < LEAST:
            missing = counted(LEAST - len(self._points), "more point")
            self.session.say(f"An outline takes {missing}; Esc gives it up")
            return
        if back is None:
            back = self._way(self._points[-1], self._points[0])
        outline = np.concatenate([*self._ways, back])
        number = self._number
        self._begin_anew()
        self.set(number, enclosed(self.layer.data.shape[-2:], outline), wanted)
        self.session.say("The outline is closed; Ctrl-Z takes back what it did")

    def take_back(self) -> None:
        """Take the last point of the outline back."""
        if self._points:
            self._points.pop()
            del self._ways[-1:]
            self._show(self._ways)

    def give_up(self) -> None:
        """Give up the outline."""
        if self._points:
            self._begin_anew()
            self.session.say("The outline is given up")

    def _begin_anew(self) -> None:
        self._points, self._ways = [], []
        self.clear()

    def _add(self, pixel: np.ndarray, event: Any) -> None:
        if self._points and np.array_equal(pixel, self._points[-1]):
            return  # the second press of a double click
        if self._points:
            self._ways.append(self._way_to(pixel, event))
        self._points.append(pixel)
        self._show(self._ways)

    def _pixel_under(self, event: Any) -> np.ndarray:
        """The pixel of the slice that is nearest to the mouse.

        Raises
        ------
        InputError
            If an outline is open in another slice.
        """
        number, at = self.place(event)
        if self._points and number != self._number:
            raise InputError(
                f"an outline is begun in slice {self._number}",
                hint="Close it there, or press Esc to give it up",
            )
        self._number = number
        across = np.abs(np.asarray(self.layer.scale, float)[-2:])
        self._pixel = 1 / (self.session.viewer.camera.zoom * across)
        last = np.array(self.layer.data.shape[-2:]) - 1
        return np.clip(np.round(at), 0, last).astype(int)

    def _way_to(self, pixel: np.ndarray, event: Any) -> np.ndarray:
        if "Shift" in event.modifiers:
            return straight(self._points[-1], pixel)
        return self._way(self._points[-1], pixel)

    def _way(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        image = self.session.image
        assert image is not None
        spacing = layer_source(image).grid.spacing[1:]
        of = (image, self._number)
        if self._costs is None or self._costs[0] != of:
            self._costs = (of, edge_costs(self.values(self._number), spacing))
        return way(self._costs[1], start, end, spacing)

    def _at_start(self, pixel: np.ndarray) -> bool:
        return self._close_by(pixel, self._points[0])

    def _close_by(self, one: np.ndarray, other: np.ndarray) -> bool:
        """Whether two pixels are one for a hand, on the screen."""
        return bool(np.hypot(*((one - other) / self._pixel)) <= NEAR)

    def _show(self, ways: list[np.ndarray]) -> None:
        """Show ways and points; the start has a colour of its own."""
        shape = self.layer.data.shape[-2:]
        line = np.zeros(shape, bool)
        for one in ways:
            line[tuple(one.T)] = True
        radius = np.maximum(KNOT * self._pixel, 0.5)
        for point in self._points:
            line |= swept(shape, point, point, radius)
        marks = [(line, LINE)]
        if self._points:
            marks.append((swept(shape, self._points[0], self._points[0], radius), UNWANTED))
        self.show(self._number, marks)
