"""The classes of a labels layer: name, colour, id, kept in the layer's metadata."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap

from napari_dim.gui.layers.image_layers import labels_array
from napari_dim.gui.layers.mask_layer import BRUSH
from napari_dim.io.labels import COLOURS

KEY = "napari_dim_classes"
BACKGROUND = "#BBBBBB"
"""Colour of painted background."""


@dataclass(frozen=True)
class ClassInfo:
    """One class: what it is called, ``#rrggbb``, and its id in the mask."""

    id: int
    name: str
    colour: str


def classes_of(layer: Labels) -> list[ClassInfo]:
    """The classes of a layer, by id: those named, and those that are painted anyway."""
    known = {info.id: info for info in layer.metadata.get(KEY, ())}
    brush = layer.metadata.get(BRUSH)
    if not known:
        known = {i: fresh_class(i) for i in painted_ids(labels_array(layer)) - {brush}}
    if not known:
        known[1] = fresh_class(1)
    return [known[class_id] for class_id in sorted(known)]


def painted_ids(array: np.ndarray) -> set[int]:
    """The ids other than 0 in some slices, ``(slice, row, column)``."""
    # Few voxels are painted: sorting those alone is some 20 times faster than sorting all.
    return {int(i) for plane in array for i in np.unique(plane[plane != 0])}


def set_classes(layer: Labels, classes: list[ClassInfo]) -> None:
    """Keep the classes with the layer, and show it in their colours."""
    layer.metadata[KEY] = tuple(classes)
    colours: dict[int | None, str] = {info.id: info.colour for info in classes}
    brush = layer.metadata.get(BRUSH)
    if brush is not None:
        colours[brush] = BACKGROUND
    layer.colormap = colormap_of(colours)


def colormap_of(colours: dict[int | None, str]) -> DirectLabelColormap:
    """Each id in its colour; ids that have none in grey."""
    return DirectLabelColormap(
        color_dict={0: "transparent", None: "#808080", **colours}, background_value=0
    )


def fresh_class(class_id: int) -> ClassInfo:
    """A class that nobody has named yet."""
    return ClassInfo(class_id, f"class {class_id}", COLOURS[(class_id - 1) % len(COLOURS)])
