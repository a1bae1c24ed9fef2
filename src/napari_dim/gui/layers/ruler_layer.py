"""The rulers and angles of a scan as a layer of lines over it, with what they measure."""

from __future__ import annotations

import weakref
from contextlib import suppress
from typing import Any

import numpy as np
from napari.layers import Image, Shapes

from napari_dim.gui.layers.aside_layer import set_aside
from napari_dim.gui.layers.image_layers import PLACE, add_layer, layer_source
from napari_dim.gui.layers.locked_layer import lock
from napari_dim.gui.logic.measures import words
from napari_dim.gui.state.rulers import Points, Rulers

LINE = "#FFFFFF"
DRAWN = "#F0E442"
"""Colour of the one that is being drawn."""
_FOLLOWED = ("scale", "translate", "rotate", "shear", "affine", "units")
FINE = 256
"""A line is a pixel of the scan wide for so many rows or columns."""


class RulerLayer:
    """Shows what was measured in a scan; made with the first ruler, gone with the last.

    Parameters
    ----------
    viewer
        Where it is shown; not kept alive.
    image
        The scan; not kept alive.
    rulers
        What is shown. A person who deletes the layer deletes them.
    """

    def __init__(self, viewer: Any, image: Image, rulers: Rulers) -> None:
        self._viewer, self._image = weakref.ref(viewer), weakref.ref(image)
        self.rulers = rulers
        self.layer: Shapes | None = None
        rulers.changed.connect(self._show)
        rulers.drawing.connect(self._show)
        viewer.layers.events.removed.connect(self._on_removed)
        for name in _FOLLOWED:
            getattr(image.events, name).connect(self._on_placed)

    def _show(self) -> None:
        viewer, image = self._viewer(), self._image()
        if viewer is None or image is None or image not in viewer.layers:
            return
        shown = [*self.rulers.done, *([self.rulers.drawn] if len(self.rulers.drawn) > 1 else [])]
        if not shown:
            self._take_away()
            return
        grid = layer_source(image).grid
        lines = [_vertices(points, image.ndim) for points in shown]
        labels = [words(points, grid) for points in shown]
        done = len(self.rulers.done)
        colours = [LINE if n < done else DRAWN for n in range(len(shown))]
        layer = self.layer
        if layer is None:
            layer = self.layer = self._made(viewer, image)
        width = min(grid.shape[1:]) / FINE
        with layer.events.data.blocker():
            layer.data = []
            layer.add(
                lines, shape_type="path", edge_width=width, edge_color=colours,
                face_color="transparent",
            )  # fmt: skip
        layer.features = {"measured": labels}
        layer.refresh()

    def _on_placed(self, event: Any) -> None:
        """The scan is shown elsewhere: so is what was measured in it."""
        image = self._image()
        if image is not None and self.layer is not None:
            for name in _FOLLOWED:
                setattr(self.layer, name, getattr(image, name))
            self._show()  # of a scan that knows no file, lengths are others now

    def _made(self, viewer: Any, image: Image) -> Shapes:
        place: dict[str, Any] = {key: getattr(image, key) for key in PLACE}
        text = {
            "string": "{measured}", "color": LINE, "size": 12, "anchor": "upper_left",
            "translation": [0.0] * image.ndim,
        }  # fmt: skip
        made = Shapes(
            ndim=image.ndim, name=f"{image.name} (rulers)", text=text,
            features={"measured": np.array([], object)}, opacity=1, **place,
        )  # fmt: skip
        set_aside(made)
        lock(made, "it shows rulers and angles; Shift-R draws them")
        add_layer(viewer, made)
        return made

    def _take_away(self) -> None:
        viewer, layer = self._viewer(), self.layer
        self.layer = None
        if viewer is not None and layer is not None and layer in viewer.layers:
            with suppress(ValueError):
                viewer.layers.remove(layer)

    def _on_removed(self, event: Any) -> None:
        """A person deleted the layer: that deletes what it shows. Or the scan itself is gone."""
        viewer, image = self._viewer(), self._image()
        if event.value is self.layer and self.layer is not None:
            self.layer = None
            if image is not None and viewer is not None and image in viewer.layers:
                self.rulers.remove(range(len(self.rulers.done)))
        elif image is not None and event.value is image:
            self._take_away()


def _vertices(points: Points, ndim: int) -> np.ndarray:
    return np.asarray(points, float)[:, -ndim:]
