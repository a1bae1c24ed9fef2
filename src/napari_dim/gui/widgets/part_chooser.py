"""Which of several images in a file or folder the annotator wants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QDialogButtonBox,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_dim.io import Part


class PartsDialog(QDialog):
    """A list of images; each chosen one becomes a layer."""

    def __init__(self, path: Path, parts: tuple[Part, ...], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Several images")
        text = QLabel(
            f"<b>{path.name}</b> can be opened as {len(parts)} images. Which shall it be?<br>"
            "Ctrl-click or Shift-click chooses several."
        )
        text.setTextFormat(Qt.TextFormat.RichText)
        self.list = QListWidget()
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        for part in parts:
            item = QListWidgetItem(f"{part.key}:  {part.text}")
            item.setData(Qt.ItemDataRole.UserRole, part)
            self.list.addItem(item)
        self.list.setCurrentRow(0)
        self.list.itemDoubleClicked.connect(self.accept)
        buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Open | QDialogButtonBox.StandardButton.Cancel
        )
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.addWidget(text)
        column.addWidget(self.list)
        column.addWidget(buttons)
        self.resize(560, 320)

    def chosen(self) -> list[Part]:
        """The parts that are marked, in their order."""
        rows = sorted(self.list.row(item) for item in self.list.selectedItems())
        return [self.list.item(row).data(Qt.ItemDataRole.UserRole) for row in rows]


def choose_parts(path: Path, parts: tuple[Part, ...]) -> list[Part | None]:
    """Ask which of `parts` to open; ``[None]``, the format's choice, where nobody can be asked.

    Cancelled, it is an empty list.
    """
    window = visible_window()
    if not parts or window is None:
        return [None]
    dialog = PartsDialog(path, parts, window)
    try:
        return list(dialog.chosen()) if dialog.exec() == QDialog.DialogCode.Accepted else []
    finally:
        dialog.deleteLater()


def visible_window() -> Any | None:
    """The window of the current viewer, if someone sees it."""
    import napari

    viewer = napari.current_viewer()
    window = getattr(getattr(viewer, "window", None), "_qt_window", None)
    return window if window is not None and window.isVisible() else None
