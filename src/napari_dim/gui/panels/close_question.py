"""One question, not two, when the window is closed while something runs."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QMessageBox, QWidget

from napari_dim.gui.session import Session

YES, NO = QMessageBox.StandardButton.Yes, QMessageBox.StandardButton.No


class CloseQuestion(QObject):
    """Asks in napari's place while background work runs, and closes without asking again.

    Parameters
    ----------
    session
        The session of the viewer.
    window
        Its main window.
    """

    def __init__(self, session: Session, window: QWidget) -> None:
        super().__init__(window)
        self._session: Session | None = session
        window.installEventFilter(self)

    def forget(self) -> None:
        """Ask no more: the workspace is gone."""
        self._session = None

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Ask before a person's own closing of the window."""
        session = self._session
        if event.type() != QEvent.Type.Close or not event.spontaneous() or session is None:
            return False
        if not session.busy:
            return False
        event.ignore()
        window: Any = watched
        answer = QMessageBox.question(
            window,
            "Close napari?",
            f"napari-dim is {session.activity.value}. Close napari and end it?\n"
            "Your labels are saved, and what was learnt so far can be gone on from.",
            YES | NO,
            NO,
        )
        if answer == YES:
            window.close()  # no spontaneous one: napari asks no more
        return True
