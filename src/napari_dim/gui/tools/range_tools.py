"""Tools that go by intensity: a brush that keeps to a range, and growing from a spot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from napari_dim.editing.intensity_ranges import hanging_together, picked, within
from napari_dim.gui.tools.tool_in_hand import HandTool, along, disc, radius_of

DRAG = 100.0
"""Pixels of a drag to the right that make the tolerance twice as wide."""


class RangeBrush(HandTool):
    """Paints only what looks like the spot where the stroke began; the right button erases that."""

    tip = (
        "Threshold brush: paints only what is as bright as the spot where a stroke begins; the "
        "right button erases that"
    )

    def stroke(self, event: Any, *, wanted: bool) -> Iterator[None]:
        """Paint until the button is let go; a stroke is one step."""
        number, last = self.place(event)
        found = self._spot(number, last)
        if found is None:
            return
        values, spot = found
        allowed = within(values, *picked(values, spot))
        with self.layer.block_history():
            self._paint(number, allowed, [last], wanted)
            yield
            while event.type == "mouse_move":
                _, here = self.place(event)
                self._paint(number, allowed, along(last, here), wanted)
                last = here
                yield

    def _paint(
        self, number: int, allowed: np.ndarray, places: Iterable[np.ndarray], wanted: bool
    ) -> None:
        touched, radius = np.zeros(allowed.shape, bool), radius_of(self.layer)
        for at in places:
            rows, columns, inside = disc(allowed.shape, at, radius)
            touched[rows, columns] |= inside
        self._set(number, touched & allowed, wanted)


class RegionGrower(HandTool):
    """Takes what hangs together with a spot; a drag to the right takes more, to the left less."""

    tip = (
        "Grow from a spot: press, and drag to the right to take more, to the left less; with "
        "the right button what is found is erased"
    )

    def stroke(self, event: Any, *, wanted: bool) -> Iterator[None]:
        """Show what would be taken while the button is down; letting it go takes it."""
        number, here = self.place(event)
        spotted = self._spot(number, here)
        if spotted is None:
            return
        values, spot = spotted
        middle, reach = picked(values, spot)
        begun = float(event.pos[0])
        found = hanging_together(within(values, middle, reach) | spot, spot)
        self.show(number, found, wanted)
        yield
        while event.type == "mouse_move":
            wide = reach * 2 ** ((float(event.pos[0]) - begun) / DRAG)
            found = hanging_together(within(values, middle, wide) | spot, spot)
            self.show(number, found, wanted)
            yield
        self.hide()
        self._set(number, found, wanted)
