"""All keys and what the mouse does, in a small window of its own."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDialog, QTextBrowser, QVBoxLayout, QWidget

from napari_dim.gui.keys import NAPARIS, SHOWN
from napari_dim.gui.mouse import GESTURES


class HelpWindow(QDialog):
    """Stands beside the work; the key that opened it closes it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keys and mouse")
        self.setModal(False)
        # It keeps the keys with the canvas: they are tried while one reads.
        self.setAttribute(Qt.WidgetAttribute.WA_ShowWithoutActivating)
        self.text = QTextBrowser()
        self.text.setHtml(
            _table("Keys", SHOWN)
            + _table("Mouse over the scan", GESTURES)
            + _table("napari's own keys used most", NAPARIS)
        )
        column = QVBoxLayout(self)
        column.setContentsMargins(4, 4, 4, 4)
        column.addWidget(self.text)
        self.resize(520, 620)


def _table(title: str, rows: Iterable[tuple[str, str]]) -> str:
    cells = "".join(
        f"<tr><td style='padding-right: 12px'><b>{escape(key)}</b></td><td>{escape(text)}</td></tr>"
        for key, text in rows
    )
    return f"<h3>{escape(title)}</h3><table>{cells}</table>"
