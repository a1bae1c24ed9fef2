"""A person at the window: keys, mouse, drops and answers to dialogs, as Qt delivers them."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt, QTimer, QUrl
from qtpy.QtGui import QDragEnterEvent, QDragMoveEvent, QDropEvent, QMouseEvent, QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QApplication,
    QDialog,
    QDialogButtonBox,
    QLineEdit,
    QMenu,
    QMessageBox,
    QScrollArea,
    QWidget,
)

NAMED = {
    ",": "Comma", ".": "Period", "[": "BracketLeft", "]": "BracketRight", "-": "Minus",
    "=": "Equal", "Left": "Left", "Right": "Right", "Space": "Space", "Escape": "Escape",
    "Enter": "Return", "Delete": "Delete", "Backspace": "Backspace",
}  # fmt: skip
MODIFIERS = {
    "Shift": Qt.KeyboardModifier.ShiftModifier,
    "Ctrl": Qt.KeyboardModifier.ControlModifier,
    "Alt": Qt.KeyboardModifier.AltModifier,
}
LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
PRESS, RELEASE = QEvent.Type.MouseButtonPress, QEvent.Type.MouseButtonRelease
MOVE = QEvent.Type.MouseMove
ACCEPT = QDialogButtonBox.ButtonRole.AcceptRole
Answer = Callable[[QWidget], None]


class Hand:
    """What a person does in one viewer's window.

    Parameters
    ----------
    viewer
        The viewer; its window must be on the screen.
    """

    def __init__(self, viewer: Any) -> None:
        self.viewer = viewer

    @property
    def window(self) -> QWidget:
        """The window."""
        return self.viewer.window._qt_window

    @property
    def canvas(self) -> QWidget:
        """The widget that napari draws on and that keys and the mouse reach."""
        return self.viewer.window._qt_viewer.canvas.native

    def press(self, keys: str, on: QWidget | None = None) -> None:
        """Press and release a key, written as in the README ("Shift-K"), over the canvas."""
        *held, name = keys.split("-") if len(keys) > 1 else [keys]
        modifiers = _modifiers(held)
        key = getattr(Qt.Key, f"Key_{NAMED.get(name, name)}")
        widget = on or self.canvas
        widget.setFocus()
        QTest.keyClick(widget, key, modifiers)
        self.rest()

    def take(self, menu: QMenu, title: str) -> None:
        """Open a menu and click the entry of this title."""
        menu.popup(self.window.mapToGlobal(QPoint(10, 10)))
        self.rest()
        entry = next(one for one in menu.actions() if one.text().replace("&", "") == title)
        QTest.mouseClick(
            menu, LEFT, Qt.KeyboardModifier.NoModifier, menu.actionGeometry(entry).center()
        )
        self.rest()

    def type(self, text: str, on: QWidget) -> None:
        """Type into a widget that has the focus."""
        QTest.keyClicks(on, text)
        self.rest()

    def click(self, widget: QWidget) -> None:
        """Click the middle of a widget; it must be seen and enabled, as for a person."""
        parent = widget.parent()
        while parent is not None:
            if isinstance(parent, QScrollArea):
                parent.ensureWidgetVisible(widget)
            parent = parent.parent()
        self.rest()
        assert widget.isVisible(), f"{widget} is not seen"
        assert widget.isEnabled(), f"{widget} can't be clicked"
        QTest.mouseClick(widget, LEFT, Qt.KeyboardModifier.NoModifier, widget.rect().center())
        self.rest()

    def click_item(self, view: QAbstractItemView, row: int, column: int = 0) -> None:
        """Click a cell of a list or table."""
        place = view.visualRect(view.model().index(row, column)).center()
        QTest.mouseClick(view.viewport(), LEFT, Qt.KeyboardModifier.NoModifier, place)
        self.rest()

    def at(self, row: float, column: float, layer: Any) -> QPoint:
        """Where on the canvas a pixel of a layer's slice is seen."""
        shown = self.viewer.dims.displayed
        here = [0.0] * layer.ndim
        here[-2:] = row, column
        world = np.asarray(layer.data_to_world(here), float)[-2:]
        middle = np.asarray(self.viewer.camera.center, float)[-2:]
        half = np.array([self.canvas.height(), self.canvas.width()]) / 2
        assert len(shown) == 2
        y, x = (world - middle) * self.viewer.camera.zoom + half
        return QPoint(round(x), round(y))

    def drag(self, layer: Any, *pixels: tuple[float, float]) -> None:
        """Draw with the left button over pixels (row, column) of a layer's slice."""
        none = Qt.KeyboardModifier.NoModifier
        first, *others = [self.at(row, column, layer) for row, column in pixels]
        QTest.mouseMove(self.canvas, first)
        QTest.mousePress(self.canvas, LEFT, none, first)
        for place in others:
            QTest.mouseMove(self.canvas, place)
            self.rest()
        QTest.mouseRelease(self.canvas, LEFT, none, others[-1] if others else first)
        self.rest()

    def stroke(
        self, layer: Any, *pixels: tuple[float, float], button: Any = LEFT, held: str = ""
    ) -> None:
        """Draw with any button over pixels of a slice, perhaps with keys held ("Ctrl-Shift")."""
        self.sweep(
            *[self.at(row, column, layer) for row, column in pixels], button=button, held=held
        )

    def sweep(self, *places: QPoint, button: Any = LEFT, held: str = "") -> None:
        """Hold a button down over places of the canvas, one after the other."""
        self.mouse(PRESS, places[0], button, held)
        for place in places:
            self.mouse(MOVE, place, button, held)
        self.mouse(RELEASE, places[-1], button, held)

    def hover(self, place: QPoint, held: str = "") -> None:
        """Move the mouse to a place of the canvas; no button is down."""
        self.mouse(MOVE, place, Qt.MouseButton.NoButton, held)

    def double_click(self, place: QPoint, button: Any = LEFT) -> None:
        """Click a place of the canvas twice at once."""
        for kind in (PRESS, RELEASE, QEvent.Type.MouseButtonDblClick, RELEASE):
            self.mouse(kind, place, button)

    def mouse(self, kind: QEvent.Type, place: QPoint, button: Any = LEFT, held: str = "") -> None:
        """One event of the mouse over the canvas."""
        none, keys = Qt.MouseButton.NoButton, _modifiers(held.split("-") if held else [])
        event = QMouseEvent(
            kind, QPointF(place), QPointF(self.canvas.mapToGlobal(place)),
            none if kind == MOVE else button, none if kind == RELEASE else button, keys,
        )  # fmt: skip
        QApplication.sendEvent(self.canvas, event)
        self.rest(0.02)  # napari leaves moves out that come faster than it looks at them

    def turn_wheel(
        self,
        notches: int,
        held: str = "",
        over: QPoint | None = None,
        on: QWidget | None = None,
        button: Any = Qt.MouseButton.NoButton,
    ) -> None:
        """Turn the wheel over the canvas or a widget, away from oneself where `notches` > 0."""
        widget = on or self.canvas
        place = over or widget.rect().center()
        keys = _modifiers([held] if held else [])
        for _ in range(abs(notches)):
            event = QWheelEvent(
                QPointF(place), QPointF(widget.mapToGlobal(place)), QPoint(0, 0),
                QPoint(0, 120 if notches > 0 else -120), button, keys,
                Qt.ScrollPhase.NoScrollPhase, False,
            )  # fmt: skip
            QApplication.sendEvent(widget, event)
            self.rest()

    def drop(self, *paths: Path, on: QWidget | None = None) -> None:
        """Drop files from a file manager onto a part of the window, by default the canvas."""
        widget = on or self.canvas
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
        handle = self.window.windowHandle()
        place = widget.mapTo(self.window, widget.rect().center())
        copy, no_keys = Qt.DropAction.CopyAction, Qt.KeyboardModifier.NoModifier
        enter = QDragEnterEvent(place, copy, data, LEFT, no_keys)
        move = QDragMoveEvent(place, copy, data, LEFT, no_keys)
        drop = QDropEvent(QPointF(place), copy, data, LEFT, no_keys)
        for event in (enter, move, drop):
            QApplication.sendEvent(handle, event)
        self.rest()

    def press_close_button(self) -> None:
        """Ask the window to close as a window manager does for the cross in its frame (X11)."""
        x11 = ctypes.CDLL("libX11.so.6")
        x11.XOpenDisplay.restype = ctypes.c_void_p
        x11.XInternAtom.restype = ctypes.c_ulong
        display = ctypes.c_void_p(x11.XOpenDisplay(None))
        window = int(self.window.winId())

        class Message(ctypes.Structure):
            _fields_ = [
                ("type", ctypes.c_int),
                ("serial", ctypes.c_ulong),
                ("send_event", ctypes.c_int),
                ("display", ctypes.c_void_p),
                ("window", ctypes.c_ulong),
                ("message_type", ctypes.c_ulong),
                ("format", ctypes.c_int),
                ("data", ctypes.c_long * 5),
                ("rest", ctypes.c_long * 12),
            ]

        protocols = x11.XInternAtom(display, b"WM_PROTOCOLS", False)
        delete = x11.XInternAtom(display, b"WM_DELETE_WINDOW", False)
        message = Message(33, 0, 1, display, window, protocols, 32)
        message.data[0] = delete
        x11.XSendEvent(display, ctypes.c_ulong(window), False, 0, ctypes.byref(message))
        x11.XFlush(display)
        self.rest(0.2)
        x11.XCloseDisplay(display)

    @contextmanager
    def answering(self, *answers: Answer) -> Iterator[list[str]]:
        """Answer the dialogs that come up meanwhile, one after the other.

        Yields the titles of the dialogs. A dialog too many is turned down, and told as a failure.
        """
        waiting, titles, wrong = list(answers), [], []
        seen: list[QWidget | None] = [None]

        def look() -> None:
            dialog = QApplication.activeModalWidget()
            if dialog is seen[0]:
                return
            seen[0] = dialog
            if dialog is None:
                return
            titles.append(dialog.windowTitle())
            try:
                assert waiting, f"nobody expected {dialog.windowTitle() or dialog}"
                waiting.pop(0)(dialog)
            except Exception as error:  # a dialog that stays open would hold the test for ever
                wrong.append(error)
                dialog.reject()

        timer = QTimer(interval=40)
        timer.timeout.connect(look)
        timer.start()
        try:
            yield titles
            end = time.monotonic() + 10
            while waiting and time.monotonic() < end:
                self.rest()
        finally:
            timer.stop()
        assert not waiting, f"{len(waiting)} dialogs did not come up; seen: {titles}"
        if wrong:
            raise wrong[0]

    def rest(self, seconds: float = 0.0) -> None:
        """Let the window do what it has to."""
        end = time.monotonic() + seconds
        QApplication.processEvents()
        while time.monotonic() < end:
            time.sleep(0.01)
            QApplication.processEvents()


def _modifiers(held: Sequence[str]) -> Any:
    """The keys that are held, for Qt."""
    modifiers = Qt.KeyboardModifier.NoModifier
    for one in held:
        modifiers |= MODIFIERS[one]
    return modifiers


def choose(*paths: Path) -> Answer:
    """Type paths into a file dialog, and take them."""

    def act(dialog: QWidget) -> None:
        name = dialog.findChild(QLineEdit, "fileNameEdit")
        texts = [str(path) for path in paths]
        name.setText(texts[0] if len(texts) == 1 else " ".join(f'"{text}"' for text in texts))
        box = dialog.findChild(QDialogButtonBox)
        take = next(b for b in box.buttons() if box.buttonRole(b) == ACCEPT)
        QTest.mouseClick(take, LEFT)

    return act


def push(text: str) -> Answer:
    """Click the button of this text in a dialog."""

    def act(dialog: QWidget) -> None:
        QTest.mouseClick(button_of(dialog, text), LEFT)

    return act


def button_of(dialog: QWidget, text: str) -> QAbstractButton:
    """The button of this text."""
    buttons = dialog.findChildren(QAbstractButton)
    for button in buttons:
        if button.text().replace("&", "").strip() == text:
            return button
    raise AssertionError(f"no {text!r} among {[b.text() for b in buttons]}")


def dialogs() -> Sequence[QWidget]:
    """The dialogs that are open."""
    shown = [w for w in QApplication.topLevelWidgets() if isinstance(w, QDialog | QMessageBox)]
    return [w for w in shown if w.isVisible()]
