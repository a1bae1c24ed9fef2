"""Counts the mask of the scan that is worked on, in the background, while somebody looks at it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import QObject

from napari_dim.gui.jobs.slice_by_slice import Due, SliceBySlice
from napari_dim.gui.layers.image_layers import current_slice, plane_shown
from napari_dim.gui.logic.live_numbers import LiveNumbers, Tally, tally
from napari_dim.gui.session import Session
from napari_dim.gui.widgets.small_widgets import while_alive

SOON = 80
"""Milliseconds after a change until it is counted."""


class LiveCounting(SliceBySlice):
    """Keeps the numbers of the scan on the screen up to date; nothing while nobody looks.

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
    """

    def __init__(self, session: Session, parent: QObject) -> None:
        super().__init__(parent, "live numbers", SOON)
        self._session = session
        self.numbers: LiveNumbers | None = None
        self._of: tuple[Any, ...] = ()
        self._wanted = False
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

    def _due(self) -> Due | None:
        session = self._session
        mask, image = session.mask, session.image
        if not self._wanted or mask is None or image is None:
            self.numbers, self._of, self.waiting = None, (), 0
            self.known.emit()
            return None
        of = (mask, image, image.data, mask.planes)
        if not self._of or any(a is not b for a, b in zip(self._of, of, strict=True)):
            self.numbers, self._of = LiveNumbers(len(mask.planes)), of
        assert self.numbers is not None
        # A slice that is painted meanwhile is of a later version then.
        planes, versions = mask.planes, mask.versions

        def one(number: int) -> tuple[int, Tally]:
            plane = planes[number]
            # What is not painted needs no values, which may lie in a file.
            values = plane_shown(image, number) if plane.any() else plane
            return int(versions[number]), tally(plane, values)

        here = current_slice(session.viewer, mask.layer)
        return Due(self.numbers, self.numbers.stale(versions, here), one)

    def _take(self, into: object, done: Sequence[tuple[int, Any]]) -> bool:
        if self.numbers is None or into is not self.numbers:
            return False
        for number, (version, counted) in done:
            self.numbers.take(number, version, counted)
        return True
