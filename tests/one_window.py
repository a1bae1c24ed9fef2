"""One napari window for many tests: opened once in a process, and as new for each of them.

To open and close a window takes longer than most of what is tested in it. A test that closes its
window is marked `own_window`; it has one of its own, as whoever asks for `make_napari_viewer`.
"""

from __future__ import annotations

import copy
import gc
import weakref
from collections import Counter
from collections.abc import Iterator, Mapping
from inspect import signature
from typing import Any

import napari
import numpy as np
import pytest
from app_model import Application
from napari._app_model._app import NapariApplication
from napari._qt._qapp_model.qactions import init_qactions
from napari._qt.dialogs.qt_notification import NapariQtNotification
from napari._qt.qt_viewer import QtViewer
from napari._qt.widgets.qt_viewer_dock_widget import QtCustomTitleBar
from napari.plugins import _initialize_plugins
from napari.settings import get_settings
from napari.utils.events import EmitterGroup, EventedModel
from qtpy.QtCore import QEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QDockWidget, QWidget

from napari_dim.gui.controller import _SESSIONS

MOUSE = ("drag", "move", "wheel", "double_click")


class OneWindow:
    """The window that the tests of one process share.

    Parameters
    ----------
    shown
        Whether it is on the screen.
    """

    def __init__(self, *, shown: bool) -> None:
        self.shown = shown
        self._patch = pytest.MonkeyPatch()
        # As napari's own `make_napari_viewer`: no thread beside the tests, no console.
        self._patch.setattr("napari._qt.threads.status_checker.StatusChecker.start", _nothing)
        self._patch.setattr("napari._qt.qt_viewer.QtViewer._get_console", _no_console)
        # It has actions of its own, as each application of napari's fixture.
        application = NapariApplication("one window")
        self._patch.setattr(NapariApplication, "get_app_model", lambda: application)
        _forget_actions()
        get_settings().reset()
        welcome = "show_welcome_screen"
        takes_it = welcome in signature(napari.Viewer.__init__).parameters
        self.viewer = napari.Viewer(show=shown, **({welcome: False} if takes_it else {}))
        self.window = self.viewer.window._qt_window
        QtViewer._instances.discard(self.viewer.window._qt_viewer)  # else a leak of another test
        if shown:
            assert QTest.qWaitForWindowExposed(self.window, 5000)
        QApplication.processEvents()
        self._values = [(*one, copy.copy(getattr(*one))) for one in _fields(self.viewer)]
        self._docks = set(self.window.findChildren(QDockWidget))
        self._size, self._places = self.window.size(), self.window.saveState()
        self._callbacks, self._widgets = _callbacks(self.viewer), _kinds(self.window)
        self._session: weakref.ref[Any] | None = None

    def clear(self) -> None:
        """Close what the test opened, as a person would, and set back what it set."""
        viewer, window = self.viewer, self.window
        _delete()  # a dock that the test closed may be half gone
        for dock in set(window.findChildren(QDockWidget)) - self._docks:
            inside = dock.widget()
            viewer.window.remove_dock_widget(dock)
            if inside is not None:
                inside.deleteLater()
        for toast in window.findChildren(NapariQtNotification):
            toast.deleteLater()
        _delete()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(gc, "collect", _nothing)  # napari's; the fixtures collect once for all
            viewer.layers.clear()
        session = _SESSIONS.pop(viewer, None)
        self._session = None if session is None else weakref.ref(session)
        removing = viewer.layers.events.removing
        for callback in removing.callbacks:
            if "clear_in_own_context" in _of(callback):  # once a viewer, for as long as it is
                removing.disconnect(callback)
        for kind in MOUSE:
            callbacks = getattr(viewer, f"mouse_{kind}_callbacks")
            for callback in [one for one in callbacks if _of(one).startswith("tests.")]:
                callbacks.remove(callback)
        for key, callback in list(viewer.keymap.items()):
            if _of(callback).startswith("tests."):
                del viewer.keymap[key]
        viewer.window._qt_viewer._key_map_handler._key_release_generators.clear()
        get_settings().reset()
        if window.saveState() != self._places:
            window.restoreState(self._places)
        self._set_back()
        for _ in range(10):  # Qt lays parts out anew, in several goes, before it can be as small
            QApplication.processEvents()
            if window.size() == self._size:
                break
            window.resize(self._size)
        self._set_back()  # the camera follows the canvas
        shown = {dock.titleBarWidget() for dock in window.findChildren(QDockWidget)}
        for title in set(window.findChildren(QtCustomTitleBar)) - shown:
            title.deleteLater()  # napari 0.6 makes a dock's title anew, and leaves the old one
        _delete()

    def _set_back(self) -> None:
        for model, name, value in self._values:
            if not _same(getattr(model, name), value):
                setattr(model, name, copy.copy(value))

    def check(self) -> None:
        """See that nothing is left that the next test would find; garbage is collected.

        Raises
        ------
        AssertionError
            If something is.
        """
        changed = [
            f"{type(model).__name__}.{name}"
            for model, name, value in self._values
            if not _same(getattr(model, name), value)
        ]
        assert not changed, f"still as the test left it: {changed}"
        assert self._session is None or self._session() is None, "the session outlived its test"
        heard = _callbacks(self.viewer) - self._callbacks
        assert not heard, f"the viewer still calls {dict(heard)}"
        widgets = _kinds(self.window) - self._widgets
        assert not widgets, f"widgets are left in the window: {dict(widgets)}"

    @property
    def grown(self) -> bool:
        """Whether Qt lets it be no longer as small as it was."""
        return bool(self.window.size() != self._size)

    def close(self) -> None:
        """Close it for good."""
        self.viewer.close()
        self._patch.undo()
        Application.destroy("one window")
        _forget_actions()
        gc.unfreeze()
        _delete()
        gc.collect()


def _nothing(*_: Any) -> None:
    """In the place of what is not to begin."""


def _no_console(*_: Any) -> QWidget:
    widget = QWidget()
    widget._update_theme = _nothing
    return widget


def _forget_actions() -> None:
    """Let the next window's application have all actions, too."""
    _initialize_plugins.cache_clear()
    init_qactions.cache_clear()


def _delete() -> None:
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def _fields_of(model: EventedModel) -> dict[str, bool]:
    """The fields of a model, and whether they can't be set; napari 0.6 has pydantic 1's."""
    fields = getattr(type(model), "model_fields", None)
    if fields is not None:
        return {name: bool(field.frozen) for name, field in fields.items()}
    old = type(model).__fields__
    return {name: not field.field_info.allow_mutation for name, field in old.items()}


def _models(model: EventedModel) -> Iterator[EventedModel]:
    """A model and those in it: dims, camera, overlays and so on; no layers."""
    yield model
    for name in _fields_of(model):
        inside = getattr(model, name)
        parts = inside.values() if isinstance(inside, Mapping) else [inside]
        for part in parts:
            if isinstance(part, EventedModel):
                yield from _models(part)


def _fields(viewer: napari.Viewer) -> Iterator[tuple[EventedModel, str]]:
    """What can be set of a viewer and of the models in it."""
    for model in _models(viewer):
        for name, fixed in _fields_of(model).items():
            value = getattr(model, name)
            mouse = name.startswith("mouse_") and name.endswith("_callbacks")
            shaped = (type(model).__name__, name) == ("Canvas", "size")  # follows the window's
            inside = isinstance(value, EventedModel | Mapping)
            if not (fixed or mouse or shaped or inside):
                yield model, name


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return np.array_equal(one, other)
    return bool(one == other)


def _callbacks(viewer: napari.Viewer) -> Counter[str]:
    """What of ours a viewer calls when something happens: the mouse, a key, a change."""
    found = [(f"mouse {kind}", one) for kind in MOUSE
             for one in getattr(viewer, f"mouse_{kind}_callbacks")]  # fmt: skip
    found += [(f"key {key}", one) for key, one in viewer.keymap.items()]
    holders = [*_models(viewer), viewer.layers, viewer.layers.selection]
    for holder in holders:
        group: EmitterGroup = holder.events
        for name, emitter in group.emitters.items():
            found += [(f"{type(holder).__name__}.{name}", one) for one in emitter.callbacks]
    names = [(where, _of(one)) for where, one in found]
    ours = ("napari_dim.", "tests.")
    return Counter(f"{where}: {what}" for where, what in names if what.startswith(ours))


def _of(callback: Any) -> str:
    """The module and name of what is called; of nothing, where it is gone."""
    if isinstance(callback, tuple):  # a weak reference to an object, and its method's name
        owner = callback[0]()
        where, what = type(owner).__module__, f"{type(owner).__name__}.{callback[1]}"
    else:
        callback = getattr(callback, "func", callback)
        where, what = callback.__module__, getattr(callback, "__qualname__", "")
    return f"{where}.{what}"


def _kinds(window: QWidget) -> Counter[str]:
    """How many widgets of each kind there are in a window."""
    return Counter(type(widget).__name__ for widget in window.findChildren(QWidget))


_window: OneWindow | None = None


def one_window(*, shown: bool) -> OneWindow:
    """The window of this process; one of the other kind is closed first."""
    global _window
    if _window is not None and _window.shown != shown:
        put_away()
    if _window is None:
        _window = OneWindow(shown=shown)
    return _window


def put_away() -> None:
    """Close the window, if there is one: another one is needed, or no more."""
    global _window
    window, _window = _window, None
    if window is not None:
        window.close()


def wants_its_own(request: pytest.FixtureRequest) -> bool:
    """Whether a test has a window of its own."""
    own = request.node.get_closest_marker("own_window") is not None
    return own or "make_napari_viewer" in request.fixturenames


def check_window(request: pytest.FixtureRequest) -> None:
    """See that a test left the window as new; one that isn't is closed."""
    window = _window
    if window is None:
        return
    reports = [getattr(request.node, f"rep_{when}", None) for when in ("setup", "call")]
    if any(report is None or report.failed for report in reports):
        put_away()
        return
    try:
        window.check()
    except AssertionError:
        put_away()
        raise
    if window.grown:
        put_away()
