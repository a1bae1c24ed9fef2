"""How far slices are filled in the background, and a way to stop it."""

from __future__ import annotations

from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QWidget

from napari_dim.gui.session import Session
from napari_dim.gui.widgets.small_widgets import while_alive


class GrowingBar(QWidget):
    """A bar and a button, seen while slices are being filled.

    Parameters
    ----------
    session
        The session of the viewer.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.bar = QProgressBar()
        self.bar.setRange(0, 100)
        self.bar.setFormat("filling slices, %p %")
        self.stop = QPushButton("Cancel")
        self.stop.setToolTip("Stop filling slices; nothing is changed")
        self.stop.clicked.connect(self._on_stop)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.bar, 1)
        row.addWidget(self.stop)
        while_alive(self, session.growing_changed, self._show)
        self._show()

    def _show(self) -> None:
        growing = self.session.growing
        self.setVisible(growing is not None)
        if growing is not None:
            self.bar.setValue(round(100 * growing.share))

    def _on_stop(self) -> None:
        if self.session.growing is not None:
            self.session.growing.cancel()
