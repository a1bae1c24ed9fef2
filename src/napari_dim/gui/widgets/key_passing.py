"""Keys pressed with a list, table or box in focus do what they do over the canvas.

And a wheel turned over a box scrolls what it stands in: it chooses no other scan or plane.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable

from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtGui import QKeyEvent, QKeySequence
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLineEdit,
    QWidget,
)

HISTORY = (QKeySequence.StandardKey.Undo, QKeySequence.StandardKey.Redo)
ENDS = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Escape)


class KeyPassing(QObject):
    """Passes letters, figures, signs and the keys of taking back on to the canvas.

    What is typed in stays where it is, and with the next click on a button, or with Enter or
    Escape, the keys are the canvas's again, in whichever window it was typed.

    Parameters
    ----------
    parent
        What it belongs to.
    canvas
        Gives the widget that the keys are for.
    """

    def __init__(self, parent: QObject, canvas: Callable[[], QWidget]) -> None:
        super().__init__(parent)
        self._canvas = canvas
        self._watched: weakref.WeakSet[QWidget] = weakref.WeakSet()

    def watch(self, panel: QWidget) -> None:
        """Pass on what is pressed in the widgets of a panel; not in those that are made later."""
        for widget in panel.findChildren(QWidget):
            if isinstance(widget, QAbstractButton):
                # A click leaves the keys with the canvas: a space does not press it once more.
                widget.setFocusPolicy(Qt.FocusPolicy.TabFocus)
                widget.clicked.connect(self._on_click)
            elif isinstance(widget, QAbstractItemView | QComboBox | QAbstractSpinBox | QLineEdit):
                widget.installEventFilter(self)
                self._watched.add(widget)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Pass a key on, or give the keys back to the canvas after something was typed in."""
        if event.type() == QEvent.Type.Wheel and isinstance(watched, QComboBox | QAbstractSpinBox):
            event.ignore()  # so that it goes on to what the box stands in
            return True
        if event.type() not in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease):
            return False
        assert isinstance(event, QKeyEvent)
        if isinstance(watched, QAbstractSpinBox | QLineEdit):
            if event.key() in ENDS and event.type() == QEvent.Type.KeyPress:
                QTimer.singleShot(0, self._leave)
            return False
        if event.matches(QKeySequence.StandardKey.Copy):
            return False  # a Mac writes it with a letter
        history = any(event.matches(key) for key in HISTORY)  # they are written with no letter
        if not history and not (event.text().strip() and event.text().strip().isprintable()):
            return False
        copy = QKeyEvent(event.type(), event.key(), event.modifiers(), event.text())
        QApplication.sendEvent(self._canvas(), copy)
        return True

    def _on_click(self, *_: object) -> None:
        typed = QApplication.focusWidget()
        if isinstance(typed, QAbstractSpinBox | QLineEdit) and typed in self._watched:
            QTimer.singleShot(0, self._leave)

    def _leave(self) -> None:
        canvas = self._canvas()
        canvas.window().activateWindow()
        canvas.setFocus()
