"""The crosshair and napari's sliders: both say where in the scan one is, and follow each other."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Image

from napari_dim.gui.layers.image_layers import current_slice
from napari_dim.gui.state.crosshair import Crosshair, Place


class CrosshairDims:
    """Keeps the sliders of a viewer where the crosshair is, and the crosshair where they are.

    napari moves along the axes that its canvas does not show; along the others the crosshair
    moves alone.

    Parameters
    ----------
    viewer
        Whose sliders.
    crosshair
        The crosshair.
    """

    def __init__(self, viewer: Any, crosshair: Crosshair) -> None:
        self._viewer = viewer
        self._crosshair = crosshair
        self.image: Image | None = None
        self._follows = False

    def use(self, image: Image | None, at: Place | None = None) -> None:
        """Go on in another scan: at a place of its rows and columns, in the slice on the screen."""
        self.image = image
        if image is None:
            return
        shape = image.data.shape[:3]
        middle = tuple(n // 2 for n in shape) if at is None else at
        self._crosshair.start(shape, (current_slice(self._viewer, image), middle[1], middle[2]))
        self.follow()

    def follow(self, event: Any = None) -> None:
        """The crosshair goes where the sliders are."""
        image, hidden = self.image, self._hidden
        if image is None or not hidden:
            return
        point = np.asarray(self._viewer.dims.point, float)[-3:]
        world = np.asarray(image.data_to_world(self._crosshair.at), float)
        world[hidden] = point[hidden]
        found = np.asarray(image.world_to_data(world), float)
        at = np.array(self._crosshair.at, float)
        at[hidden] = found[hidden]
        self._follows = True
        self._crosshair.go(*at)
        self._follows = False

    def lead(self, event: Any = None) -> None:
        """The sliders go where the crosshair is."""
        image = self.image
        if image is None or self._follows:
            return
        world = np.asarray(image.data_to_world(self._crosshair.at), float)
        dims = self._viewer.dims
        first = dims.ndim - 3
        for axis in self._hidden:
            if not np.isclose(dims.point[first + axis], world[axis]):
                dims.set_point(first + axis, float(world[axis]))

    @property
    def _hidden(self) -> list[int]:
        """The axes of the scan that the canvas does not show."""
        dims = self._viewer.dims
        return [axis - (dims.ndim - 3) for axis in dims.not_displayed if axis >= dims.ndim - 3]
