"""The table of classes: shows and edits them; a click takes the brush of one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QEvent, QModelIndex, QObject, Qt, Signal
from qtpy.QtGui import QColor, QPainter
from qtpy.QtWidgets import (
    QColorDialog,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QHeaderView,
    QMessageBox,
    QPushButton,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_dim.gui.commands.class_commands import BY_KEY
from napari_dim.gui.layers.image_layers import class_colours
from napari_dim.gui.layers.layer_classes import (
    KEY,
    ClassInfo,
    classes_of,
    fresh_class,
    painted_ids,
    set_classes,
)
from napari_dim.gui.layers.mask_layer import BRUSH
from napari_dim.gui.layers.searched_classes import removed, renumbered
from napari_dim.words import count as counted


class _Swatch(QStyledItemDelegate):
    """Paints the colour of a class, on the selected row as well."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        super().paint(painter, option, index)
        colour = index.data(Qt.ItemDataRole.BackgroundRole)
        painter.fillRect(option.rect.adjusted(3, 3, -3, -3), colour)


def _key_of(row: int) -> str:
    """The key that takes the class of a row, as this system writes it; empty without one."""
    if row >= BY_KEY:
        return ""
    return f"⌥{row + 1}" if sys.platform == "darwin" else f"Alt-{row + 1}"


def _no_step(title: str) -> AbstractContextManager[None]:
    return nullcontext()


class ClassTable(QWidget):
    """Shows and edits the classes; a click takes the brush of one.

    Parameters
    ----------
    step
        Given what a change is called, makes what is done within it one step of undoing.
    """

    picked = Signal(int)
    followed = Signal()
    """The brush in the hand is another one, whoever took it."""
    edited = Signal()
    added = Signal(object)
    """Ids of the classes there were before one came."""
    relabelled = Signal(int, int)
    """The id of a class, and the one that its voxels are to have; 0 erases them."""

    def __init__(self, step: Callable[[str], AbstractContextManager[None]] = _no_step) -> None:
        super().__init__()
        self._step = step
        self._layer: Labels | None = None
        self._filling = False
        self.table = QTableWidget(0, 4)
        self.table.setHorizontalHeaderLabels(["", "class", "id", "key"])
        self.table.verticalHeader().hide()
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        self.table.setColumnWidth(0, 26)
        self.table.setColumnWidth(2, 56)
        self.table.setSelectionBehavior(QTableWidget.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QTableWidget.SelectionMode.SingleSelection)
        self.table.setEditTriggers(
            QTableWidget.EditTrigger.DoubleClicked | QTableWidget.EditTrigger.EditKeyPressed
        )
        self.table.setItemDelegateForColumn(0, _Swatch(self.table))
        self.table.setToolTip(
            "Click a class to paint it, or press its key; double-click its colour, name or id to "
            "change it"
        )
        self.table.installEventFilter(self)
        self.table.itemChanged.connect(self._on_item)
        self.table.itemSelectionChanged.connect(self._on_selected)
        self.table.cellClicked.connect(self._on_selected)  # that of the selected row, too
        self.table.cellDoubleClicked.connect(self._on_double)
        self.add = QPushButton("+")
        self.add.setToolTip("Add a class")
        self.add.clicked.connect(self._on_add)
        self.remove = QPushButton("−")
        self.remove.setToolTip(
            "Remove the class; what is painted of it is erased or becomes another class, as you say"
        )
        self.remove.clicked.connect(self._on_remove)
        buttons = QVBoxLayout()
        buttons.setSpacing(2)
        for button in (self.add, self.remove):
            button.setFixedWidth(28)
            buttons.addWidget(button)
        buttons.addStretch(1)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.table, 1)
        row.addLayout(buttons)

    def show_layer(self, layer: Labels | None) -> None:
        """Show the classes of another layer."""
        if layer is not self._layer:
            for one, act in ((self._layer, "disconnect"), (layer, "connect")):
                if one is not None:
                    getattr(one.events.selected_label, act)(self._follow)
        self._layer = layer
        self.setEnabled(layer is not None)
        classes = [] if layer is None else classes_of(layer)
        if layer is not None and KEY not in layer.metadata:
            layer.metadata[KEY] = tuple(classes)  # From now on nobody needs to look for them.
            layer.colormap = class_colours()  # napari's own would not be the table's
        self._fill(classes)

    def follow(self) -> None:
        """Show the classes as they are by now: undoing changes them, too."""
        known = [] if self._layer is None else classes_of(self._layer)
        if [(i.id, i.name, QColor(i.colour).name()) for i in known] != [
            (i.id, i.name, i.colour) for i in self.classes
        ]:
            self._fill(known)

    def notice(self, plane: np.ndarray) -> None:
        """Add the classes that are painted in a slice and not in the table yet."""
        layer = self._layer
        if layer is None:
            return
        brush = layer.metadata.get(BRUSH)
        new = painted_ids(plane[None]) - {brush} - {info.id for info in classes_of(layer)}
        if new:
            self._keep(sorted((*self.classes, *map(fresh_class, new)), key=lambda info: info.id))
            self._fill(classes_of(layer))

    @property
    def layer(self) -> Labels | None:
        """Whose classes they are."""
        return self._layer

    @property
    def classes(self) -> list[ClassInfo]:
        """The classes shown."""
        rows = range(self.table.rowCount())
        return [
            ClassInfo(
                int(self.table.item(row, 2).text()),
                self.table.item(row, 1).text(),
                self.table.item(row, 0).background().color().name(),
            )
            for row in rows
        ]

    def _fill(self, classes: list[ClassInfo]) -> None:
        self._filling = True
        self.table.setRowCount(len(classes))
        for row, info in enumerate(classes):
            colour = QTableWidgetItem()
            colour.setBackground(QColor(info.colour))
            colour.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
            self.table.setItem(row, 0, colour)
            self.table.setItem(row, 1, QTableWidgetItem(info.name))
            number = QTableWidgetItem(str(info.id))
            number.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self.table.setItem(row, 2, number)
            key = QTableWidgetItem(_key_of(row))
            key.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
            self.table.setItem(row, 3, key)
        self._fit()
        self._filling = False
        self._follow()

    def _follow(self, event: object = None) -> None:
        """Select the class whose brush is in the hand; none while background is painted."""
        brush = None if self._layer is None else self._layer.selected_label
        row = next((n for n, info in enumerate(self.classes) if info.id == brush), -1)
        self._filling = True
        self.table.clearSelection()
        self.table.setCurrentCell(row, 1 if row >= 0 else -1)
        self._filling = False
        self.remove.setEnabled(row >= 0 and self.table.rowCount() > 1)
        self.followed.emit()

    def _fit(self) -> None:
        """As high as the classes are in the window's font, five at most."""
        row = self.table.fontMetrics().height() + 10
        self.table.verticalHeader().setDefaultSectionSize(row)
        self.table.setColumnWidth(0, row)
        for column, widest in ((2, "00000"), (3, _key_of(0))):
            width = self.table.fontMetrics().horizontalAdvance(widest) + 12
            self.table.setColumnWidth(column, width)
        # The header's own wish still is that of the font before.
        self.table.horizontalHeader().setFixedHeight(row)
        self.table.setFixedHeight(row + min(max(self.table.rowCount(), 2), 5) * row + 6)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Grow with the table's font."""
        if watched is self.table and event.type() == QEvent.Type.FontChange:
            self._fit()
        return bool(super().eventFilter(watched, event))

    def _on_item(self, item: QTableWidgetItem) -> None:
        if self._filling or self._layer is None:
            return
        before = classes_of(self._layer)
        if item.column() == 2:
            self._renumber(item.row(), item.text(), before)
            return
        with self._step("name or colour of a class"):
            self._keep(self.classes)

    def _renumber(self, row: int, text: str, before: list[ClassInfo]) -> None:
        """Give a class another id, in the mask as well, as one step that can be undone."""
        layer, old = self._layer, before[row].id
        assert layer is not None
        largest = np.iinfo(layer.data.dtype).max
        taken = {info.id for info in before} - {old}
        if not text.isdigit() or not 0 < int(text) <= largest or int(text) in taken:
            from napari.utils.notifications import show_warning

            show_warning(f"An id is a number from 1 to {largest} that no other class has")
            self._fill(before)
            return
        named = [ClassInfo(int(text), i.name, i.colour) if i.id == old else i for i in before]
        with self._step(f"class {old} becomes {text}"):
            self.relabelled.emit(old, int(text))
            renumbered(layer, old, int(text))
            self._keep(named)
        self._fill(classes_of(layer))

    def _on_double(self, row: int, column: int) -> None:
        if column == 0 and self._layer is not None:
            chosen = QColorDialog.getColor(self.table.item(row, 0).background().color(), self)
            if chosen.isValid():
                self.table.item(row, 0).setBackground(chosen)

    def _on_selected(self, *cell: int) -> None:
        row = self.table.currentRow()
        if not self._filling and self._layer is not None and 0 <= row < self.table.rowCount():
            self.picked.emit(int(self.table.item(row, 2).text()))

    def _on_add(self) -> None:
        if self._layer is not None:
            before = classes_of(self._layer)
            brush = self._layer.metadata.get(BRUSH)
            free = next(i for i in range(1, 2**31) if i not in {c.id for c in before} | {brush})
            with self._step("add a class"):
                self._keep([*before, fresh_class(free)])
            self._fill(classes_of(self._layer))
            self.table.selectRow(self.table.rowCount() - 1)

    def _on_remove(self) -> None:
        layer, row = self._layer, self.table.currentRow()
        if layer is None or not 0 <= row < self.table.rowCount():
            return
        before = classes_of(layer)
        gone, others = before[row], [info for info in before if info is not before[row]]
        where = np.nonzero(np.asarray(layer.data) == gone.id)
        painted = bool(where[0].size)
        into = self._ask_into(gone, others, len(np.unique(where[0]))) if painted else 0
        if into is None:
            return
        with self._step(f"remove class {gone.id}"):
            if painted:
                self.relabelled.emit(gone.id, into)
            removed(layer, gone.id, [info.id for info in others])
            self._keep(others)
        layer.selected_label = into or others[min(row, len(others) - 1)].id
        self._fill(classes_of(layer))

    def _ask_into(self, gone: ClassInfo, others: list[ClassInfo], slices: int) -> int | None:
        """The id that what is painted of a class gets: 0 erases it, None keeps all."""
        box = QMessageBox(self)
        box.setWindowTitle("Remove the class?")
        box.setText(
            f"“{gone.name}” is painted in {counted(slices, 'slice')}. What is to "
            "become of it? Ctrl-Z brings it back."
        )
        erase = box.addButton("Erase it", QMessageBox.ButtonRole.DestructiveRole)
        merge = box.addButton("Make it", QMessageBox.ButtonRole.AcceptRole)
        choice = QComboBox()
        for info in others:
            choice.addItem(info.name, info.id)
        merge.setText(f"Make it “{choice.currentText()}”")
        choice.currentTextChanged.connect(lambda name: merge.setText(f"Make it “{name}”"))
        layout = box.layout()
        if len(others) > 1 and isinstance(layout, QGridLayout):
            layout.addWidget(choice, layout.rowCount(), 0, 1, layout.columnCount())
        cancel = box.addButton(QMessageBox.StandardButton.Cancel)
        box.setDefaultButton(cancel)
        box.exec()
        pressed = box.clickedButton()
        if pressed is erase:
            return 0
        return int(choice.currentData()) if pressed is merge else None

    def _keep(self, classes: list[ClassInfo]) -> None:
        assert self._layer is not None
        before = {info.id for info in classes_of(self._layer)}
        set_classes(self._layer, classes)
        if {info.id for info in classes} > before:
            self.added.emit(before)
        self.edited.emit()
