"""Masks from layers to files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from napari.layers import Labels, Layer

from napari_dim.gui.layers.image_layers import labels_array, layer_source
from napari_dim.gui.layers.layer_classes import classes_of
from napari_dim.gui.layers.mask_layer import BRUSH
from napari_dim.io import LabelClass, prediction_name, write_mask
from napari_dim.io.format_rows import Kind
from napari_dim.io.labels import as_labels
from napari_dim.io.zarr.zarr_reader import is_zarr

LABEL_NAMES = (
    "label", "labels", "seg", "segmentation", "mask", "masks", "gt", "groundtruth", "dim",
)  # fmt: skip
"""Last words of a file's name that say it holds labels."""


def save_labels(layer: Labels, path: Path, form: str = "") -> Path:
    """Write a labels layer with the geometry of its image, whole or not at all.

    `form` is the `io.format_rows.Writer.key` of a format; by default the name's end says it.

    Raises
    ------
    InputError
        If it can't be written.
    """
    return save_array(ids_of(layer), layer, path, form)


def ids_of(layer: Labels) -> np.ndarray:
    """The class ids of a labels layer as they are written, ``(slice, row, column)``; a copy.

    Raises
    ------
    InputError
        If its values are no class ids.
    """
    mask = as_labels(labels_array(layer), where=layer.name)
    brush = layer.metadata.get(BRUSH)
    # Painted background is no class.
    return mask.copy() if brush is None else np.where(mask == brush, 0, mask)


def save_array(mask: np.ndarray, layer: Labels, path: Path, form: str = "") -> Path:
    """Write class ids, ``(slice, row, column)``, in the place of a layer.

    Names and colours of the layer's classes go with them, where the format has a place.

    Raises
    ------
    InputError
        If they can't be written.
    """
    classes = [LabelClass(info.id, info.name, info.colour) for info in classes_of(layer)]
    return write_mask(path, mask, layer_source(layer), classes=classes, form=form)


def suggested_path(layer: Layer, form: str = "") -> Path:
    """Where a mask would be saved unless the user says otherwise: beside its image."""
    source = layer_source(layer)
    kind: Kind = "picture" if source.flat else "volume"
    if source.path is not None:
        if form == "zarr" and is_zarr(source.path):
            return source.path / "labels" / "dim"
        return source.path.with_name(prediction_name(source.path, kind, form))
    name = "".join(c if c.isalnum() or c in "-_ " else "-" for c in layer.name).strip()
    return Path.home() / prediction_name(Path(f"{name or 'mask'}.x"), kind, form)
