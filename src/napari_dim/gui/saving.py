"""Masks from layers to files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from napari.layers import Labels

from napari_dim.gui.annotation import BRUSH
from napari_dim.gui.layers import labels_array, layer_source
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
    brush = layer.metadata.get(BRUSH)
    if brush is not None:
        mask = np.where(mask == brush, 0, mask)  # painted background is no class
    return save_array(mask, layer, path)


def save_array(mask: np.ndarray, layer: Labels, path: Path) -> Path:
    """Write class ids, ``(slice, row, column)``, in the place of a layer.

    Raises
    ------
    InputError
        If they can't be written.
    """
    source = layer_source(layer)
    # The array isn't written; `write_mask` wants the geometry of a volume alone.
    return write_mask(path, mask, source.volume(np.broadcast_to(np.uint8(0), source.grid.shape)))


def suggested_path(layer: Labels) -> Path:
    """Where a mask would be saved unless the user says otherwise: beside its image."""
    source = layer_source(layer)
    if source.path is not None:
        return source.path.with_name(
            prediction_name(source.path, "picture" if source.flat else "volume")
        )
    name = "".join(c if c.isalnum() or c in "-_ " else "-" for c in layer.name).strip()
    return Path.home() / f"{name or 'mask'}.{'png' if source.flat else 'nii.gz'}"
