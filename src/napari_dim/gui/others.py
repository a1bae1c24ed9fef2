"""Which other open images a training also learns from, and from which site they come."""

from __future__ import annotations

from napari.layers import Image, Layer
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHeaderView, QTreeWidget, QTreeWidgetItem, QVBoxLayout, QWidget

from napari_dim.errors import InputError
from napari_dim.gui.layers import layer_source
from napari_dim.gui.session import Session


class OtherImages(QWidget):
    """A list of the other open scans, to tick; the second column is their site."""

    changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._items: dict[Layer, QTreeWidgetItem] = {}
        self._tree = QTreeWidget()
        self._tree.setHeaderLabels(["also learn from", "site"])
        self._tree.setRootIsDecorated(False)
        self._tree.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._tree.header().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self._tree.setToolTip(
            "Scans without labels teach the model too, most of all those from another scanner. "
            "Double-click a site to rename it"
        )
        self._tree.itemChanged.connect(lambda *_: self.changed.emit())
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._tree)
        self.setVisible(False)

    def show_for(self, image: Layer | None) -> None:
        """Offer the open images that have as many channels as `image`."""
        offered = [] if image is None else [
            layer for layer in self._session.layers(Image)
            if layer is not image and _channels(layer) == _channels(image) is not None
        ]  # fmt: skip
        self._tree.blockSignals(True)
        for layer in [layer for layer in self._items if layer not in offered]:
            self._tree.takeTopLevelItem(self._tree.indexOfTopLevelItem(self._items.pop(layer)))
        for layer in offered:
            if layer not in self._items:
                item = QTreeWidgetItem([layer.name, layer.name])
                item.setFlags(
                    Qt.ItemFlag.ItemIsEnabled
                    | Qt.ItemFlag.ItemIsUserCheckable
                    | Qt.ItemFlag.ItemIsEditable
                    | Qt.ItemFlag.ItemIsSelectable
                )
                item.setCheckState(0, Qt.CheckState.Unchecked)
                self._tree.addTopLevelItem(item)
                self._items[layer] = item
            self._items[layer].setText(0, layer.name)
        self._tree.blockSignals(False)
        row = max(self._tree.sizeHintForRow(0), 18)
        head = self._tree.header().sizeHint().height()
        self._tree.setFixedHeight(head + row * min(len(offered), 4) + 8)
        self.setVisible(bool(offered))

    def tick(self, layer: Layer, on: bool = True) -> None:
        """Tick or untick an offered image."""
        state = Qt.CheckState.Checked if on else Qt.CheckState.Unchecked
        self._items[layer].setCheckState(0, state)

    def chosen(self) -> list[tuple[Layer, str]]:
        """The ticked images with their sites."""
        return [
            (layer, item.text(1).strip())
            for layer, item in self._items.items()
            if item.checkState(0) == Qt.CheckState.Checked
        ]

    def slices(self) -> int:
        """How many slices the ticked images have."""
        return sum(layer_source(layer).grid.shape[0] for layer, _ in self.chosen())


def _channels(layer: Layer) -> int | None:
    """Channels of an image as training sees it; None where it can't be used."""
    try:
        source = layer_source(layer)
    except InputError:
        return None
    if source.channels is not None:
        return int(source.channels.shape[-1])
    return 3 if layer.rgb else 1
