"""The machine's newest answer as a layer of its own, for looking and comparing.

It is locked: nothing that is drawn there could count in silence.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Labels, Layer
from napari.utils.colormaps import DirectLabelColormap
from napari.utils.colormaps.standardize_color import transform_color

from napari_dim.gui.layers.aside_layer import set_aside
from napari_dim.gui.layers.image_layers import PLACE
from napari_dim.gui.layers.layer_classes import classes_of
from napari_dim.gui.layers.locked_layer import lock
from napari_dim.gui.layers.mask_layer import MaskLayer

_FLAG = "napari_dim_answer"


def is_answer(layer: Layer) -> bool:
    """Whether a layer shows the machine's newest answer."""
    return bool(layer.metadata.get(_FLAG))


def answer_layer(mask: MaskLayer, name: str) -> Labels:
    """A locked layer of what the machine said last, as outlines, paler than the mask's colours."""
    layer = mask.layer
    place: dict[str, Any] = {key: getattr(layer, key) for key in PLACE}
    colours: dict[int | None, Any] = {0: "transparent", None: "white"}
    for info in classes_of(layer):
        colours[info.id] = np.clip(0.4 * transform_color(info.colour)[0] + 0.6, 0, 1)
    made = Labels(
        answer_data(mask),
        name=name,
        colormap=DirectLabelColormap(color_dict=colours, background_value=0),
        metadata={_FLAG: True},
        opacity=1,
        **place,
    )
    made.contour = 2
    set_aside(made)
    lock(made, "it shows what the model said last; draw in the mask itself")
    return made


def answer_data(mask: MaskLayer) -> np.ndarray:
    """A copy of what the machine said last, in the shape of the mask's layer."""
    return mask.answer.mask.reshape(mask.layer.data.shape).copy()
