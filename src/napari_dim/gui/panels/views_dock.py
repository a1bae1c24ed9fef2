"""Shows and hides the linked views as a part of the window, and remembers which."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextlib import suppress

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QDockWidget, QWidget

from napari_dim.gui.layers.napari_compat import canvas_of, fit_camera, main_window, whole_zoom
from napari_dim.gui.panels.linked_views import LinkedViews
from napari_dim.gui.preferences import preferences, remember_views
from napari_dim.gui.session import Session

NAME = "Linked views"
"""What the part of the window is called."""
SHARE = 0.38
"""How much of the canvas's width they take at first."""

SETTLED = (0, 200)
"""Milliseconds after which the canvas has its new size: at once, or when the window is busy."""


def bind(session: Session, workspace: QWidget) -> None:
    """Show the views when they are asked for, once, however often this is said."""
    if session not in _DOCKS:
        _DOCKS[session] = ViewsDock(session, workspace)


def unbind(session: Session) -> None:
    """Take the views away; whether they were shown stays remembered."""
    dock = _DOCKS.pop(session, None)
    if dock is not None:
        dock.end()


class ViewsDock:
    """The linked views of one session, if they are shown.

    Parameters
    ----------
    session
        The session of the viewer; not kept alive.
    workspace
        What they stand beside; not kept alive.
    """

    def __init__(self, session: Session, workspace: QWidget) -> None:
        self._session, self._workspace = weakref.ref(session), weakref.ref(workspace)
        self.views: LinkedViews | None = None
        session.views_wanted.connect(self.toggle)
        session.case_changed.connect(self._on_case)
        self._first = True
        self._on_case()

    def toggle(self) -> None:
        """Show the views, or hide them; it is so at the next start, too."""
        if self.views is None:
            self._show()
        else:
            self._hide()
        remember_views(self.views is not None)

    def end(self) -> None:
        """Hide the views and hear nothing any more."""
        session = self._session()
        if session is not None:
            session.views_wanted.disconnect(self.toggle)
            session.case_changed.disconnect(self._on_case)
        self._hide()

    def _on_case(self) -> None:
        """With the first scan they come of themselves, if they were shown last."""
        session = self._session()
        if self._first and session is not None and session.image is not None:
            self._first = False
            if self.views is None and preferences().views:
                self._show()

    def _show(self) -> None:
        session, workspace = self._session(), self._workspace()
        if session is None:
            return
        window, viewer = main_window(session.viewer), session.viewer
        keeping = _kept_whole(session)
        wide = canvas_of(viewer).width()
        self.views = LinkedViews(session)
        self.views.closed.connect(self._on_closed)
        dock = viewer.window.add_dock_widget(self.views, name=NAME, area="right")
        other = None if workspace is None else _dock_of(workspace)
        right = Qt.DockWidgetArea.RightDockWidgetArea
        if other is not None and not other.isFloating() and window.dockWidgetArea(other) == right:
            window.splitDockWidget(dock, other, Qt.Orientation.Horizontal)
        session.views_changed.emit()

        def make_room() -> None:
            with suppress(RuntimeError):  # hidden again already
                window.resizeDocks([dock], [round(SHARE * wide)], Qt.Orientation.Horizontal)
            keeping()

        QTimer.singleShot(0, make_room)  # before that the window knows no sizes

    def _hide(self) -> None:
        session, views = self._session(), self.views
        self.views = None
        if session is None or views is None:
            return
        keeping = _kept_whole(session)
        views.leave()
        dock, workspace = _dock_of(views), self._workspace()
        other = None if workspace is None else _dock_of(workspace)
        wide = 0 if other is None else other.width()

        def stay() -> None:
            with suppress(RuntimeError):  # the window went meanwhile
                if other is not None:
                    window = main_window(session.viewer)
                    window.resizeDocks([other], [wide], Qt.Orientation.Horizontal)

        with suppress(RuntimeError):  # the viewer went first
            if dock is not None:
                session.viewer.window.remove_dock_widget(dock)
                QTimer.singleShot(0, stay)  # their room is the scan's, which Qt gives to us
        views.deleteLater()
        session.views_changed.emit()
        keeping()

    def _on_closed(self) -> None:
        """The cross of their title was clicked."""
        if self.views is not None:
            self._hide()
            remember_views(False)


def _dock_of(widget: QWidget) -> QDockWidget | None:
    """The part of the window that a widget stands in."""
    parent = widget.parentWidget()
    while parent is not None and not isinstance(parent, QDockWidget):
        parent = parent.parentWidget()
    return parent


def _kept_whole(session: Session) -> Callable[[], None]:
    """Returns what fits the scan into the canvas's new room, if all of it is seen now."""
    image, known = session.image, weakref.ref(session)
    try:
        viewer = session.viewer
        seen = image is not None and viewer.dims.ndisplay == 2
        whole = seen and viewer.camera.zoom <= 1.05 * whole_zoom(viewer, image)
    except RuntimeError:  # the viewer is gone
        whole = False

    def fit() -> None:
        there = known()
        with suppress(RuntimeError):
            if whole and there is not None and there.image is not None:
                fit_camera(there.viewer, there.image)

    def soon() -> None:
        for wait in SETTLED:
            QTimer.singleShot(wait, fit)

    return soon


_DOCKS: weakref.WeakKeyDictionary[Session, ViewsDock] = weakref.WeakKeyDictionary()
