"""The workspace: one window part, four tabs in the order of the work."""

from __future__ import annotations

from typing import Any

import napari.viewer
from qtpy.QtCore import QTimer
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QTabWidget, QVBoxLayout, QWidget

from napari_dim.gui import keys
from napari_dim.gui.commands import slice_commands as slices
from napari_dim.gui.controller import session_of
from napari_dim.gui.hooks.file_opening import open_paths, tell_reader
from napari_dim.gui.jobs.early_import import import_soon
from napari_dim.gui.panels.annotate_tab import AnnotateTab
from napari_dim.gui.panels.export_tab import ExportTab
from napari_dim.gui.panels.header_bar import Header
from napari_dim.gui.panels.next_step_line import Guide
from napari_dim.gui.panels.recovery_bar import RecoveryBar
from napari_dim.gui.panels.review_tab import ReviewTab
from napari_dim.gui.panels.train_tab import TrainTab
from napari_dim.gui.widgets.slice_strip import Slices, SliceStrip
from napari_dim.gui.widgets.small_widgets import scrolled, while_alive


class Workspace(QWidget):
    """Annotate, Train, Review and Export, below a header that says what goes on.

    Parameters
    ----------
    viewer
        The viewer whose layers are used.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        session = self.session = session_of(viewer)
        self.header = Header(session)
        self.guide = Guide(session)
        self.guide.wanted.connect(self._open_tab)
        self.strip = SliceStrip()
        self.strip.clicked.connect(lambda number: slices.go_to(session, number))
        self.train = TrainTab(session)
        self.review = ReviewTab(session)
        self.export = ExportTab(session)
        self.annotate = AnnotateTab(session)  # the last one: it chooses the case
        self.tabs = QTabWidget()
        for tab, title in (
            (self.annotate, "Annotate"),
            (self.train, "Train"),
            (self.review, "Review"),
            (self.export, "Export"),
        ):
            self.tabs.addTab(scrolled(tab), title)
        column = QVBoxLayout(self)
        column.setContentsMargins(4, 4, 4, 0)
        column.setSpacing(4)
        self.recovery = RecoveryBar(session)
        column.addWidget(self.header)
        column.addWidget(self.recovery)
        column.addWidget(self.guide)
        column.addWidget(self.strip)
        column.addWidget(self.tabs, 1)
        self.setAcceptDrops(True)
        QTimer.singleShot(0, tell_reader)
        self._soon = QTimer(self, singleShot=True, interval=150)
        self._soon.timeout.connect(self._show_slices)
        session.panel_opened()
        import_soon(self)
        viewer = session.viewer
        keys.bind(viewer, session)
        self.destroyed.connect(lambda *_: _closed(session))
        while_alive(self, session.case_changed, self._show_slices)
        while_alive(self, session.slices_changed, self._on_slices)
        while_alive(self, session.viewer.dims.events.point, self._on_point)
        self._show_slices()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802
        """Files may be dropped on the workspace, too."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802
        """Open what is dropped with our reader."""
        paths = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
        event.acceptProposedAction()
        open_paths(self.session.viewer, paths)

    def _open_tab(self, place: int) -> None:
        self.tabs.setCurrentIndex(place)

    def _on_slices(self) -> None:
        self._soon.start()

    def _on_point(self, event: Any = None) -> None:
        self.strip.show_current(slices.current(self.session))

    def _show_slices(self) -> None:
        shown = strip_of(self.session)
        self.strip.show_slices(shown)
        self.strip.setVisible(len(shown.states) > 1)
        self._on_point()


def strip_of(session: Any) -> Slices:
    """What the strip shows of the scan that is worked on."""
    mask = session.mask
    if mask is None:
        return Slices()
    suggested = {s.number: s.reason for s in session.suggested_here}
    return Slices(mask.states, mask.areas.astype(float), mask.answer.entropy, suggested)


def _closed(session: Any) -> None:
    session.panel_closed()
    try:
        keys.unbind(session.viewer)
    except RuntimeError:  # The viewer went first.
        return
