"""A person at the window: keys pressed, the mouse moved, as Qt delivers them."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QWidget

NAMED = {
    ",": "Comma", ".": "Period", "[": "BracketLeft", "]": "BracketRight", "-": "Minus",
    "=": "Equal", "Left": "Left", "Right": "Right", "Space": "Space", "Escape": "Escape",
    "Enter": "Return", "Delete": "Delete",
}  # fmt: skip
MODIFIERS = {
    "Shift": Qt.KeyboardModifier.ShiftModifier,
    "Ctrl": Qt.KeyboardModifier.ControlModifier,
    "Alt": Qt.KeyboardModifier.AltModifier,
}


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
    def canvas(self) -> QWidget:
        """The widget that napari draws on and that keys and the mouse reach."""
        return self.viewer.window._qt_viewer.canvas.native

    def press(self, keys: str, on: QWidget | None = None) -> None:
        """Press and release a key, written as in the README ("Shift-K"), over the canvas."""
        *held, name = keys.split("-") if len(keys) > 1 else [keys]
        modifiers = Qt.KeyboardModifier.NoModifier
        for one in held:
            modifiers |= MODIFIERS[one]
        key = getattr(Qt.Key, f"Key_{NAMED.get(name, name)}")
        widget = on or self.canvas
        widget.setFocus()
        QTest.keyClick(widget, key, modifiers)
        QApplication.processEvents()
