"""The second of two quick dabs is a dab, too, where a double click means nothing else.

Qt calls it a double click, for which napari's brush does nothing (0.6.6 to 0.9.2): what was
dabbed there would be lost.
"""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QEvent, QObject
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication, QWidget


class QuickDabs(QObject):
    """Makes presses of double clicks over a canvas.

    Parameters
    ----------
    canvas
        The widget that hears the mouse; it keeps this object.
    dabs
        Whether what is in the hand dabs, and knows no double click.
    """

    def __init__(self, canvas: QWidget, dabs: Callable[[], bool]) -> None:
        super().__init__(canvas)
        self._canvas, self._dabs = canvas, dabs
        canvas.installEventFilter(self)

    def end(self) -> None:
        """Leave double clicks as they are."""
        self._canvas.removeEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Send a press in place of a double click."""
        if event.type() != QEvent.Type.MouseButtonDblClick or not self._dabs():
            return False
        assert isinstance(event, QMouseEvent)
        press = QMouseEvent(
            QEvent.Type.MouseButtonPress, event.position(), event.globalPosition(),
            event.button(), event.buttons(), event.modifiers(),
        )  # fmt: skip
        QApplication.sendEvent(watched, press)
        return True
