"""The pointer that says to wait, over what takes the window for longer than a blink."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication


@contextmanager
def hourglass() -> Iterator[None]:
    """Show the waiting pointer meanwhile; asks nothing, as dialogs would have it, too."""
    QApplication.setOverrideCursor(Qt.CursorShape.WaitCursor)
    try:
        yield
    finally:
        QApplication.restoreOverrideCursor()
