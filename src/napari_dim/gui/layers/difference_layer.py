"""Where two masks differ, as a layer over the scan that can only be looked at."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer
from napari.utils.colormaps import DirectLabelColormap

from napari_dim.gui.layers.aside_layer import set_aside
from napari_dim.gui.layers.image_layers import PLACE, spatial_shape
from napari_dim.gui.layers.locked_layer import lock
from napari_dim.gui.logic.mask_differences import ONLY_A, ONLY_B, OTHER

COLOURS: dict[int | None, str] = {ONLY_A: "#FF2D2D", ONLY_B: "#00E5FF", OTHER: "#FF3DF0"}
"""None of them is a class's."""
_FLAG = "napari_dim_differences"


def is_difference(layer: Layer) -> bool:
    """Whether a layer shows where two masks differ."""
    return bool(layer.metadata.get(_FLAG))


def difference_layer(image: Image) -> Labels:
    """An empty layer of differences in the place of a scan."""
    place: dict[str, Any] = {key: getattr(image, key) for key in PLACE}
    colours = {0: "transparent", None: "transparent", **COLOURS}
    made = Labels(
        np.zeros(spatial_shape(image), np.uint8),
        name=f"{image.name} (differences)",
        colormap=DirectLabelColormap(color_dict=colours, background_value=0),
        metadata={_FLAG: True},
        opacity=0.8,
        **place,
    )
    set_aside(made)
    lock(made, "it shows where two masks differ; draw in the mask itself")
    return made
