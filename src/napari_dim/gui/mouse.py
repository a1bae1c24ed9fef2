"""What the mouse does over the canvas beside the tool in the hand, as radiologists know it.

The wheel goes through the slices, Ctrl-wheel zooms, Shift-wheel sizes the brush, the right
button erases, Ctrl-drag changes window and level. A preference leaves wheel and right button
to napari.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import Qt

from napari_dim.errors import InputError
from napari_dim.gui.commands.contrast_commands import shown_image
from napari_dim.gui.keys import told
from napari_dim.gui.layers.image_layers import in_mm
from napari_dim.gui.layers.napari_compat import (
    canvas_of,
    deafen,
    give_wheel_back,
    hear_moves,
    scroll_dims,
    take_wheel,
)
from napari_dim.gui.logic.contrast_windows import dragged, limits_words
from napari_dim.gui.preferences import preferences
from napari_dim.gui.session import Session
from napari_dim.gui.tools.tool_in_hand import MouseTool, put_down
from napari_dim.gui.widgets.quick_dabs import QuickDabs
from napari_dim.gui.widgets.whole_drags import WholeDrags
from napari_dim.words import figure

GESTURES = (
    ("wheel", "Go through the slices"),
    ("Ctrl-wheel", "Zoom, about the place under the mouse"),
    ("Shift-wheel", "Larger or smaller brush; its size is told"),
    ("right button", "Erase with the brush, while it paints"),
    ("left and right button", "The tools below the states: what is of the class, and what is not"),
    ("Shift-drag", "Scribble: a box around the structure; Box, Ellipse: a stroke"),
    ("Shift-click", "Threshold: pick the range to keep to; Live wire: go straight"),
    ("double click", "Live wire: close the outline"),
    ("Ctrl-drag", "Window and level: right is wider, up is brighter"),
    ("Space-drag", "Move the scan, whatever tool is in the hand"),
    ("middle button, Ctrl-Shift-click", "Linked views: move the crosshair"),
)
"""What the mouse does, for whom it is written down."""
ZOOM = 1.23
"""Times nearer by one notch of the wheel, as napari's own."""
BRUSH = 1.15
"""Times larger by one notch."""
DABBING = ("paint", "erase", "fill", "pick")
"""napari's tools that a double click means nothing to."""
LEFT, RIGHT, MIDDLE = 1, 2, 3
"""The buttons as napari numbers them."""


def bind(session: Session) -> None:
    """Hear the mouse over the canvas of a session's viewer, once, however often it is asked."""
    if session not in _HEARD:
        _HEARD[session] = Mouse(session)
        _HEARD[session].bind()


def unbind(session: Session) -> None:
    """Leave the mouse to napari again."""
    heard = _HEARD.pop(session, None)
    if heard is not None:
        heard.unbind()


class Mouse:
    """Hears the mouse over the canvas of a viewer.

    Parameters
    ----------
    session
        The session of the viewer; not kept alive.
    """

    def __init__(self, session: Session) -> None:
        self._known = weakref.ref(session)
        self._scrolled = 0.0
        self._labels: Labels | None = None
        self._told = 0
        self._filters: tuple[QuickDabs | WholeDrags, ...] = ()

    def bind(self) -> None:
        """Begin to hear."""
        viewer = self._session.viewer
        take_wheel(viewer, self._on_wheel)
        viewer.mouse_drag_callbacks.insert(0, self._on_press)
        viewer.mouse_move_callbacks.append(self._on_move)
        viewer.mouse_double_click_callbacks.append(self._on_double_click)
        if getattr(viewer, "window", None) is not None:
            canvas = canvas_of(viewer)
            self._filters = QuickDabs(canvas, self._dabs), WholeDrags(canvas, self._hear)
        self._session.case_changed.connect(self._watch_brush)
        self._watch_brush()

    def _hear(self) -> None:
        hear_moves(self._session.viewer)

    def unbind(self) -> None:
        """Leave all to napari again."""
        viewer = self._session.viewer
        give_wheel_back(viewer, self._on_wheel)
        for callbacks, ours in (
            (viewer.mouse_drag_callbacks, self._on_press),
            (viewer.mouse_move_callbacks, self._on_move),
            (viewer.mouse_double_click_callbacks, self._on_double_click),
        ):
            with suppress(ValueError):
                callbacks.remove(ours)
        for heard in self._filters:
            with suppress(RuntimeError):  # the window went first
                heard.end()
        put_down(self._session)
        self._session.case_changed.disconnect(self._watch_brush)
        self._let_brush_go()

    @property
    def _session(self) -> Session:
        session = self._known()
        if session is None:
            raise RuntimeError("the session is gone")
        return session

    def _on_wheel(self, viewer: Any, event: Any) -> None:
        held = _held(event)
        # Some systems turn the wheel sideways while a key is held.
        turned = float(np.sum(event.delta)) * (-1 if event.native.inverted() else 1)
        if viewer.dims.ndisplay != 2 or not preferences().mouse:
            scroll_dims(viewer, event)
        elif event.native.buttons() != Qt.MouseButton.NoButton:
            event.handled = True  # a stroke stays in its slice
        elif not held:
            event.handled = self._scroll(viewer, turned)
        elif held == {"Control"}:
            _zoom(viewer, event, ZOOM**turned)
            event.handled = True
        elif held == {"Shift"}:
            if self._session.labels is not None:
                size_brush(self._session.labels, turned)
            event.handled = True

    def _scroll(self, viewer: Any, turned: float) -> bool:
        """Go through the slices; False for a single picture, which is zoomed."""
        dims = viewer.dims
        hidden = [axis for axis in dims.not_displayed if dims.nsteps[axis] > 1]
        if not hidden:
            return False
        axis = dims.last_used if dims.last_used in hidden else hidden[-1]
        self._scrolled -= float(np.clip(turned, -1, 1))
        steps = int(self._scrolled)
        if steps:
            self._scrolled -= steps
            last = dims.nsteps[axis] - 1
            dims.set_current_step(axis, int(np.clip(dims.current_step[axis] + steps, 0, last)))
        return True

    def _on_press(self, viewer: Any, event: Any) -> Iterator[None]:
        held = _held(event)
        if viewer.dims.ndisplay != 2:
            return
        tool = self._tool_for(event)
        if tool is not None:
            yield from self._use(tool, event)
        elif self._session.crosshair is not None and (
            (event.button == MIDDLE and not held)
            or (event.button == LEFT and held == {"Control", "Shift"})
        ):
            yield from self._aim(viewer, event)
        elif event.button == LEFT and held == {"Control"}:
            yield from self._window(viewer, event)
        elif event.button == RIGHT and not held and preferences().mouse:
            yield from self._erase(viewer, event)

    def _on_move(self, viewer: Any, event: Any) -> None:
        tool = self._session.tool
        if tool is not None and tool.ready() and viewer.dims.ndisplay == 2:
            with suppress(InputError):  # a press there says why
                tool.hover(event)

    def _on_double_click(self, viewer: Any, event: Any) -> None:
        tool = self._tool_for(event)
        if tool is not None:
            with told(self._session):
                tool.double_click(event, wanted=event.button == LEFT)

    def _dabs(self) -> bool:
        """Whether each press counts by itself: a brush, or a tool that knows no double click."""
        session = self._known()
        if session is None:
            return False
        if session.tool is not None and session.tool.ready():
            return not session.tool.double_clicks
        layer = session.viewer.layers.selection.active
        return isinstance(layer, Labels) and str(layer.mode) in DABBING

    def _tool_for(self, event: Any) -> MouseTool | None:
        """The tool in the hand, if a press is for it."""
        session = self._session
        tool: MouseTool | None = session.tool
        drawn = event.button in (LEFT, RIGHT) and _held(event) <= {"Shift"}
        seen = session.viewer.dims.ndisplay == 2
        return tool if tool is not None and seen and drawn and tool.ready() else None

    def _use(self, tool: MouseTool, event: Any) -> Iterator[None]:
        """A gesture of the tool in the hand, in place of napari's own."""
        hear = deafen(tool.layer)
        event.handled = True
        try:
            with told(self._session):
                tool.drawing = True
                for _ in tool.stroke(event, wanted=event.button == LEFT):
                    event.handled = True
                    yield
                    if not tool.drawing:
                        break
            yield from _rest_of(event)
        finally:
            tool.drawing = False
            hear()

    def _window(self, viewer: Any, event: Any) -> Iterator[None]:
        """Change window and level for as long as the button is down."""
        layer = viewer.layers.selection.active
        hear = None if layer is None else deafen(layer)
        event.handled = True
        try:
            with told(self._session):
                image = shown_image(self._session)
                low, high = (float(value) for value in image.contrast_limits)
                begun = np.array(event.pos, float)
                yield
                while event.type == "mouse_move":
                    right, down = np.array(event.pos, float) - begun
                    image.contrast_limits = dragged((low, high), right, -down)
                    viewer.status = limits_words(image.contrast_limits)
                    event.handled = True
                    yield
                self._session.say(f"Window: {limits_words(image.contrast_limits)}")
            yield from _rest_of(event)
        finally:
            if hear is not None:
                hear()

    def _aim(self, viewer: Any, event: Any) -> Iterator[None]:
        """The crosshair of the linked views follows the mouse while the button is down."""
        layer, image = viewer.layers.selection.active, self._session.image
        hear = None if layer is None else deafen(layer)
        try:
            while event.type in ("mouse_press", "mouse_move"):
                event.handled = True
                crosshair = self._session.crosshair
                if crosshair is not None and image is not None and image.ndim == 3:
                    crosshair.go(*image.world_to_data(event.position)[-3:])
                yield
        finally:
            if hear is not None:
                hear()

    def _erase(self, viewer: Any, event: Any) -> Iterator[None]:
        """The brush erases for as long as the right button is down."""
        layer = viewer.layers.selection.active
        if not isinstance(layer, Labels) or str(layer.mode) != "paint":
            return
        layer.mode = "erase"
        yield
        while event.type == "mouse_move":
            yield
        if str(layer.mode) == "erase":
            layer.mode = "paint"

    def _watch_brush(self) -> None:
        self._let_brush_go()
        self._labels = self._session.labels
        if self._labels is not None:
            self._told = self._labels.brush_size
            self._labels.events.brush_size.connect(self._say_brush)

    def _let_brush_go(self) -> None:
        if self._labels is not None:
            self._labels.events.brush_size.disconnect(self._say_brush)
        self._labels = None

    def _say_brush(self, event: Any = None) -> None:
        layer = self._labels
        if layer is not None and layer.brush_size != self._told:  # it comes for the ring, too
            self._told = layer.brush_size
            self._session.say(brush_words(layer))


def size_brush(layer: Labels, turned: float) -> None:
    """Make the brush larger or smaller by so many notches of the wheel."""
    if turned:
        size = int(layer.brush_size)
        wanted = round(size * BRUSH**turned)
        layer.brush_size = max(1, wanted if wanted != size else size + (1 if turned > 0 else -1))


def brush_words(layer: Labels) -> str:
    """How wide the brush is, for people, in pixels and, where they have a size, in mm."""
    wide = in_mm(layer, float(layer.cursor_size))
    pixels = f"Brush: {int(layer.brush_size)} px"
    return pixels if wide is None else f"{pixels}, {figure(wide)} mm"


def _held(event: Any) -> set[str]:
    """The names of the keys that are held."""
    return {str(getattr(key, "name", key)) for key in event.modifiers}


def _rest_of(event: Any) -> Iterator[None]:
    """What is left of a gesture that was refused at its press: the layer must not hear it yet."""
    while event.type in ("mouse_press", "mouse_move"):
        event.handled = True
        yield


def _zoom(viewer: Any, event: Any, times: float) -> None:
    """Come nearer; what is under the mouse stays there."""
    camera = viewer.camera
    here = np.asarray(event.position, float)[list(viewer.dims.displayed)]
    middle = np.array(camera.center, float)
    middle[-2:] = here + (middle[-2:] - here) / times
    camera.zoom *= times
    camera.center = tuple(middle)


_HEARD: weakref.WeakKeyDictionary[Session, Mouse] = weakref.WeakKeyDictionary()
