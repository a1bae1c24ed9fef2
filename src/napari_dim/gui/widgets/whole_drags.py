"""A drag of the mouse has all its places, up to where the button was let go.

To a window that was busy they come all at once, and are left out or heard after the button: of a
quick stroke there would be a dab, of a box nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QEvent, QObject, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication, QWidget

HEARD = (
    QEvent.Type.MouseButtonPress,
    QEvent.Type.MouseMove,
    QEvent.Type.MouseButtonRelease,
)


APART = 10
"""Milliseconds between two places of a drag that are heard."""


class WholeDrags(QObject):
    """Has moves over a canvas heard that came in good time, and one to where a button is let go.

    Parameters
    ----------
    canvas
        The widget that hears the mouse; it keeps this object.
    hear
        Has the move heard that waits, and the next one.
    """

    def __init__(self, canvas: QWidget, hear: Callable[[], None]) -> None:
        super().__init__(canvas)
        self._canvas, self._hear = canvas, hear
        self._last: QPointF | None = None
        self._stamp = 0
        canvas.installEventFilter(self)

    def end(self) -> None:
        """Leave drags as they are."""
        self._canvas.removeEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Follow the mouse; before a button is let go, go there with it held."""
        if event.type() not in HEARD:
            return False
        assert isinstance(event, QMouseEvent)
        last, self._last = self._last, event.position()
        if event.type() == QEvent.Type.MouseMove:
            held = event.buttons() != Qt.MouseButton.NoButton
            if held and event.timestamp() - self._stamp >= APART:
                self._stamp = event.timestamp()
                self._hear()
        elif event.type() == QEvent.Type.MouseButtonPress:
            self._stamp = event.timestamp()
        elif last is not None:
            self._hear()
            if last != event.position():
                move = QMouseEvent(
                    QEvent.Type.MouseMove, event.position(), event.globalPosition(),
                    Qt.MouseButton.NoButton, event.buttons() | event.button(), event.modifiers(),
                )  # fmt: skip
                QApplication.sendEvent(watched, move)
                self._hear()
        return False
