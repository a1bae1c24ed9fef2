"""Compares two masks of the scan in the background, and again where one of them changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QObject

from napari_dim.gui.jobs.slice_by_slice import Due, SliceBySlice
from napari_dim.gui.layers.compared_masks import Compared
from napari_dim.gui.layers.difference_layer import difference_layer
from napari_dim.gui.layers.image_layers import add_layer, current_slice
from napari_dim.gui.logic.mask_differences import Differences, SliceDifferences, compare
from napari_dim.gui.session import Session
from napari_dim.gui.widgets.small_widgets import while_alive

SOON = 120
"""Milliseconds after a change until it is compared."""


class LiveComparing(SliceBySlice):
    """Keeps the differences of two masks up to date, and shows them over the scan.

    Parameters
    ----------
    session
        The session of the viewer.
    parent
        What looks at the differences.

    Attributes
    ----------
    found
        What is known; None while nothing is compared.
    unsaid
        Slices of which one of the masks says nothing.
    sides
        What is compared.
    """

    def __init__(self, session: Session, parent: QObject) -> None:
        super().__init__(parent, "differences", SOON)
        self._session = session
        self.found: Differences | None = None
        self.unsaid: set[int] = set()
        self.sides: tuple[Compared, Compared] | None = None
        self._layer: Labels | None = None
        while_alive(self, session.slices_changed, self._wake)
        while_alive(self, session.viewer.dims.events.point, self._wake)

    def begin(self, a: Compared, b: Compared) -> None:
        """Compare these two from now on, on the scan that is worked on."""
        self.end()
        image = self._session.image
        assert image is not None
        self.sides = a, b
        self.found, self.unsaid = Differences(len(a.versions())), set()
        self._layer = difference_layer(image)
        add_layer(self._session.viewer, self._layer)
        self._begin()

    def end(self) -> None:
        """Compare no longer; nothing is shown of it."""
        layer, self._layer = self._layer, None
        self.found, self.sides, self.waiting = None, None, 0
        viewer = self._session.viewer
        if layer is not None and layer in viewer.layers:
            viewer.layers.remove(layer)

    def _wake(self, *_: object) -> None:
        if self.sides is not None and not self._soon.isActive():
            self._soon.start()

    def _due(self) -> Due | None:
        if self.sides is None or self._layer is None or self.found is None:
            return None
        a, b = self.sides
        # A slice that is painted meanwhile is of a later version then.
        versions = list(zip(a.versions(), b.versions(), strict=True))

        def one(number: int) -> tuple[Any, SliceDifferences, bool]:
            one, other = a.plane(number), b.plane(number)
            said = one is not None and other is not None
            if one is None or other is None:
                shape = one if one is not None else other
                one = other = np.zeros((1, 1) if shape is None else shape.shape, np.uint8)
            return versions[number], compare(number, one, other), said

        here = current_slice(self._session.viewer, self._layer)
        return Due(self.found, self.found.stale(versions, here), one)

    def _take(self, into: object, done: Sequence[tuple[int, Any]]) -> bool:
        found, layer = self.found, self._layer
        if found is None or into is not found or layer is None:
            return False
        planes = layer.data if layer.ndim == 3 else layer.data[None]
        here, shown = current_slice(self._session.viewer, layer), False
        for number, (version, slice_found, said) in done:
            if found.counts[number].any() or slice_found.counts.any():
                planes[number] = slice_found.overlay
                shown |= number == here
            found.take(number, version, slice_found)
            (self.unsaid.discard if said else self.unsaid.add)(number)
        if shown or layer.ndim == 2:
            layer.refresh()
        return True

    def _failed(self) -> None:
        self.end()
