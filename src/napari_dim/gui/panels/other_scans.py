"""Which other open scans a training also learns from, and from which site they come."""

from __future__ import annotations

from dataclasses import dataclass

from napari.layers import Image, Layer
from qtpy.QtCore import QEvent, Qt, QTimer, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QFrame,
    QGridLayout,
    QLineEdit,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_dim.errors import InputError
from napari_dim.gui.layers.image_layers import layer_source
from napari_dim.gui.session import Session
from napari_dim.gui.widgets.small_widgets import note

SHOWN = 4
"""Scans that are shown without scrolling."""


@dataclass(frozen=True)
class _Row:
    tick: QCheckBox
    site: QLineEdit


class OtherImages(QWidget):
    """A list of the other open scans, to tick, each with its site."""

    changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._rows: dict[Layer, _Row] = {}
        inside = QWidget()
        self._grid = QGridLayout(inside)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setVerticalSpacing(2)
        self._grid.setColumnStretch(0, 3)
        self._grid.setColumnStretch(1, 2)
        self._grid.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._area = QScrollArea()
        self._area.setWidgetResizable(True)
        self._area.setFrameShape(QFrame.Shape.NoFrame)
        self._area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._area.setWidget(inside)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(note("also learn from these scans, of these sites:"))
        column.addWidget(self._area)
        self._soon = QTimer(self, singleShot=True, interval=0)
        self._soon.timeout.connect(self._fit)
        self.setVisible(False)

    def show_for(self, image: Layer | None) -> None:
        """Offer the open images that have as many channels as `image`."""
        offered = [] if image is None else [
            layer for layer in self._session.scans.layers(Image)
            if layer is not image and channels_of(layer) == channels_of(image) is not None
        ]  # fmt: skip
        for layer in [layer for layer in self._rows if layer not in offered]:
            gone = self._rows.pop(layer)
            for widget in (gone.tick, gone.site):
                widget.hide()  # it goes only when the window is idle
                widget.deleteLater()
        for place, layer in enumerate(offered):
            row = self._rows.get(layer) or self._added(layer)
            tick = row.tick
            tick.setText(
                tick.fontMetrics().elidedText(layer.name, Qt.TextElideMode.ElideMiddle, 150)
            )
            tick.setToolTip(
                f"{layer.name}: a scan without labels teaches the model too, most of all one from "
                "another scanner. One that you labelled teaches its labels as well"
            )
            if not row.site.hasFocus() and row.site.text().strip() != self._session.site_of(layer):
                row.site.setText(self._session.site_of(layer))
            self._grid.addWidget(row.tick, place, 0)
            self._grid.addWidget(row.site, place, 1)
        self._fit()
        self.setVisible(bool(offered))

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        """Grow with the font."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._soon.start()

    def _fit(self) -> None:
        """As high as the scans are in the window's font, four at most."""
        both = [w.sizeHint().height() for row in self._rows.values() for w in (row.tick, row.site)]
        self._area.setFixedHeight((max(both, default=0) + 2) * min(len(self._rows), SHOWN) + 4)

    def tick(self, layer: Layer, on: bool = True) -> None:
        """Tick or untick an offered image."""
        self._rows[layer].tick.setChecked(on)

    def chosen(self) -> list[tuple[Layer, str]]:
        """The ticked images with their sites."""
        return [
            (layer, row.site.text().strip() or layer.name)
            for layer, row in self._rows.items()
            if row.tick.isChecked()
        ]

    def _added(self, layer: Layer) -> _Row:
        row = _Row(QCheckBox(), QLineEdit())
        row.tick.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        row.tick.toggled.connect(lambda _: self.changed.emit())
        row.site.setText(self._session.site_of(layer))
        row.site.setPlaceholderText("a site of its own")
        row.site.setToolTip("Scanner or centre; scans of one site share a name")
        row.site.textChanged.connect(lambda _: self.changed.emit())
        row.site.editingFinished.connect(lambda: self._on_site(layer, row.site.text()))
        self._rows[layer] = row
        return row

    def _on_site(self, layer: Layer, text: str) -> None:
        if text.strip() != self._session.site_of(layer):
            self._session.set_site(layer, text)


def channels_of(layer: Layer) -> int | None:
    """Channels of an image as training sees it; None where it can't be used."""
    try:
        source = layer_source(layer)
    except InputError:
        return None
    if source.channels is not None:
        return int(source.channels.shape[-1])
    return 3 if layer.rgb else 1
