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


def stroke_layer(labels: Labels, number: int) -> Labels:
    """An empty layer of one slice, in the place of that slice of a mask's layer."""
    shape = labels.data.shape[-2:]
    stack = (1, *shape) if labels.ndim == 3 else shape
    colours: dict[int | None, str] = {0: "transparent", None: "transparent", **COLOURS}
    made = Labels(
        np.zeros(stack, np.uint8),
        name="strokes",
        colormap=DirectLabelColormap(color_dict=colours, background_value=0),
        opacity=1,
        units=labels.units,
        axis_labels=labels.axis_labels,
        affine=place_of_slice(labels, number),
    )
    set_aside(made)
    lock(made, "it shows the strokes of the tool; draw in the mask itself")
    return made


def place_of_slice(labels: Labels, number: int) -> np.ndarray:
    """Where a slice lies: indices to world, as one matrix."""
    ndim = labels.ndim
    first = [float(number)] + [0.0] * (ndim - 1) if ndim == 3 else [0.0] * ndim
    start = np.asarray(labels.data_to_world(first), float)
    matrix: Any = np.eye(ndim + 1)
    matrix[:ndim, ndim] = start
    for axis in range(ndim):
        step = list(first)
        step[axis] += 1
        matrix[:ndim, axis] = np.asarray(labels.data_to_world(step), float) - start
    return np.asarray(matrix)
