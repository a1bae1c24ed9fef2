"""Menu commands that need no panel."""

from __future__ import annotations

import napari
from napari.layers import Image, Labels
from qtpy.QtWidgets import QFileDialog

from napari_dim.errors import InputError
from napari_dim.gui.layers import new_labels
from napari_dim.gui.saving import save_labels, suggested_path


def add_labels(viewer: napari.Viewer) -> None:
    """Add an empty labels layer for the selected scan."""
    from napari.utils.notifications import show_warning

    active = viewer.layers.selection.active
    if not isinstance(active, Image):
        show_warning("Select a scan in the layer list first")
        return
    try:
        layer = viewer.add_layer(new_labels(active))
    except InputError as error:
        show_warning(str(error))
        return
    layer.mode = "paint"


def save_mask(viewer: napari.Viewer) -> None:
    """Save the selected labels layer with the geometry of its scan."""
    from pathlib import Path

    from napari.utils.notifications import show_info, show_warning

    active = viewer.layers.selection.active
    if not isinstance(active, Labels):
        show_warning("Select a labels layer in the layer list first")
        return
    path, _ = QFileDialog.getSaveFileName(
        None, "Save mask", str(suggested_path(active)), "NIfTI (*.nii.gz *.nii);;PNG (*.png)"
    )
    if not path:
        return
    known = path.lower().endswith((".nii", ".nii.gz", ".png"))
    try:
        show_info(f"Saved {save_labels(active, Path(path if known else f'{path}.nii.gz'))}")
    except InputError as error:
        show_warning(str(error))
