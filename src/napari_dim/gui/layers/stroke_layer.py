"""What a tool shows over a slice before it is the mask, or beside it: strokes, areas, lines."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap

from napari_dim.gui.layers.aside_layer import set_aside
from napari_dim.gui.layers.locked_layer import lock

WANTED, UNWANTED, WANTED_AREA, UNWANTED_AREA, LINE = range(1, 6)
"""What strokes and areas of the class, and of what it is not, and outlines are in the layer."""
COLOURS: dict[int | None, str] = {
    WANTED: "#FFFFFF",
    UNWANTED: "#D55E00",
    WANTED_AREA: "#2BE38B80",
    UNWANTED_AREA: "#D55E0080",
    LINE: "#2BE38B",
}
"""Seen on any class's colour and on bright and dark: white and green are of it, vermilion is not;
the image shows through areas.
"""


def stroke_layer(labels: Labels) -> Labels:
    """An empty layer in the place of a mask's, of which only what is shown takes memory.

    It never moves: wherever a layer begins or ends elsewhere, napari counts all slices anew.
    """
    colours: dict[int | None, str] = {0: "transparent", None: "transparent", **COLOURS}
    made = Labels(
        np.zeros(labels.data.shape, np.uint8),
        name="strokes",
        colormap=DirectLabelColormap(color_dict=colours, background_value=0),
        opacity=1,
        units=labels.units,
        axis_labels=labels.axis_labels,
        affine=_place(labels),
    )
    set_aside(made)
    lock(made, "it shows the strokes of the tool; draw in the mask itself")
    return made


def _place(labels: Labels) -> np.ndarray:
    """Indices to world, as one matrix."""
    ndim = labels.ndim
    first = [0.0] * ndim
    start = np.asarray(labels.data_to_world(first), float)
    matrix: Any = np.eye(ndim + 1)
    matrix[:ndim, ndim] = start
    for axis in range(ndim):
        step = list(first)
        step[axis] += 1
        matrix[:ndim, axis] = np.asarray(labels.data_to_world(step), float) - start
    return np.asarray(matrix)
