"""What is worked on, where, and what goes on: always in sight."""

from __future__ import annotations

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_dim.gui.parts import StateLine, while_alive
from napari_dim.gui.session import Activity, Session

DOTS = {
    Activity.IDLE: "#999999",
    Activity.TRAINING: "#009E73",
    Activity.STOPPING: "#E69F00",
    Activity.PREDICTING: "#56B4E9",
}
MEMORY_EVERY = 2000
"""Milliseconds between two looks at the memory."""


class Header(QWidget):
    """The case, the device, the memory that is used, and the state line."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.case = QLabel()
        self.case.setMinimumWidth(60)
        self.dot = QLabel()
        self.memory = QLabel()
        self.memory.setToolTip("Memory that napari uses, of what the machine has")
        self.saved = QLabel()
        self.saved.setToolTip("“saved”: every stroke is on the disk, a crash can't take it away")
        self.state = StateLine(session)
        row = QHBoxLayout()
        row.addWidget(self.case, 1)
        row.addWidget(self.saved)
        row.addWidget(self.dot)
        row.addWidget(self.memory)
        column = QVBoxLayout(self)
        column.setContentsMargins(4, 2, 4, 0)
        column.setSpacing(2)
        column.addLayout(row)
        column.addWidget(self.state)
        self._tick = QTimer(self, interval=MEMORY_EVERY)
        self._tick.timeout.connect(self._say_memory)
        self._tick.start()
        while_alive(self, session.case_changed, self.refresh)
        while_alive(self, session.layers_changed, self.refresh)
        while_alive(self, session.changed, self.refresh)
        while_alive(self, session.autosave.changed, self._say_saved)
        self.refresh()
        self._say_memory()

    def refresh(self) -> None:
        """Show the session as it is."""
        image = self.session.image
        name = "no scan" if image is None else image.name
        self.case.setText(self.case.fontMetrics().elidedText(name, _right(), 170))
        self.case.setToolTip(name)
        activity = self.session.activity
        where = self.session.device or "CPU"
        words = {Activity.IDLE: "idle", Activity.TRAINING: f"training on {where}"}
        self.dot.setText(
            f'<span style="color:{DOTS[activity]}">●</span> {words.get(activity, activity.value)}'
        )

    def _say_saved(self) -> None:
        text = self.session.autosave.text
        fault = text.startswith("NOT SAVED")
        self.saved.setText('<b style="color:#D55E00">NOT SAVED</b>' if fault else text)
        if fault:
            self.saved.setToolTip(text)

    def _say_memory(self) -> None:
        from psutil import Process, virtual_memory

        used, whole = Process().memory_info().rss, virtual_memory().total
        self.memory.setText(f"{used / 2**30:.1f} of {whole / 2**30:.0f} GiB")


def _right() -> object:
    from qtpy.QtCore import Qt

    return Qt.TextElideMode.ElideMiddle
