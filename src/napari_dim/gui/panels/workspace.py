"""The workspace: one window part, four tabs in the order of the work."""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property
from typing import Any, TypeVar

import napari.viewer
import numpy as np
from qtpy.QtCore import QEvent, QTimer
from qtpy.QtGui import QDragEnterEvent, QDropEvent, QFont, QFontMetrics, QShowEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QLineEdit,
    QTabWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_dim.errors import InputError
from napari_dim.gui import keys, mouse
from napari_dim.gui.commands import slice_commands as slices
from napari_dim.gui.controller import session_of
from napari_dim.gui.hooks.file_opening import open_paths, tell_reader
from napari_dim.gui.jobs.early_import import import_soon
from napari_dim.gui.layers.image_layers import layer_source, missing_slices
from napari_dim.gui.layers.napari_compat import canvas_of, main_window
from napari_dim.gui.panels import views_dock
from napari_dim.gui.panels.annotate_tab import AnnotateTab
from napari_dim.gui.panels.clean_up_window import CleanUpWindow
from napari_dim.gui.panels.close_question import CloseQuestion
from napari_dim.gui.panels.differences_window import DifferencesWindow
from napari_dim.gui.panels.export_tab import ExportTab
from napari_dim.gui.panels.header_bar import Header
from napari_dim.gui.panels.help_window import HelpWindow
from napari_dim.gui.panels.next_step_line import Guide
from napari_dim.gui.panels.numbers_window import NumbersWindow
from napari_dim.gui.panels.recovery_bar import RecoveryBar
from napari_dim.gui.panels.review_tab import ReviewTab
from napari_dim.gui.panels.train_tab import TrainTab
from napari_dim.gui.widgets.key_passing import KeyPassing
from napari_dim.gui.widgets.on_screen import bring_onto_screen
from napari_dim.gui.widgets.slice_strip import MISSING, Slices, SliceStrip
from napari_dim.gui.widgets.small_widgets import scrolled, while_alive
from napari_dim.states import LABELLED

SomeWindow = TypeVar("SomeWindow", bound=QWidget)
SETTLED = 200
"""Milliseconds after which napari's window has the size that it takes with the workspace."""
WIDE = 51
"""Letters that a line of the workspace holds at least."""


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
        self._lacked: int | None = None
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
        column.addWidget(self.guide)
        column.addWidget(self.strip)
        column.addWidget(self.tabs, 1)
        self._column = column
        self._place_recovery()
        self.setAcceptDrops(True)
        self.passing = KeyPassing(self, lambda: canvas_of(session.viewer))
        self.passing.watch(self)
        self.question = CloseQuestion(session, main_window(session.viewer))
        QTimer.singleShot(0, lambda: tell_reader(session))
        self._settled = QTimer(self, singleShot=True, interval=SETTLED)
        self._settled.timeout.connect(self._on_settled)
        self._settled.start()
        self._font_soon = QTimer(self, singleShot=True, interval=0)
        self._font_soon.timeout.connect(self._follow_font)
        self._soon = QTimer(self, singleShot=True, interval=150)
        self._soon.timeout.connect(self._show_slices)
        session.panel_opened()
        import_soon(self)
        viewer = session.viewer
        keys.bind(viewer, session)
        mouse.bind(session)
        views_dock.bind(session, self)
        question = self.question
        self.destroyed.connect(lambda *_: _closed(session, question))
        while_alive(self, session.help_wanted, self._show_help)
        while_alive(self, session.clean_up_wanted, self._show_clean_up)
        while_alive(self, session.numbers_wanted, self._show_numbers)
        while_alive(self, session.differences_wanted, self._show_differences)
        while_alive(self, session.case_changed, self._show_slices)
        while_alive(self, session.case_changed, self._place_recovery)
        while_alive(self, session.case_changed, self._bind_history)
        while_alive(self, session.slices_changed, self._on_slices)
        while_alive(self, session.viewer.dims.events.point, self._on_point)
        self._bind_history()
        self._show_slices()

    @cached_property
    def help(self) -> HelpWindow:
        """The window of keys; it and those below are made when they are first asked for."""
        return self._made(HelpWindow(self))

    @cached_property
    def clean_up(self) -> CleanUpWindow:
        """The window that cleans up."""
        return self._made(CleanUpWindow(self.session, self))

    @cached_property
    def numbers(self) -> NumbersWindow:
        """The window of numbers and rulers."""
        return self._made(NumbersWindow(self.session, self))

    @cached_property
    def differences(self) -> DifferencesWindow:
        """The window of differences between masks."""
        return self._made(DifferencesWindow(self.session, self))

    def _made(self, window: SomeWindow) -> SomeWindow:
        """Let a new window pass on keys, and have the font, as the workspace does."""
        self.passing.watch(window)
        self._font_soon.start()
        return window

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802
        """Files may be dropped on the workspace, too."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802
        """Open what is dropped with our reader."""
        paths = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
        event.acceptProposedAction()
        open_paths(self.session.viewer, paths)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        """Give lists, tables and the strip the window's font, which napari's style doesn't."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._font_soon.start()

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802
        """As above, once the style is there."""
        super().showEvent(event)
        self._font_soon.start()

    def _on_settled(self) -> None:
        bring_onto_screen(main_window(self.session.viewer))

    def _follow_font(self) -> None:
        label = self.header.case
        label.ensurePolished()
        font = QFont(label.font())
        font.setBold(False)
        kinds = (QAbstractItemView, QToolButton, QLineEdit, SliceStrip)
        for widget in (w for kind in kinds for w in self.findChildren(kind)):
            if widget.font().pointSizeF() != font.pointSizeF():
                widget.setFont(font)
        # Wide enough for every tab in this font, so that the dock does not grow while one works.
        wide = WIDE * QFontMetrics(font).averageCharWidth()
        self.tabs.setMinimumWidth(max(wide, self.tabs.minimumSizeHint().width()))

    def _show_help(self) -> None:
        self.help.setVisible(not self.help.isVisible())

    def _show_clean_up(self) -> None:
        self.clean_up.setVisible(not self.clean_up.isVisible())

    def _show_numbers(self) -> None:
        self.numbers.setVisible(not self.numbers.isVisible())

    def _show_differences(self, direction: int) -> None:
        if not direction:
            self.differences.setVisible(not self.differences.isVisible())
        elif self.differences.isVisible():
            with keys.told(self.session):
                self.session.say(self.differences.step(direction))
        else:
            self.differences.setVisible(True)

    def _bind_history(self) -> None:
        keys.bind_history(self.session)

    def _place_recovery(self) -> None:
        """Offered first of all; beside work that goes on, where nothing moves when it goes."""
        first = self.session.image is None
        self._column.insertWidget(1 if first else -1, self.recovery)

    def _open_tab(self, place: int) -> None:
        self.tabs.setCurrentIndex(place)

    def _on_slices(self) -> None:
        self._soon.start()

    def _on_point(self, event: Any = None) -> None:
        session, number = self.session, slices.current(self.session)
        self.strip.show_current(number)
        lacked = number if number in self.strip.slices.missing else None
        if lacked is None and session.message.endswith(MISSING):
            session.say("")
        elif lacked not in (None, self._lacked):  # said as one comes there, not after each act
            session.say(f"Slice {number} is {MISSING}")
        self._lacked = lacked

    def _show_slices(self) -> None:
        shown = strip_of(self.session)
        self.strip.show_slices(shown)
        self.strip.setVisible(len(shown.states) > 1)
        self._on_point()


def strip_of(session: Any) -> Slices:
    """What the strip shows of the scan that is worked on."""
    mask = session.mask
    if mask is None:
        count = slice_count(session.image)
        return Slices(
            np.zeros(count, np.uint8), np.zeros(count), np.full(count, np.nan),
            missing=missing_slices(session.image),
        )  # fmt: skip
    suggested = {
        s.number: s.reason for s in session.suggested_here if mask.states[s.number] not in LABELLED
    }
    return Slices(
        mask.states, mask.areas.astype(float), mask.answer.entropy, suggested, mask.missing
    )


def slice_count(image: Any) -> int:
    """How many slices a scan has; 0 without one, or where it can't be cut into slices."""
    try:
        return 0 if image is None else int(layer_source(image).grid.shape[0])
    except InputError:
        return 0


def _closed(session: Any, question: CloseQuestion) -> None:
    question.forget()
    if session.panel_closed():
        with suppress(RuntimeError):  # The viewer went first.
            keys.unbind(session.viewer)
            mouse.unbind(session)
            views_dock.unbind(session)
