"""Masks from layers to files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Labels
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QPushButton, QWidget

from napari_dim.errors import InputError
from napari_dim.gui.layers import labels_array, layer_source
from napari_dim.gui.parts import LayerPicker, while_alive
from napari_dim.gui.session import Session
from napari_dim.io import prediction_name, write_mask
from napari_dim.io.labels import as_labels


def save_labels(layer: Labels, path: Path) -> Path:
    """Write a labels layer with the geometry of its image, whole or not at all.

    Raises
    ------
    InputError
        If it can't be written.
    """
    mask = as_labels(labels_array(layer), where=layer.name)
    source = layer_source(layer)
    # The array isn't written; `write_mask` wants the geometry of a volume alone.
    return write_mask(path, mask, source.volume(np.broadcast_to(np.uint8(0), source.grid.shape)))


def suggested_path(layer: Labels) -> Path:
    """Where a mask would be saved unless the user says otherwise: beside its image."""
    source = layer_source(layer)
    if source.path is not None:
        return source.path.with_name(prediction_name(source.path, source.kind))
    name = "".join(c if c.isalnum() or c in "-_ " else "-" for c in layer.name).strip()
    return Path.home() / f"{name or 'mask'}.{'png' if source.kind == 'picture' else 'nii.gz'}"


class SaveBar(QWidget):
    """Chooses a labels layer and saves it."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.layer = LayerPicker(session, Labels)
        self.layer.setToolTip("The mask to save")
        self.button = QPushButton("Save…")
        self.button.setToolTip(
            "Save as NIfTI, in exactly the place of the scan. File ▸ Save does the same"
        )
        self.button.clicked.connect(self._on_save)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.layer, 1)
        row.addWidget(self.button)
        while_alive(self, session.predicted, self._on_predicted)

    def save(self, path: Path) -> bool:
        """Save the chosen layer; says where, or why not."""
        from napari.utils.notifications import show_info, show_warning

        try:
            written = save_labels(self.layer.layer, path)
        except InputError as error:
            show_warning(str(error))
            return False
        show_info(f"Saved {written}")
        return True

    def _on_predicted(self, layer: Any) -> None:
        self.layer.refresh()
        self.layer.pick(layer)

    def _on_save(self) -> None:
        if self.layer.layer is None:
            return
        path, _ = QFileDialog.getSaveFileName(
            self,
            "Save mask",
            str(suggested_path(self.layer.layer)),
            "NIfTI (*.nii.gz *.nii);;PNG (*.png)",
        )
        if path:
            known = path.lower().endswith((".nii", ".nii.gz", ".png"))
            self.save(Path(path if known else f"{path}.nii.gz"))
