"""Numbers of the mask that follow the work, and what was measured, as one table that copies."""

from __future__ import annotations

from functools import partial
from typing import Any

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QKeyEvent, QKeySequence
from qtpy.QtWidgets import (
    QApplication,
    QHBoxLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_dim.gui.commands.slice_commands import current, go_to
from napari_dim.gui.jobs.live_counting import LiveCounting
from napari_dim.gui.keys import do, key_of
from napari_dim.gui.layers.image_layers import layer_source
from napari_dim.gui.layers.layer_classes import classes_of
from napari_dim.gui.logic import live_numbers, measures
from napari_dim.gui.session import Session
from napari_dim.gui.state.rulers import Rulers
from napari_dim.gui.tools.ruler_tool import RulerTool, take_ruler
from napari_dim.gui.widgets.fixed_lines import FixedLines
from napari_dim.gui.widgets.number_table import NumberTable
from napari_dim.gui.widgets.small_widgets import while_alive
from napari_dim.gui.widgets.small_window import SmallWindow
from napari_dim.words import count as counted

Row = tuple[str, ...]


class NumbersWindow(SmallWindow):
    """A row a class, then a row a ruler or angle; stands beside the work.

    Parameters
    ----------
    session
        The session of the viewer.
    parent
        What it belongs to.
    """

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(parent, "Numbers and rulers", 700, 240)
        self.session = session
        self.classes: list[Row] = []
        self.measured: list[Row] = []
        self._rulers: Rulers | None = None
        self.counting = LiveCounting(session, self)
        self.table = NumberTable(
            "Ctrl-C copies all of it; Delete removes the rulers selected", stretched=False
        )
        self.table.cellClicked.connect(self._on_row)
        self.table.installEventFilter(self)
        self.text = FixedLines(2)
        self.ruler = QPushButton("Ruler")
        self.ruler.setToolTip(f"Click two places, or drag: a length in mm{key_of(take_ruler)}")
        self.angle = QPushButton("Angle")
        self.angle.setToolTip("Click three places: the angle at the second one")
        for button, action in (
            (self.ruler, partial(take_ruler, angle=False)),
            (self.angle, partial(take_ruler, angle=True)),
        ):  # fmt: skip
            button.setCheckable(True)
            button.clicked.connect(lambda _=False, action=action: self._on_tool_button(action))
        self.remove = QPushButton("Remove")
        self.remove.setToolTip("Remove the rulers and angles that are selected  [Delete]")
        self.remove.clicked.connect(self._on_remove)
        self.copy = QPushButton("Copy")
        self.copy.setToolTip("Copy the whole table, for a spreadsheet  [Ctrl-C]")
        self.copy.clicked.connect(self.copy_all)
        row = QHBoxLayout()
        for button in (self.ruler, self.angle, self.remove, self.copy):
            button.setAutoDefault(False)
            row.addWidget(button)
        column = QVBoxLayout(self)
        column.addWidget(self.table, 1)
        column.addWidget(self.text)
        column.addLayout(row)
        self.counting.known.connect(self._show)
        while_alive(self, session.case_changed, self._on_case)
        while_alive(self, session.tool_changed, self._on_tool)
        while_alive(self, session.measured, self._on_measured)
        while_alive(self, session.viewer.dims.events.point, self._show)
        while_alive(self, session.slices_changed, self._show)  # names of classes
        self._on_case()

    def text_copied(self) -> str:
        """All of the table, a tab between cells; rulers follow after an empty line."""
        blocks = [block for block in (self.classes, self.measured) if len(block) > 1]
        return "\n\n".join("\n".join("\t".join(row) for row in block) for block in blocks)

    def copy_all(self) -> None:
        """Put the whole table on the clipboard."""
        QApplication.clipboard().setText(self.text_copied())
        self.session.say("The table is on the clipboard")

    def showEvent(self, event: Any) -> None:  # noqa: N802
        """Count from now on."""
        super().showEvent(event)
        self.counting.follow(True)
        self._show()

    def hideEvent(self, event: Any) -> None:  # noqa: N802
        """Count no longer."""
        super().hideEvent(event)
        self.counting.follow(False)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Copy and remove by key."""
        if watched is self.table and event.type() == QEvent.Type.KeyPress:
            assert isinstance(event, QKeyEvent)
            if event.matches(QKeySequence.StandardKey.Copy):
                self.copy_all()
                return True
            if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
                self._on_remove()
                return True
        return bool(super().eventFilter(watched, event))

    def _on_case(self) -> None:
        image = self.session.image
        self._rulers = None if image is None else self.session.rulers_of(image)
        self._show()

    def _show(self, *_: object) -> None:
        if not self.isVisible():
            return
        session, image, mask = self.session, self.session.image, self.session.mask
        self.classes, self.measured, numbers = [], [], self.counting.numbers
        if image is None:
            self.text.say("No scan is open.")
        elif mask is None or numbers is None:
            self.text.say("The scan has no mask yet: press New and paint some slices.")
        else:
            grid = layer_source(mask.layer).grid
            number, labelled = current(session), mask.labelled
            known = classes_of(mask.layer)
            self.classes = live_numbers.rows(
                [numbers.of(info.id, number, labelled) for info in known],
                {info.id: info.name for info in known},
                grid,
            )
            self.text.say(self._said(number))
        if image is not None and self._rulers is not None:
            self.measured = measures.rows(self._rulers.done, layer_source(image).grid)
        self._fill()

    def _on_measured(self, *_: object) -> None:
        before = len(self.measured)
        self._show()
        if len(self.measured) > before:
            self.table.scrollToBottom()  # what was measured just now is seen

    def _said(self, number: int) -> str:
        image, waiting = self.session.image, self.counting.waiting
        assert image is not None
        what = f"“here” is slice {number}."
        if image.rgb:
            what += " Intensities are luminance: 0.2126 red, 0.7152 green, 0.0722 blue."
        elif layer_source(image).channels is not None:
            what += f" Intensities are those of “{image.name}”."
        else:
            what += " Intensities are those of the scan."
        return f"{what} Counting {waiting} more slices…" if waiting else what

    def _fill(self) -> None:
        header, *classes = self.classes or [()]
        measured = self.measured if len(self.measured) > 1 else []
        self.table.fill(header, [*classes, *measured], title=len(classes) if measured else -1)
        self.remove.setEnabled(bool(measured))
        self.copy.setEnabled(bool(classes or measured))

    def _ruler_of(self, row: int) -> int:
        """Which ruler stands in a row of the table; below 0 for a class or the header."""
        return row - max(len(self.classes) - 1, 0) - 1 if len(self.measured) > 1 else -1

    def _on_row(self, row: int, column: int) -> None:
        """A click on a ruler goes to its slice."""
        number = self._ruler_of(row)
        if number >= 0 and self._rulers is not None:
            go_to(self.session, round(self._rulers.done[number][0][0]))

    def _on_remove(self) -> None:
        rows = {index.row() for index in self.table.selectionModel().selectedRows()}
        wanted = [n for n in map(self._ruler_of, rows) if n >= 0]
        if self._rulers is not None:
            self._rulers.remove(wanted)
        them = "it" if len(wanted) == 1 else "them"
        self.session.say(
            f"Removed {counted(len(wanted), 'measurement')}; Ctrl-Z brings {them} back"
            if wanted
            else "Select a ruler or an angle in the table first"
        )

    def _on_tool_button(self, action: Any) -> None:
        do(self.session, action)
        self._on_tool()

    def _on_tool(self) -> None:
        """Show on the buttons what is in the hand."""
        tool = self.session.tool
        held = isinstance(tool, RulerTool)
        self.ruler.setChecked(held and not tool.angle)
        self.angle.setChecked(held and tool.angle)
