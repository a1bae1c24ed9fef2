"""Small widgets and helpers that the panels share."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from napari.layers import Image, Labels, Layer
from qtpy.QtCore import QEvent, QObject, QSize, Qt, Signal
from qtpy.QtGui import QIcon, QPixmap
from qtpy.QtWidgets import (
    QFileDialog,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayout,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QWidget,
)
from superqt import QCollapsible

from napari_dim.gui.session import Session
from napari_dim.gui.widgets.narrow_box import NarrowBox

WIDTH = 330
"""Least width of a panel, in pixels; it grows where the font needs it."""


def while_alive(owner: QObject, signal: Any, slot: Callable[..., None]) -> None:
    """Connect a method of `owner` to a napari or psygnal signal until Qt deletes `owner`."""
    method = weakref.WeakMethod(slot)  # type: ignore[arg-type]

    def forward(*args: Any) -> None:
        call = method()
        if call is not None:
            call(*args)

    signal.connect(forward)
    owner.destroyed.connect(lambda *_: _disconnect(signal, forward))


def _disconnect(signal: Any, forward: Callable[..., None]) -> None:
    with suppress(ValueError, RuntimeError, TypeError):  # The layer or viewer went first.
        signal.disconnect(forward)


class LayerPicker(NarrowBox):
    """Chooses an open layer; holds it by reference, follows its name.

    Parameters
    ----------
    session
        Whose layers.
    kind
        `Image` or `Labels`.
    keep
        Which of these are offered; all by default.
    none
        What stands for no layer; without it there is always one chosen, if there is any.
    """

    picked = Signal(object)

    def __init__(
        self,
        session: Session,
        kind: type[Image] | type[Labels],
        keep: Callable[[Any], bool] = lambda layer: True,
        none: str = "",
    ) -> None:
        super().__init__()
        self._session, self._kind, self._keep, self._none = session, kind, keep, none
        self._shown: list[Layer | None] = []
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.currentIndexChanged.connect(self._on_index)
        while_alive(self, session.layers_changed, self.refresh)
        self.refresh()

    @property
    def layer(self) -> Any:
        """The chosen layer, or None."""
        index = self.currentIndex()
        return self._shown[index] if 0 <= index < len(self._shown) else None

    def pick(self, layer: Layer | None) -> None:
        """Choose a layer, if it is open."""
        if layer in self._shown:
            self.setCurrentIndex(self._shown.index(layer))

    def refresh(self) -> None:
        """Read the open layers anew; the choice stays if its layer is still open."""
        before = self.layer
        offered = [layer for layer in self._session.scans.layers(self._kind) if self._keep(layer)]
        self._shown = [*offered, None] if self._none else offered
        blocked = self.blockSignals(True)
        self.clear()
        for layer in self._shown:
            name = self._none if layer is None else layer.name
            self.addItem(name)
            self.setItemData(self.count() - 1, name, Qt.ItemDataRole.ToolTipRole)
        if before in self._shown:
            self.setCurrentIndex(self._shown.index(before))
        elif self._none:
            self.setCurrentIndex(len(offered))  # whoever shows it says which one instead
        self.blockSignals(blocked)
        if self.layer is not before:
            self.picked.emit(self.layer)

    def _on_index(self) -> None:
        self.picked.emit(self.layer)


class PathPicker(QWidget):
    """A path to type in, or to browse for."""

    changed = Signal()

    def __init__(self, *, folder: bool, filter: str = "", placeholder: str = "") -> None:
        super().__init__()
        self._folder, self._filter = folder, filter
        self._line = QLineEdit()
        self._line.setPlaceholderText(placeholder)
        self._line.textChanged.connect(lambda _: self.changed.emit())
        button = QPushButton("Browse…")
        button.clicked.connect(self._browse)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._line)
        row.addWidget(button)

    @property
    def path(self) -> Path | None:
        """The chosen path, or None where nothing is."""
        text = self._line.text().strip()
        return Path(text).expanduser() if text else None

    @path.setter
    def path(self, path: Path | None) -> None:
        # The end of a path tells more than its beginning.
        self._line.setText(str(path) if path else "")

    def setToolTip(self, text: str | None) -> None:  # noqa: N802
        """Show the same tip on the text and the button."""
        super().setToolTip(text)
        self._line.setToolTip(text)

    def _browse(self) -> None:
        start = str(self.path or "")
        if self._folder:
            chosen = QFileDialog.getExistingDirectory(self, "Choose a folder", start)
        else:
            chosen, _ = QFileDialog.getOpenFileName(self, "Choose a file", start, self._filter)
        if chosen:
            self.path = Path(chosen)


class _Caption(QLabel):
    """As wide as the widest caption, in the window's font."""

    def sizeHint(self) -> QSize:  # noqa: N802
        """The room of the widest."""
        metrics = self.fontMetrics()
        return QSize(metrics.horizontalAdvance("learn from") + 8, metrics.height())

    minimumSizeHint = sizeHint  # noqa: N815


def captioned(form: QFormLayout, caption: str, inside: QWidget | QLayout) -> None:
    """Add a row; captions are as wide as in the other forms of a panel."""
    form.addRow(_Caption(caption), inside)


def note(text: str = "") -> QLabel:
    """A line of explanation that wraps."""
    label = QLabel(text)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.MinimumExpanding)
    return label


def large_button(text: str) -> QPushButton:
    """The one button of a panel that starts and stops its work."""
    button = QPushButton(text)
    button.setMinimumHeight(38)
    font = button.font()
    font.setBold(True)
    button.setFont(font)
    return button


class Folded(QCollapsible):  # type: ignore[misc]
    """A part that is folded away until its title is clicked."""

    def __init__(self, title: str) -> None:
        # To PySide6 an icon without a picture is none, which superqt asks for in vain.
        empty = QPixmap(1, 1)
        empty.fill(Qt.GlobalColor.transparent)
        super().__init__(title, expandedIcon=QIcon(empty), collapsedIcon=QIcon(empty))
        self._title = title
        self.toggleButton().setStyleSheet("text-align: left; padding-left: 6px;")
        self.setDuration(120)
        self.toggled.connect(self._on_toggled)
        self._on_toggled(False)

    def _on_toggled(self, on: bool) -> None:
        # An icon of the toolkit's own colour would not be seen on a dark window.
        self.setText(f"{'▾' if on else '▸'}  {self._title}")


class _Scroll(QScrollArea):
    """Scrolls up and down alone: it is never narrower than what is inside."""

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """As wide as the inside and the scroll bar."""
        inside, bar = self.widget(), self.verticalScrollBar()
        width = (inside.minimumSizeHint().width() if inside else 0) + bar.sizeHint().width() + 2
        return QSize(max(width, WIDTH), 120)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Grow with what is inside."""
        if event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return bool(super().eventFilter(watched, event))


def scrolled(inside: QWidget) -> QScrollArea:
    """Let a panel scroll where the window is low."""
    area = _Scroll()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(inside)
    return area
