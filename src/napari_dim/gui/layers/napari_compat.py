"""Every use of a name that napari keeps to itself, with the versions it holds for.

All of them were read in napari 0.6.6, 0.7.0, 0.8.0 and 0.9.2. Where a name is gone, each
function does without: what was changed is then found by looking at all slices.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
from napari.layers import Labels, Layer
from napari.utils.notifications import show_warning
from qtpy.QtWidgets import QMainWindow, QWidget
from vispy.color import Color
from vispy.visuals.polygon import PolygonVisual


@contextmanager
def patched(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Give an attribute another value for a while."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def lead_undo(layer: Labels, undo: Callable[[], object], redo: Callable[[], object]) -> None:
    """Let a layer undo and redo in another way, whoever asks it to.

    napari's keys (`napari/layers/labels/_labels_key_bindings.py`, 0.6.6 to 0.9.2), buttons
    and other plugins all call `layer.undo()` and `layer.redo()`.
    """
    layer.undo, layer.redo = undo, redo


def keep_outlines_in_slice(layer: Labels) -> None:
    """Let napari's polygon fill the slice that is shown, whatever the spacing of slices.

    It cuts off what stands behind the point (`paint_polygon`, 0.6.6 to 0.9.2): slice 3 of 0.7 mm
    each is found at 2.9999, and the outline filled slice 2. Places across the slice are rounded.
    """
    known = weakref.ref(layer)

    def paint_polygon(points: Any, new_label: int) -> None:
        layer = known()
        if layer is None:
            return
        places = np.array(points, dtype=float)
        across = [axis for axis in range(layer.ndim) if axis not in layer._slice_input.displayed]
        places[:, across] = np.round(places[:, across])
        type(layer).paint_polygon(layer, places, new_label)

    layer.paint_polygon = paint_polygon


def stroke_goes_on(layer: Labels) -> bool:
    """Whether the mouse is down in the middle of a stroke (`_block_history`, 0.6.6 to 0.9.2)."""
    return bool(getattr(layer, "_block_history", False))


def forget_undo(layer: Labels) -> None:
    """Empty napari's own history of a layer that is undone in another way (0.6.6 to 0.9.2)."""
    for name in ("_undo_history", "_redo_history"):
        history = getattr(layer, name, None)
        if history is not None:
            history.clear()


def was_changed(layer: Labels) -> bool:
    """Whether anything was done to a layer since it was made (`_undo_history`)."""
    return bool(getattr(layer, "_undo_history", ()))


def redo_length(layer: Labels) -> int:
    """How many steps can be redone, as napari counts them; -1 where that is not known."""
    history = getattr(layer, "_redo_history", None)
    return -1 if history is None or not hasattr(layer, "_undo_history") else len(history)


def last_steps(layer: Labels, undone: int) -> Iterable[Any]:
    """The steps that napari undid last, or (`undone` below 0) did again."""
    history = layer._redo_history if undone > 0 else layer._undo_history
    return list(history)[-abs(undone) :]


def corners(layer: Labels) -> int:
    """Corners of the polygon that napari's tool has half drawn (`_overlays`, 0.6.6 to 0.9.2)."""
    overlay = getattr(layer, "_overlays", {}).get("polygon")
    if overlay is None or str(layer.mode) != "polygon":
        return 0
    return max(0, len(overlay.points) - 1)  # the last one follows the mouse


def take_corner_back(layer: Labels) -> None:
    """Take back the last of the `corners`, as a press of the right button does."""
    overlay = layer._overlays["polygon"]
    points = list(overlay.points)
    overlay.points = [*points[:-2], points[-1]] if len(points) > 2 else []


def allow_flat_outlines() -> None:
    """Let an outline whose corners lie in one line be drawn: as its line alone.

    vispy fails to fill some of them (`PolygonVisual._update`, vispy 0.14 to 0.17), as napari's
    polygon has them after a few clicks straight down: the click was lost with an error, and
    so was every later change of the colour.
    """
    if getattr(PolygonVisual._update, "is_ours", False):
        return
    fill = PolygonVisual._update

    def update(polygon: Any) -> None:
        try:
            fill(polygon)
        except (IndexError, ValueError, RuntimeError):
            polygon.mesh.set_data(faces=np.empty((0, 3), np.uint32))
            colour, polygon._color = polygon._color, Color("transparent")
            try:
                fill(polygon)
            finally:
                polygon._color = colour

    update.is_ours = True  # type: ignore[attr-defined]
    PolygonVisual._update = update


def painted_slices(atoms: Iterable[Any], count: int, ndim: int = 3) -> set[int]:
    """The slices that a `paint` event of a labels layer is about.

    Its value is a list of steps: ``(indices, old, new)`` up to 0.7, from 0.8 on also objects
    with a `slice_key`.
    """
    if ndim < 3:
        return {0}
    numbers: set[int] = set()
    for atom in atoms:
        key = atom[0] if isinstance(atom, tuple) else atom.slice_key
        along = key[0]
        if isinstance(along, slice):
            numbers |= set(range(*along.indices(count)))
        else:
            numbers |= {int(n) for n in np.unique(along)}
    return {number for number in numbers if 0 <= number < count}


def scroll_dims(viewer: Any, event: Any) -> None:
    """What napari does when the wheel is turned: Ctrl moves the sliders (0.6.6 to 0.9.2)."""
    from napari.components._viewer_mouse_bindings import dims_scroll

    dims_scroll(viewer, event)


def take_wheel(viewer: Any, callback: Callable[[Any, Any], None]) -> None:
    """Let a function do what the wheel does, in place of `scroll_dims`."""
    from napari.components._viewer_mouse_bindings import dims_scroll

    callbacks = viewer.mouse_wheel_callbacks
    if dims_scroll in callbacks:
        callbacks[callbacks.index(dims_scroll)] = callback


def give_wheel_back(viewer: Any, callback: Callable[[Any, Any], None]) -> None:
    """Undo `take_wheel`."""
    from napari.components._viewer_mouse_bindings import dims_scroll

    callbacks = viewer.mouse_wheel_callbacks
    if callback in callbacks:
        callbacks[callbacks.index(callback)] = dims_scroll


def deafen(layer: Layer) -> Callable[[], None]:
    """Keep a layer's own tool from hearing a press of the mouse.

    Who takes another tool or a layer meanwhile finds napari's callbacks where they were: its
    overlays remove their own as they go (`_vispy/overlays/labels_polygon.py` of 0.6.6).

    Parameters
    ----------
    layer
        The layer; the press has not reached it yet.

    Returns
    -------
    callable
        Lets it hear again; a tool that was taken meanwhile is the one that hears.
    """
    layer.mouse_drag_callbacks = _Unheard(layer.mouse_drag_callbacks)

    def hear() -> None:
        layer.mouse_drag_callbacks = layer.mouse_drag_callbacks[:]

    return hear


class _Unheard(list[Any]):
    """Callbacks that can be added and removed, and are not found by who goes through them."""

    def __iter__(self) -> Iterator[Any]:
        return iter(())


def main_window(viewer: Any) -> QMainWindow:
    """The window of a viewer (`_qt_window`, 0.6.6 to 0.9.2)."""
    window: QMainWindow = viewer.window._qt_window
    return window


def canvas_of(viewer: Any) -> QWidget:
    """The widget that napari draws on and that its keys are for (`_qt_viewer`, 0.6.6 to 0.9.2)."""
    canvas: QWidget = viewer.window._qt_viewer.canvas.native
    return canvas


def hear_moves(viewer: Any) -> None:
    """Let the move of the mouse that waits be heard now, and the next one whenever it comes.

    Within 10 ms of the last one vispy leaves moves out (`_last_time`), and within 5 ms napari
    hears them later (`VispyCanvas`; 0.6.6 to 0.9.2): where a busy window gets several at once,
    after the button was let go, or never.
    """
    canvas = viewer.window._qt_viewer.canvas
    for callback in canvas._scene_canvas.events.mouse_move.callbacks:
        flush = getattr(callback, "flush", None)
        if flush is not None:
            flush()
    canvas.native._last_time = 0.0


def clear_in_own_context(viewer: Any) -> None:
    """Let what was drawn of a layer go in the canvas' own OpenGL context.

    As a layer is removed napari carries out what waits for the graphics card
    (`VispyCanvas._remove_layer`, 0.6.6) in whatever context is current, as that in which Qt
    puts the window together. The next picture then ended the process in `glDrawArrays`.
    Without a window there is nothing to do.
    """
    if getattr(viewer, "window", None) is None:
        return
    canvas = weakref.ref(canvas_of(viewer))

    def enter(event: Any) -> None:
        native = canvas()
        with suppress(RuntimeError):  # the window went first
            if native is not None:
                native.makeCurrent()

    viewer.layers.events.removing.connect(enter)


def warn_of_units_once(viewer: Any) -> None:
    """Let napari say once that scans in mm and pictures in pixels are open, not at each layer.

    It says so whenever a layer comes or goes (`VispyCanvas._update_world_units`, 0.7 to 0.9.2),
    our own of strokes included; scans are shown one at a time, and each is in its own units.
    """
    if getattr(viewer, "window", None) is None:
        return
    canvas = viewer.window._qt_viewer.canvas
    module = sys.modules[type(canvas).__module__]
    update = getattr(canvas, "_update_world_units", None)
    ours = "_update_world_units" in vars(canvas)
    if ours or update is None or not hasattr(module, "show_warning"):
        return
    told = False

    def update_once() -> None:
        nonlocal told
        heard: list[str] = []
        with patched(module, "show_warning", heard.append):
            update()
        if heard and not told:
            show_warning(heard[0])
        told = bool(heard)

    canvas._update_world_units = update_once


def seen_on_canvas(viewer: Any, world: np.ndarray) -> np.ndarray:
    """Where on the canvas a place in the world is seen in 2D, ``(down, right)`` in its pixels.

    The camera can look with an axis turned round (`orientation2d`, 0.6 to 0.9.2).
    """
    shown = list(viewer.dims.displayed)
    away = np.asarray(world, float)[shown] - np.asarray(viewer.camera.center, float)[-2:]
    canvas = canvas_of(viewer)
    half = np.array([canvas.height(), canvas.width()]) / 2
    return np.asarray(away * viewer.camera.zoom * canvas_directions(viewer) + half)


def canvas_directions(viewer: Any) -> np.ndarray:
    """1 where the world's axes grow downwards and to the right on the canvas, else -1."""
    down, right = getattr(viewer.camera, "orientation2d", ("down", "right"))
    return np.array([1 if str(down) == "down" else -1, 1 if str(right) == "right" else -1])


def whole_zoom(viewer: Any, layer: Layer) -> float:
    """The zoom at which all of a layer's slice is just seen."""
    low, high = (np.asarray(corner)[-2:] for corner in layer.extent.world)
    canvas = canvas_of(viewer)
    room = np.array([canvas.height(), canvas.width()]) / np.maximum(high - low, 1e-9)
    return 0.95 * float(room.min())


def fit_camera(viewer: Any, layer: Layer) -> None:
    """Show all of a layer's slice, in the middle; napari's own reset fits all layers, hidden ones.

    Does nothing in 3D.
    """
    if viewer.dims.ndisplay != 2:
        return
    low, high = (np.asarray(corner)[-2:] for corner in layer.extent.world)
    middle = np.array(viewer.camera.center, float)
    middle[-2:] = (low + high) / 2
    viewer.camera.center = tuple(middle)
    viewer.camera.zoom = whole_zoom(viewer, layer)
