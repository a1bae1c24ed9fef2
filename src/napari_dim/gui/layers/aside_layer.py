"""Layers that show something beside the mask: nothing in them is drawn, kept or exported."""

from __future__ import annotations

from napari.layers import Layer

_FLAG = "napari_dim_aside"


def set_aside(layer: Layer) -> None:
    """Say that a layer only shows something."""
    layer.metadata[_FLAG] = True


def is_aside(layer: Layer) -> bool:
    """Whether a layer only shows something beside the mask."""
    return bool(layer.metadata.get(_FLAG))
