"""All keys and what the mouse does, in a small window of its own."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from qtpy.QtWidgets import QTextBrowser, QVBoxLayout, QWidget

from napari_dim.gui.keys import NAPARIS, SHOWN
from napari_dim.gui.mouse import GESTURES
from napari_dim.gui.widgets.small_window import SmallWindow


class HelpWindow(SmallWindow):
    """Stands beside the work; the key that opened it closes it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, "Keys and mouse", 520, 620)
        self.text = QTextBrowser()
        self.text.setHtml(
            _table("Keys", SHOWN)
            + _table("Mouse over the scan", GESTURES)
            + _table("napari's own keys used most", NAPARIS)
        )
        column = QVBoxLayout(self)
        column.setContentsMargins(4, 4, 4, 4)
        column.addWidget(self.text)


def _table(title: str, rows: Iterable[tuple[str, str]]) -> str:
    cells = "".join(
        f"<tr><td style='padding-right: 12px'><b>{escape(key)}</b></td><td>{escape(text)}</td></tr>"
        for key, text in rows
    )
    return f"<h3>{escape(title)}</h3><table>{cells}</table>"
