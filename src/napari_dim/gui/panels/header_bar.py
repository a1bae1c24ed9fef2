"""What is worked on, where, and what goes on: always in sight."""

from __future__ import annotations

from typing import Any

from napari.layers import Layer
from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QFont, QFontMetrics, QShowEvent
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_dim.gui.commands import solid_commands as solid
from napari_dim.gui.keys import do, key_of, show_help, show_views
from napari_dim.gui.layers.image_layers import KEY, Source, current_slice
from napari_dim.gui.layers.mask_place import decided_of
from napari_dim.gui.panels.look_button import LookButton
from napari_dim.gui.panels.message_line import MessageLine
from napari_dim.gui.panels.project_menu import ProjectButton
from napari_dim.gui.preferences import preferences
from napari_dim.gui.session import Session
from napari_dim.gui.widgets.fixed_lines import ElidedLabel
from napari_dim.gui.widgets.small_widgets import while_alive
from napari_dim.gui.work import Activity
from napari_dim.words import count as counted

DOTS = {
    Activity.IDLE: "#999999",
    Activity.TRAINING: "#009E73",
    Activity.STOPPING: "#E69F00",
    Activity.PREDICTING: "#56B4E9",
    Activity.EXPORTING: "#56B4E9",
}
MEMORY_EVERY = 2000
"""Milliseconds between two looks at the memory."""


class Header(QWidget):
    """The case, the device, the memory that is used, and the state line."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.case = ElidedLabel()
        self.case.setMinimumWidth(60)
        self.notes = QPushButton()
        self.notes.setFlat(True)
        self.notes.clicked.connect(self._on_notes)
        self.dot = QLabel()
        self.memory = QLabel()
        self.memory.setToolTip("Memory that napari uses, of what the machine has")
        self.saved = QLabel()
        self.saved.setToolTip("“saved”: every stroke is on the disk, a crash can't take it away")
        self.state = MessageLine(session)
        self.back = self.state.back
        self.solid = QPushButton("3D")
        self.solid.setCheckable(True)
        self.solid.setToolTip(
            "Show the mask as a surface that can be turned, with the slice on the screen in it; "
            "once more goes back"
        )
        self.solid.clicked.connect(self._on_solid)
        self.look = LookButton(session)
        self.views = QPushButton("⊞")
        self.views.setAccessibleName("linked views")
        self.views.setCheckable(True)
        self.views.setFixedWidth(28)
        self.views.setToolTip(
            "Linked views: the planes through all slices beside the scan, with a crosshair; paint "
            f"in any of them{key_of(show_views)}"
        )
        self.views.clicked.connect(self._on_views)
        self.help = QPushButton("?")
        self.help.setToolTip(f"All keys, and what the mouse does{key_of(show_help)}")
        self.help.setFixedWidth(28)
        self.help.clicked.connect(lambda: do(session, show_help))
        self.project = ProjectButton(session)
        row = QHBoxLayout()
        row.addWidget(self.project)
        row.addWidget(self.case, 1)
        row.addWidget(self.notes)
        row.addWidget(self.look)
        row.addWidget(self.views)
        row.addWidget(self.solid)
        row.addWidget(self.help)
        below = QHBoxLayout()
        # What these say must not widen the dock: the canvas would move under a stroke.
        self.dot.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.saved.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        below.addWidget(self.dot, 1)
        below.addWidget(self.saved)
        below.addWidget(self.memory)
        column = QVBoxLayout(self)
        column.setContentsMargins(4, 2, 4, 0)
        column.setSpacing(2)
        column.addLayout(row)
        column.addLayout(below)
        column.addWidget(self.state)
        self._tick = QTimer(self, interval=MEMORY_EVERY)
        self._tick.timeout.connect(self._say_memory)
        self._tick.start()
        while_alive(self, session.case_changed, self._on_case)
        while_alive(self, session.viewer.dims.events.ndisplay, self._on_ndisplay)
        while_alive(self, session.viewer.dims.events.point, self._on_slice)
        while_alive(self, session.views_changed, self._show_views)
        while_alive(self, session.layers_changed, self.refresh)
        while_alive(self, session.changed, self.refresh)
        while_alive(self, session.autosave.changed, self._say_saved)
        self.refresh()
        self._say_memory()

    def refresh(self) -> None:
        """Show the session as it is."""
        image = self.session.image
        name = "no scan" if image is None else image.name
        site = "" if image is None else self.session.site_of(image)
        if site:
            name = f"{name} · {site}"
        if image is not None and (file := picture_name(self.session.viewer, image)):
            name = f"{file} · {name}"
        self.case.say(name)
        notes = self._notes()
        self.notes.setVisible(bool(notes))
        self.notes.setText(counted(len(notes), "note"))
        self.notes.setToolTip("\n".join(("Decided when scan and mask were read:", *notes)))
        self._show_solid()
        activity = self.session.activity
        where = device_title(self.session.device or preferences().device)
        what = f"{activity.value} · {where}"
        self.dot.setToolTip("What goes on, and where trainings run")
        if server := self.session.server:
            what = f"{activity.value} on {server}"
            self.dot.setToolTip(f"Where the training runs: {where} of {server}")
        self.dot.setText(f'<span style="color:{DOTS[activity]}">●</span> {what}')

    def _on_slice(self, event: object = None) -> None:
        """Another picture of a folder has another name."""
        image = self.session.image
        if image is not None and picture_name(self.session.viewer, image):
            self.refresh()

    def _notes(self) -> tuple[str, ...]:
        """What was decided when the scan was read, and its mask laid onto it."""
        image, labels = self.session.image, self.session.labels
        if image is None:
            return ()
        source = image.metadata.get(KEY)
        own = source.notes if isinstance(source, Source) else ()
        if labels is None:
            return own
        return (*own, *(f"{labels.name}: {text}" for text in decided_of(labels, image)))

    def _on_notes(self) -> None:
        from napari.utils.notifications import show_info

        show_info("\n".join(self._notes()))

    def _say_saved(self) -> None:
        text = self.session.autosave.text
        fault = text.startswith("NOT SAVED")
        self.saved.setText('<b style="color:#D55E00">NOT SAVED</b>' if fault else text)
        if fault:
            self.saved.setToolTip(text)

    def _on_solid(self) -> None:
        do(self.session, solid.toggle)
        self._show_solid()

    def _on_views(self) -> None:
        do(self.session, show_views)
        self._show_views()

    def _show_views(self) -> None:
        self.views.setChecked(self.session.crosshair is not None)

    def _on_case(self) -> None:
        """Another scan: the surface of the last one is not left behind."""
        if self.session.solid is not None:
            solid.leave(self.session)
        self.refresh()

    def _on_ndisplay(self, event: object = None) -> None:
        """Napari's own button leaves the 3D view, too."""
        if self.session.viewer.dims.ndisplay == 2 and self.session.solid is not None:
            solid.leave(self.session)
        self._show_solid()

    def _show_solid(self) -> None:
        self.solid.setChecked(self.session.solid is not None)
        self.solid.setEnabled(self.session.image is not None)

    def _say_memory(self) -> None:
        from psutil import Process, virtual_memory

        used, whole = Process().memory_info().rss, virtual_memory().total
        self.memory.setText(f"{used / 2**30:.1f} of {whole / 2**30:.0f} GiB")

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802
        """Keep room for the longest that is said of saving, in the font that is now known."""
        super().showEvent(event)
        font = QFont(self.saved.font())
        font.setBold(True)
        self.saved.setMinimumWidth(QFontMetrics(font).horizontalAdvance("NOT SAVED "))


def device_title(name: str) -> str:
    """A device of torch, or a setting, as people call it: GPU 0, GPU, CPU, any device."""
    kind, _, number = name.partition(":")
    if kind == "auto":
        return "GPU or CPU"
    if kind in ("cuda", "mps", "xpu"):
        return f"GPU {number}".strip()
    return kind.upper()


def picture_name(viewer: Any, image: Layer) -> str:
    """The file name of the picture on the screen, of a folder of pictures; "" otherwise."""
    source = image.metadata.get(KEY)
    files = source.header.get("files") if isinstance(source, Source) else None
    if not files or len(files) != source.grid.shape[0]:
        return ""
    return str(files[min(current_slice(viewer, image), len(files) - 1)])
