"""A mask against a reference layer: the metrics of the paper, as a table to copy or save."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
from napari.layers import Labels
from qtpy.QtWidgets import (
    QApplication,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_dim.engine.evaluation.metrics import score
from napari_dim.errors import InputError
from napari_dim.gui.layers.image_layers import labels_array, layer_source
from napari_dim.gui.layers.layer_classes import classes_of
from napari_dim.gui.layers.mask_place import laid
from napari_dim.gui.session import Session
from napari_dim.gui.widgets.small_widgets import LayerPicker, captioned, while_alive
from napari_dim.io import write_text_atomically

Row = tuple[str, ...]


def compared(mask: Labels, reference: Labels) -> list[Row]:
    """The metrics of each class of two labels layers, the header first.

    Raises
    ------
    InputError
        If they don't lie on each other.
    """
    a, (b, _) = labels_array(mask), laid(reference, mask)
    grid = layer_source(mask).grid
    unit = grid.unit
    names = {info.id: info.name for info in (*classes_of(reference), *classes_of(mask))}
    ids = sorted({int(i) for i in np.union1d(np.unique(a), np.unique(b)) if i})
    rows: list[Row] = [("class", "Dice", "Jaccard", f"HD95 ({unit})", f"ASD ({unit})")]
    for class_id, scores in score(a, b, grid.spacing, ids).items():
        values = (scores.dice, scores.jaccard, scores.hd95, scores.asd)
        rows.append(
            (
                names.get(class_id, str(class_id)),
                *("-" if value is None else f"{value:.3f}" for value in values),
            )
        )
    return rows


class CompareBox(QWidget):
    """Chooses two labels layers and shows how well they agree."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.rows: list[Row] = []
        self.mask = LayerPicker(session, Labels)
        self.reference = LayerPicker(session, Labels)
        self.reference.setToolTip("A mask that is known to be right")
        self.button = QPushButton("Compare")
        self.button.clicked.connect(self.compare)
        self.copy = QPushButton("Copy")
        self.copy.clicked.connect(self._on_copy)
        self.save = QPushButton("Save as CSV…")
        self.save.clicked.connect(self._on_save)
        self.table = QTableWidget(0, 5)
        self.table.verticalHeader().hide()
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        form = QFormLayout()
        captioned(form, "mask", self.mask)
        captioned(form, "reference", self.reference)
        row = QHBoxLayout()
        for button in (self.button, self.copy, self.save):
            row.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(form)
        column.addLayout(row)
        column.addWidget(self.table)
        while_alive(self, session.predicted, self._on_predicted)
        self._show([])

    def compare(self) -> None:
        """Fill the table."""
        from napari.utils.notifications import show_warning

        mask, reference = self.mask.layer, self.reference.layer
        if mask is None or reference is None or mask is reference:
            show_warning("Choose two labels layers: a mask, and a reference that is right")
            return
        try:
            self._show(compared(mask, reference))
        except InputError as error:
            show_warning(str(error))

    def save_csv(self, path: Path) -> None:
        """Write the table, whole or not at all."""
        text = io.StringIO()
        csv.writer(text).writerows(self.rows)
        write_text_atomically(path, text.getvalue())

    def _show(self, rows: list[Row]) -> None:
        self.rows = rows
        self.table.setVisible(bool(rows))
        self.copy.setEnabled(bool(rows))
        self.save.setEnabled(bool(rows))
        if not rows:
            return
        self.table.setHorizontalHeaderLabels(list(rows[0]))
        self.table.setRowCount(len(rows) - 1)
        for number, row in enumerate(rows[1:]):
            for column, text in enumerate(row):
                self.table.setItem(number, column, QTableWidgetItem(text))
        self.table.setFixedHeight(32 + 28 * min(len(rows) - 1, 6))

    def _on_predicted(self, layer: Labels) -> None:
        self.mask.refresh()
        self.mask.pick(layer)

    def _on_copy(self) -> None:
        QApplication.clipboard().setText("\n".join("\t".join(row) for row in self.rows))

    def _on_save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save the table", "scores.csv", "CSV (*.csv)")
        if path:
            self.save_csv(Path(path))
