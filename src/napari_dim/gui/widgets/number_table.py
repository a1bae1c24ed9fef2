"""A table of numbers that is only read: names at the left, numbers at the right."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt
from qtpy.QtGui import QFont
from qtpy.QtWidgets import QHeaderView, QTableWidget, QTableWidgetItem


class NumberTable(QTableWidget):
    """Rows of text under a header; what is there already is only written anew.

    Parameters
    ----------
    tip
        What it shows.
    stretched
        Whether its columns share its width, or are as wide as what they hold.
    """

    def __init__(self, tip: str, *, stretched: bool) -> None:
        super().__init__(0, 0)
        self.setToolTip(tip)
        self.verticalHeader().hide()
        self.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QTableWidget.SelectionBehavior.SelectRows)
        modes = QHeaderView.ResizeMode
        mode = modes.Stretch if stretched else modes.ResizeToContents
        self.horizontalHeader().setSectionResizeMode(mode)

    def fill(
        self, header: Sequence[str], rows: Sequence[Sequence[str]], *, title: int = -1
    ) -> None:
        """Show other rows; the one in the place of `title` is a header of those that follow."""
        count = max((len(row) for row in (header, *rows)), default=0)
        self.setColumnCount(count)
        self.setHorizontalHeaderLabels([*header, *[""] * (count - len(header))])
        self.setRowCount(len(rows))
        plain, bold = self.font(), QFont(self.font())
        bold.setBold(True)
        for number, row in enumerate(rows):
            for column, text in enumerate([*row, *[""] * (count - len(row))]):
                item = self.item(number, column)
                if item is None:
                    item = QTableWidgetItem()
                    side = Qt.AlignmentFlag.AlignRight if column else Qt.AlignmentFlag.AlignLeft
                    item.setTextAlignment(side | Qt.AlignmentFlag.AlignVCenter)
                    self.setItem(number, column, item)
                if item.text() != text:
                    item.setText(text)
                item.setFont(bold if number == title else plain)

    def fit(self, most: int) -> None:
        """Be as high as the rows, `most` at most."""
        rows = min(max(self.rowCount(), 1), most)
        row = self.verticalHeader().defaultSectionSize()
        self.setFixedHeight(self.horizontalHeader().height() + row * rows + 4)
