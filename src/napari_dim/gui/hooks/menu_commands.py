"""Menu commands that need no panel."""

from __future__ import annotations

from pathlib import Path

import napari
from napari.layers import Image, Labels, Layer
from napari.utils.notifications import show_info, show_warning
from qtpy.QtWidgets import QFileDialog

from napari_dim.errors import InputError
from napari_dim.gui.hooks.file_opening import open_files, open_folder
from napari_dim.gui.layers.image_layers import image_tuples, layer_volume, new_labels
from napari_dim.gui.storage.mask_files import save_labels, suggested_path
from napari_dim.io.channels import combined


def add_labels(viewer: napari.Viewer) -> None:
    """Add an empty labels layer for the selected scan."""
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


def open_scan(viewer: napari.Viewer) -> None:
    """Open scans from files, whatever their names end with."""
    open_files(viewer)


def open_scan_folder(viewer: napari.Viewer) -> None:
    """Open a folder: a DICOM study, or pictures as a stack."""
    open_folder(viewer)


def combine_channels(viewer: napari.Viewer) -> None:
    """Make the selected scans channels of one, on the grid of the lowest of them."""
    chosen = [layer for layer in viewer.layers if layer in viewer.layers.selection]
    images = [layer for layer in chosen if isinstance(layer, Image)]
    try:
        volume = combined([layer_volume(image) for image in images])
    except InputError as error:
        show_warning(str(error))
        return
    for text in volume.warnings:
        show_info(text)
    names = [image.name for image in images]
    for image in images:
        image.visible = False
    for (data, how, kind), name in zip(image_tuples(volume), names, strict=False):
        viewer.add_layer(Layer.create(data, {**how, "name": f"{name} (combined)"}, kind))


def save_mask(viewer: napari.Viewer) -> None:
    """Save the selected labels layer with the geometry of its scan."""
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
