"""Compares two masks of the scan in the background, and again where one of them changes."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Any

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QObject, QTimer, Signal

from napari_dim.gui.layers.compared_masks import Compared
from napari_dim.gui.layers.difference_layer import difference_layer
from napari_dim.gui.layers.image_layers import add_layer, current_slice
from napari_dim.gui.logic.mask_differences import Differences, SliceDifferences, compare
from napari_dim.gui.session import Session
from napari_dim.gui.widgets.small_widgets import while_alive

SOON = 120
"""Milliseconds after a change until it is compared."""
REST = 0.001
"""Seconds between two slices that are the window's, however busy the machine is."""
TOLD = 0.15
"""Seconds that are compared until what is known is told."""


class LiveComparing(QObject):
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
    waiting
        Slices that are not compared yet.
    unsaid
        Slices of which one of the masks says nothing.
    sides
        What is compared.
    """

    compared = Signal()
    """What is known has changed."""
    _told = Signal(object, object)

    def __init__(self, session: Session, parent: QObject) -> None:
        super().__init__(parent)
        self._session = session
        self.found: Differences | None = None
        self.waiting = 0
        self.unsaid: set[int] = set()
        self.sides: tuple[Compared, Compared] | None = None
        self._layer: Labels | None = None
        self._busy = False
        self._soon = QTimer(self, singleShot=True, interval=SOON)
        self._soon.timeout.connect(self._begin)
        self._told.connect(self._on_told)
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

    def _begin(self) -> None:
        if self.sides is None or self._layer is None or self.found is None:
            return
        if self._busy:
            return  # its end looks once more
        a, b = self.sides
        versions = list(zip(a.versions(), b.versions(), strict=True))
        stale = self.found.stale(versions, current_slice(self._session.viewer, self._layer))
        self.waiting = len(stale)
        if not stale:
            self.compared.emit()
            return
        self._busy = True
        threading.Thread(
            target=self._compare, name="differences", daemon=True,
            args=(self.found, a, b, stale, versions),
        ).start()  # fmt: skip

    def _compare(
        self, into: Differences, a: Compared, b: Compared, stale: list[int], versions: list[Any]
    ) -> None:
        """In the background: a slice that is painted meanwhile is of a later version then."""
        done: list[tuple[int, Any, SliceDifferences, bool]] = []
        end = time.monotonic() + TOLD
        fault: Exception | None = None
        try:
            for number in stale:
                one, other = a.plane(number), b.plane(number)
                said = one is not None and other is not None
                if one is None or other is None:
                    shape = one if one is not None else other
                    one = other = np.zeros((1, 1) if shape is None else shape.shape, np.uint8)
                done.append((number, versions[number], compare(number, one, other), said))
                if time.monotonic() > end:
                    break
                time.sleep(REST)
        except Exception as error:
            fault = error
        with suppress(RuntimeError):  # the window is gone
            self._told.emit((into, done), fault)

    def _on_told(self, told: tuple[Differences, list[Any]], fault: Exception | None) -> None:
        self._busy = False
        into, done = told
        if into is self.found and self._layer is not None:
            layer = self._layer
            planes = layer.data if layer.ndim == 3 else layer.data[None]
            here, shown = current_slice(self._session.viewer, layer), False
            for number, version, slice_found, said in done:
                if into.counts[number].any() or slice_found.counts.any():
                    planes[number] = slice_found.overlay
                    shown |= number == here
                into.take(number, version, slice_found)
                (self.unsaid.discard if said else self.unsaid.add)(number)
            self.waiting = max(0, self.waiting - len(done))
            if shown or layer.ndim == 2:
                layer.refresh()
            self.compared.emit()
            if fault is not None:
                self.end()
                raise fault  # napari tells of it
        self._begin()
