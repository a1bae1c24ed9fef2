"""A small window that stands beside the work."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QDialog, QWidget


class SmallWindow(QDialog):
    """Leaves the keys with the canvas: one goes on working while one looks at it.

    It opens at the bottom left of napari's window, off the middle of the scan and off our panel,
    and stays where a person puts it.

    Parameters
    ----------
    parent
        What it belongs to.
    title
        What it is called.
    width, height
        How large it opens, in pixels.
    """

    def __init__(self, parent: QWidget, title: str, width: int, height: int) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setModal(False)
        self.setAttribute(Qt.WidgetAttribute.WA_ShowWithoutActivating)
        self._size, self._placed = (width, height), False

    def showEvent(self, event: Any) -> None:  # noqa: N802
        """Find its place, the first time."""
        super().showEvent(event)
        if not self._placed:
            self._placed = True
            self.resize(*self._size)
            whole = self.parentWidget().window()
            corner = whole.mapToGlobal(QPoint(0, whole.height()))
            self.move(corner.x() + 4, corner.y() - self.height() - 60)
