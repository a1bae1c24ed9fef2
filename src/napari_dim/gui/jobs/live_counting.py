"""Counts the mask of the scan that is worked on, in the background, while somebody looks at it."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from napari_dim.gui.layers.image_layers import current_slice, plane_shown
from napari_dim.gui.logic.live_numbers import LiveNumbers, Tally, tally
from napari_dim.gui.session import Session
from napari_dim.gui.widgets.small_widgets import while_alive

SOON = 80
"""Milliseconds after a change until it is counted."""
REST = 0.001
"""Seconds between two slices that are the window's, however busy the machine is."""
TOLD = 0.15
"""Seconds that are counted until what is known is told."""


class LiveCounting(QObject):
    """Keeps the numbers of the scan on the screen up to date, slice by slice.

    Slices that changed are counted in a thread, the nearest ones first; nothing is counted
    while nobody looks.

    Parameters
    ----------
    session
        The session of the viewer.
    parent
        What looks at the numbers.

    Attributes
    ----------
    numbers
        What is known; None without a mask.
    waiting
        Slices that are not counted yet.
    """

    counted = Signal()
    """The numbers have changed."""
    _found = Signal(object, object)

    def __init__(self, session: Session, parent: QObject) -> None:
        super().__init__(parent)
        self._session = session
        self.numbers: LiveNumbers | None = None
        self.waiting = 0
        self._of: tuple[Any, ...] = ()
        self._wanted = self._busy = False
        self._soon = QTimer(self, singleShot=True, interval=SOON)
        self._soon.timeout.connect(self._begin)
        self._found.connect(self._on_found)
        while_alive(self, session.case_changed, self._wake)
        while_alive(self, session.slices_changed, self._wake)

    def follow(self, wanted: bool) -> None:
        """Count from now on, or no longer."""
        self._wanted = wanted
        if wanted:
            self._begin()
        else:
            self.numbers, self._of = None, ()

    def _wake(self) -> None:
        if self._wanted and not self._soon.isActive():
            self._soon.start()

    def _begin(self) -> None:
        session = self._session
        mask, image = session.mask, session.image
        if not self._wanted or mask is None or image is None:
            self.numbers, self._of, self.waiting = None, (), 0
            self.counted.emit()
            return
        of = (mask, image, image.data, mask.planes)
        if not self._of or any(a is not b for a, b in zip(self._of, of, strict=True)):
            self.numbers, self._of = LiveNumbers(len(mask.planes)), of
        assert self.numbers is not None
        if self._busy:
            return  # its end looks once more
        versions = mask.versions
        stale = self.numbers.stale(versions, current_slice(session.viewer, mask.layer))
        self.waiting = len(stale)
        if not stale:
            self.counted.emit()
            return
        self._busy = True
        threading.Thread(
            target=self._count, name="live numbers", daemon=True,
            args=(self.numbers, mask.planes, image, stale, versions),
        ).start()  # fmt: skip

    def _count(
        self,
        numbers: LiveNumbers,
        planes: np.ndarray,
        image: Any,
        stale: list[int],
        versions: np.ndarray,
    ) -> None:
        """In the background: a slice that is painted meanwhile is of a later version then."""
        found: list[tuple[int, int, Tally]] = []
        end = time.monotonic() + TOLD
        fault: Exception | None = None
        try:
            for number in stale:
                plane = planes[number]
                # What is not painted needs no values, which may lie in a file.
                values = plane_shown(image, number) if plane.any() else plane
                found.append((number, int(versions[number]), tally(plane, values)))
                if time.monotonic() > end:
                    break
                time.sleep(REST)
        except Exception as error:
            fault = error
        with suppress(RuntimeError):  # the window is gone
            self._found.emit((numbers, found), fault)

    def _on_found(self, done: tuple[LiveNumbers, list[Any]], fault: Exception | None) -> None:
        self._busy = False
        numbers, found = done
        if numbers is self.numbers:
            for number, version, counted in found:
                numbers.take(number, version, counted)
            self.waiting = max(0, self.waiting - len(found))
            self.counted.emit()
            if fault is not None:
                raise fault  # napari tells of it; the next change tries again
        self._begin()
