"""The ruler in the hand: two places give a length, three an angle; nothing of the mask changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer

from napari_dim.errors import InputError
from napari_dim.gui.layers.image_layers import layer_source
from napari_dim.gui.logic.measures import nearest, words
from napari_dim.gui.session import Session
from napari_dim.gui.state.rulers import Point, Rulers
from napari_dim.gui.tools.tool_in_hand import MouseTool, put_down

NEAR = 8.0
"""Pixels of the screen from a line within which the right button is meant for it."""
SLIP = 4.0
"""Pixels of the screen that a click may wander without being a drag."""
ASLEEP = "pan_zoom"
"""napari's mode of a labels layer meanwhile."""


class RulerTool(MouseTool):
    """Measures the scan under the mouse.

    Parameters
    ----------
    session
        The session of the viewer.
    angle
        Whether three places make an angle, or two a length.
    """

    def __init__(self, session: Session, *, angle: bool = False) -> None:
        super().__init__(session)
        self.angle = angle
        self._points: list[Point] = []
        self._armed: Layer | None = None
        self._before = ""

    @property
    def tip(self) -> str:
        """What it does, for people."""
        if self.angle:
            return "Angle: click three places; the right button removes one. Shift-R lays it down"
        return "Ruler: click two places, or drag; the right button removes one. Shift-R: angle"

    @property
    def layer(self) -> Layer:
        """The layer whose own tool must not hear the mouse."""
        layer = self._armed
        assert layer is not None
        return layer

    @property
    def _image(self) -> Image:
        image = self.session.image
        if image is None:
            raise InputError("no scan is open")
        return image

    @property
    def _rulers(self) -> Rulers:
        return self.session.rulers_of(self._image)

    def take(self) -> None:
        """It is in the hand from now on."""
        viewer = self.session.viewer
        viewer.layers.selection.events.active.connect(self._on_active)
        self.session.case_changed.connect(self._on_case)
        self._arm()

    def lay_down(self) -> None:
        """It is in the hand no longer."""
        viewer = self.session.viewer
        viewer.layers.selection.events.active.disconnect(self._on_active)
        with suppress(KeyError, ValueError, RuntimeError):
            self.session.case_changed.disconnect(self._on_case)
        self.give_up()
        self._disarm()

    def ready(self) -> bool:
        """Whether a press of the mouse is for it."""
        image = self.session.image
        return self._armed is not None and image is not None and image in self.session.viewer.layers

    @property
    def begun(self) -> bool:
        """Whether one is half drawn."""
        return bool(self._points)

    def keys(self) -> Mapping[str, Callable[[], None]]:
        """Keys that take a place of the one that is half drawn back, or give it up."""
        return {"Backspace": self.take_back, "Escape": self.give_up}

    def take_back(self) -> None:
        """Take back the last place of the one that is half drawn."""
        if self._points:
            self._points.pop()
            self._rulers.draw(self._points)

    def give_up(self) -> None:
        """Forget the places of one that is not done."""
        self._points = []
        if self.session.image is not None:
            self._rulers.draw(())

    def stroke(self, event: Any, *, wanted: bool) -> Iterator[None]:
        """Follow the mouse from a press to its release, as napari's callbacks do."""
        if not wanted:
            self._remove(event)
            return
        begun = np.array(event.pos, float)
        self._take_place(self._place(event))
        yield
        dragged = False
        while event.type == "mouse_move":
            dragged |= bool(np.abs(np.array(event.pos, float) - begun).max() > SLIP)
            if self._points:
                self._rulers.draw([*self._points, self._place(event)])
            yield
        if dragged and self._points:
            self._take_place(self._place(event))

    def hover(self, event: Any) -> None:
        """Show the line to the mouse between two clicks."""
        if self._points:
            self._rulers.draw([*self._points, self._place(event)])

    def _take_place(self, here: Point) -> None:
        self._points.append(here)
        rulers = self._rulers
        if len(self._points) < (3 if self.angle else 2):
            rulers.draw(self._points)
            return
        points, self._points = self._points, []
        rulers.add(points)
        why = self.session.autosave.refusal(self._image)
        text = words(points, layer_source(self._image).grid)
        self.session.say(f"{text}; it is not kept: {why}" if why else text)

    def _place(self, event: Any) -> Point:
        """Where the mouse is in the scan, in voxels; on the slice that is shown."""
        image = self._image
        at = np.asarray(image.world_to_data(event.position), float)[-image.ndim :]
        first = self.session.viewer.dims.ndim - image.ndim
        for axis in range(image.ndim):
            if first + axis not in event.dims_displayed:
                at[axis] = round(float(at[axis]))
        full = [0.0] * (3 - image.ndim) + [float(one) for one in at]
        return full[0], full[1], full[2]

    def _remove(self, event: Any) -> None:
        """Give up the one that is drawn, or else remove the one under the mouse."""
        rulers = self._rulers
        if self._points:
            self.give_up()
            return
        image, viewer = self._image, self.session.viewer
        here = self._place(event)
        shown = [axis - viewer.dims.ndim for axis in event.dims_displayed]
        hidden = [axis for axis in range(-image.ndim, 0) if axis not in shown]

        def seen(point: Point) -> np.ndarray:
            world = np.asarray(image.data_to_world(point[-image.ndim :]), float)
            return world[shown] * float(viewer.camera.zoom)

        in_sight = [
            number
            for number, points in enumerate(rulers.done)
            if all(abs(point[axis] - here[axis]) < 0.5 for point in points for axis in hidden)
        ]
        lines = [[seen(point) for point in rulers.done[number]] for number in in_sight]
        found = nearest(lines, seen(here), NEAR)
        if found is None:
            raise InputError("there is no ruler here", hint="Press the right button on its line")
        number = in_sight[found]
        what = "ruler" if len(rulers.done[number]) == 2 else "angle"
        rulers.remove([number])
        self.session.say(f"Removed the {what}; Ctrl-Z brings it back")

    def _arm(self) -> None:
        """The layer that napari would give the mouse to neither moves the scan nor paints."""
        layer = self._armed = self.session.viewer.layers.selection.active or self._image
        self._before = str(layer.mode)
        if isinstance(layer, Labels):
            layer.mode = ASLEEP
        layer.mouse_pan = False
        layer.cursor = "crosshair"
        layer.events.mode.connect(self._on_mode)
        self.hold_keys(layer)

    def _disarm(self) -> None:
        layer, self._armed = self._armed, None
        if layer is None:
            return
        layer.events.mode.disconnect(self._on_mode)
        self.free_keys(layer)
        if str(layer.mode) == ASLEEP:
            layer.mouse_pan = True
            layer.cursor = "standard"
            if self._before != ASLEEP:
                layer.mode = self._before

    def _on_mode(self, event: Any = None) -> None:
        """A person took another tool."""
        put_down(self.session)

    def _on_active(self, event: Any = None) -> None:
        self._disarm()
        self._arm()

    def _on_case(self) -> None:
        put_down(self.session)


def take_ruler(session: Session, *, angle: bool | None = None) -> str:
    """Take the ruler into the hand; once more it measures angles, and then it is laid down.

    Parameters
    ----------
    session
        The session of the viewer.
    angle
        Which of both; the same one once more lays it down. By default they take turns.

    Raises
    ------
    InputError
        If there is nothing to measure in.
    """
    held = session.tool if isinstance(session.tool, RulerTool) else None
    if session.image is None:
        raise InputError("no scan is open")
    if session.viewer.dims.ndisplay != 2:
        raise InputError("measure in slices, not in 3D", hint="Press 3D to go back")
    wanted = held is not None if angle is None else angle
    put_down(session)
    if held is not None and (held.angle if angle is None else held.angle == angle):
        return "The ruler is laid down; what was measured stays"
    tool = RulerTool(session, angle=wanted)
    tool.take()
    session.tool = tool
    session.tool_changed.emit()
    return tool.tip
