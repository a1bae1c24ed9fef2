"""Layers that can only be looked at: napari offers no tool for them, and says why."""

from __future__ import annotations

from napari.layers import Layer

_WHY = "napari_dim_locked"


def lock(layer: Layer, why: str) -> None:
    """Refuse strokes in a layer from now on, for a reason that is told when somebody tries."""
    layer.metadata[_WHY] = why
    layer.editable = False
    layer.events.editable.connect(_stay_locked)


def why_locked(layer: Layer) -> str:
    """Why a layer can only be looked at; empty if it can be drawn in."""
    return str(layer.metadata.get(_WHY, ""))


def _stay_locked(event: object) -> None:
    """Napari makes a layer editable again of itself, as after new data."""
    layer = event.source  # type: ignore[attr-defined]
    if layer.editable and why_locked(layer):
        layer.editable = False
