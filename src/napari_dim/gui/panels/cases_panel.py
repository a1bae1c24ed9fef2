"""The cases of the open project: state, site, search, and from one to the next."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from qtpy.QtCore import QEvent, Qt, QTimer, Signal
from qtpy.QtGui import QFont, QFontMetrics
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_dim.errors import InputError
from napari_dim.gui.keys import do
from napari_dim.gui.layers.napari_compat import canvas_of
from napari_dim.gui.logic.case_list import CaseRow, matching, neighbour, row_of
from napari_dim.gui.session import Session
from napari_dim.gui.storage import project_actions as projects
from napari_dim.gui.widgets.key_passing import KeyPassing
from napari_dim.gui.widgets.small_widgets import while_alive
from napari_dim.project import Project

COLUMNS = ("case", "site", "state")
READ, UNREAD = "✓ Read, next", "↺ Not read"


class CasesPanel(QWidget):
    """A table of the project's cases; a double click, Enter or the arrows open one.

    What is known of the cases is read in the background.

    Parameters
    ----------
    session
        The session of the viewer.
    """

    _found = Signal(object, object)

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.rows: list[CaseRow] = []
        self._reading: object = None
        self.search = QLineEdit()
        self.search.setPlaceholderText("search: name, site, labelled, exported…")
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(lambda _: self._fill())
        self.table = QTableWidget(0, len(COLUMNS))
        self.table.setHorizontalHeaderLabels(COLUMNS)
        self.table.verticalHeader().hide()
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        header = self.table.horizontalHeader()
        header.setStretchLastSection(True)
        # Names of one cohort differ in their middle or end: they come first, the states have
        # the room that is left, and a tip.
        self.table.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.table.setToolTip("Double-click a case, or press Enter, to work on it")
        self.table.itemActivated.connect(lambda item: self._open(self._names()[item.row()]))
        self.before = QPushButton("◀ Previous")
        self.before.clicked.connect(lambda: self._step(-1))
        self.after = QPushButton("Next ▶")
        self.after.clicked.connect(lambda: self._step(1))
        for button, which in ((self.before, "before"), (self.after, "after")):
            button.setToolTip(f"Work on the case {which} this one, of those that are listed")
        self.whose = QLabel()
        self.whose.setWordWrap(True)
        self.read = QPushButton(READ)
        self.read.clicked.connect(self._on_read)
        buttons = QHBoxLayout()
        buttons.addWidget(self.before)
        buttons.addWidget(self.after)
        column = QVBoxLayout(self)
        column.setContentsMargins(4, 4, 4, 4)
        column.addWidget(self.whose)
        column.addWidget(self.search)
        column.addWidget(self.table, 1)
        buttons.addWidget(self.read)
        column.addLayout(buttons)
        self.passing = KeyPassing(self, lambda: canvas_of(session.viewer))
        self.passing.watch(self)
        self._soon = QTimer(self, singleShot=True, interval=300)
        self._soon.timeout.connect(self._read)
        self._font_soon = QTimer(self, singleShot=True, interval=0)
        self._font_soon.timeout.connect(self._follow_font)
        self._found.connect(self._on_found)
        while_alive(self, session.autosave.changed, self.refresh)
        while_alive(self, session.case_changed, self.refresh)
        while_alive(self, session.changed, self.refresh)
        self._read()

    @property
    def project(self) -> Project | None:
        """The open project."""
        return projects.current_project(self.session)

    def refresh(self) -> None:
        """Read the cases anew, soon."""
        if self.isVisible() and not self._soon.isActive():
            self._soon.start()

    def changeEvent(self, event: Any) -> None:  # noqa: N802
        """Follow the window's font, which napari's style doesn't give to lists and lines."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._font_soon.start()

    def _follow_font(self) -> None:
        self.after.ensurePolished()
        font = QFont(self.after.font())
        for widget in (self.search, self.table, self.table.horizontalHeader()):
            if widget.font().pointSizeF() != font.pointSizeF():
                widget.setFont(font)
        self.table.verticalHeader().setDefaultSectionSize(QFontMetrics(font).height() + 10)
        self._fill()

    def showEvent(self, event: Any) -> None:  # noqa: N802
        """Catch up with what happened while it was hidden."""
        self._soon.start()
        self._font_soon.start()
        super().showEvent(event)

    def _read(self) -> None:
        project = self.project
        known = {row.name: row for row in self.rows}
        cases = () if project is None else project.cases
        self.rows = [known.get(case.name, CaseRow(case.name, case.site)) for case in cases]
        self._fill()
        dock = self.parentWidget()
        if project is None and dock is not None:
            dock.hide()  # the layer list has its place again
        if project is not None and self._reading is None:
            self._reading = mark = object()
            threading.Thread(
                target=self._work, args=(project.folder, mark), name="cases", daemon=True
            ).start()

    def _work(self, folder: Path, mark: object) -> None:
        """In the background: a look at the project's files, which changes nothing."""
        rows: list[CaseRow] = []
        try:
            with Project.open(folder, read_only=True) as project:
                rows = [row_of(project, case.name) for case in project.cases]
        except (InputError, OSError):
            pass
        try:
            self._found.emit(rows, mark)
        except RuntimeError:  # the panel is gone
            return

    def _on_found(self, rows: list[CaseRow], mark: object) -> None:
        if mark is self._reading:
            self._reading = None
        there = set() if self.project is None else {case.name for case in self.project.cases}
        if rows and {row.name for row in rows} == there and rows != self.rows:
            self.rows = rows
            self._fill()

    def _names(self) -> list[str]:
        return [row.name for row in matching(self.rows, self.search.text())]

    def _current(self) -> str:
        image = self.session.image
        return "" if image is None else self.session.autosave.case_of(image)

    def _fill(self) -> None:
        shown, current = matching(self.rows, self.search.text()), self._current()
        self.table.setRowCount(len(shown))
        for place, row in enumerate(shown):
            for number, text in enumerate((row.name, row.site, row.state)):
                item = QTableWidgetItem(text)
                font = item.font()
                font.setBold(row.name == current)
                item.setFont(font)
                item.setToolTip(text)
                self.table.setItem(place, number, item)
            if row.name == current:
                self.table.selectRow(place)
        self._fit()
        self._tell_reader(current)
        self.table.setColumnHidden(1, not any(row.site for row in self.rows))
        others = any(row.name != current for row in shown)
        self.before.setEnabled(others)
        self.after.setEnabled(others)

    def _tell_reader(self, current: str) -> None:
        """In a study: whose cases these are, how many are read, and whether this one is."""
        project = self.project
        reader = "" if project is None else project.reader
        self.whose.setVisible(bool(reader))
        self.read.setVisible(bool(reader))
        if project is None or not reader:
            return
        done = sum(bool(case.read) for case in project.cases)
        self.whose.setText(f"My cases ({reader}): {done} of {len(project.cases)} read")
        here = next((case for case in project.cases if case.name == current), None)
        self.read.setEnabled(here is not None)
        self.read.setText(UNREAD if here is not None and here.read else READ)
        self.read.setToolTip(
            "Take back that this case is read"
            if here is not None and here.read
            else "Say that this case is read as it is, and open the next one that is not"
        )

    def _on_read(self) -> None:
        name = self._current()
        if self.read.text() == UNREAD:
            do(self.session, lambda session: projects.mark_unread(session, name))
        else:
            do(self.session, projects.mark_read)
        self._read()

    def _fit(self) -> None:
        """Names have the room that they need, but for a third that is left to the states."""
        room = 2 * self.table.viewport().width() // 3
        self.table.setColumnWidth(0, min(self.table.sizeHintForColumn(0) + 4, room))

    def resizeEvent(self, event: Any) -> None:  # noqa: N802
        """Share the room anew."""
        super().resizeEvent(event)
        self._fit()

    def _step(self, direction: int) -> None:
        name = neighbour(self._names(), self._current(), direction)
        if name:
            self._open(name)

    def _open(self, name: str) -> None:
        if name == self._current():
            return  # Enter comes twice: as the table's activation, and as a key
        do(self.session, lambda session: projects.switch_case(session, name))
        self.refresh()

    def keyPressEvent(self, event: Any) -> None:  # noqa: N802
        """Enter opens the selected case."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.table.currentRow() >= 0:
            self._open(self._names()[self.table.currentRow()])
            return
        super().keyPressEvent(event)


def show_cases(session: Session) -> CasesPanel:
    """Show the panel in the place of the layer list, made when first asked for.

    Below it there would be room for a case or two on a small screen; both have a tab.
    """
    window = session.viewer.window
    known = [dock for name, dock in window.dock_widgets.items() if name == "Cases"]
    if known and isinstance(known[0], CasesPanel):
        known[0].parentWidget().show()
        known[0].parentWidget().raise_()
        return known[0]
    panel = CasesPanel(session)
    dock = window.add_dock_widget(panel, name="Cases", area="left", tabify=True)
    dock.show()
    dock.raise_()
    return panel
