"""The crosshair and the patient's sides over napari's canvas, which hears nothing of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from qtpy.QtCore import QEvent, QObject, QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent
from qtpy.QtWidgets import QWidget

from napari_dim.gui.widgets.plane_view import draw_cross, draw_edges, is_dark

Marks = tuple[np.ndarray, str]
"""Where the crosshair is seen, ``(down, right)``, and the letters of the edges."""


class CanvasMarks(QWidget):
    """Lies over the canvas and lets the mouse through.

    Parameters
    ----------
    canvas
        What it lies over.
    marks
        Gives what is to be shown; None shows nothing.

    Attributes
    ----------
    background
        The canvas's colour.
    """

    def __init__(self, canvas: QWidget, marks: Callable[[], Marks | None]) -> None:
        super().__init__(canvas)
        self._marks = marks
        self.background = QColor("black")
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAttribute(Qt.WidgetAttribute.WA_NoSystemBackground)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        canvas.installEventFilter(self)
        self.setGeometry(canvas.rect())
        self.show()
        self.raise_()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """As large as the canvas."""
        if event.type() == QEvent.Type.Resize and isinstance(watched, QWidget):
            self.setGeometry(watched.rect())
        return False

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        """Paint what there is."""
        found = self._marks()
        if found is None:
            return
        (down, right), letters = found
        painter = QPainter(self)
        room, dark = QRectF(self.rect()), is_dark(self.background)
        draw_cross(painter, room, QPointF(float(right), float(down)), dark)
        draw_edges(painter, room, letters, dark)
