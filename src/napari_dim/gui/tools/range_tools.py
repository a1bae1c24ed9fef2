"""Tools that go by intensity: a brush that keeps to a range, and growing from a spot."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from napari.layers import Labels

from napari_dim.editing.intensity_ranges import Range, channels, hanging_together, picked
from napari_dim.errors import InputError
from napari_dim.gui.layers.image_layers import current_slice
from napari_dim.gui.layers.stroke_layer import UNWANTED_AREA, WANTED_AREA
from napari_dim.gui.session import Session
from napari_dim.gui.state.held_range import range_words
from napari_dim.gui.tools.tool_in_hand import HandTool
from napari_dim.words import sentence

DRAG = 100.0
"""Pixels of a drag to the right that make the tolerance twice as wide."""


class RangeBrush(HandTool):
    """Paints only what is within a range of intensity; the right button erases that."""

    name = "Threshold"
    tip = (
        "Threshold brush: paints only what is as bright as the spot where a stroke begins, or "
        "within limits that you set or pick by Shift-click; the right button erases that"
    )
    at_once = True

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._previewed = False

    def take(self, layer: Labels) -> None:
        """It is in the hand from now on."""
        super().take(layer)
        self.session.held_range.given.connect(self._preview)
        self.session.held_range.changed.connect(self._end_preview)
        self.session.viewer.dims.events.point.connect(self._renew_preview)
        if self.session.held_range.held:
            self._preview()

    def lay_down(self) -> None:
        """It is in the hand no longer."""
        self.session.held_range.given.disconnect(self._preview)
        self.session.held_range.changed.disconnect(self._end_preview)
        self.session.viewer.dims.events.point.disconnect(self._renew_preview)
        super().lay_down()

    def stroke(self, event: Any, *, wanted: bool) -> Iterator[None]:
        """Paint until the button is let go; a stroke is one step."""
        number, begun = self.place(event)
        values, held = self.values(number), self.session.held_range
        spot = self.spot(begun)
        if "Shift" in event.modifiers:
            if spot.any():
                found = picked(values, spot)
                held.give(found.low, found.high)
                self.session.say(f"Strokes keep to {range_words(found)} now")
            return
        kept = held.kept_in(channels(values).shape[-1])
        if kept is None:
            if not spot.any():
                return
            kept = picked(values, spot)
            held.pick(kept)
        self.clear()  # until the next slice: what is painted wants to be seen
        allowed = kept.holds(values)
        with self.layer.block_history():
            for pixels in self.brushed(event):
                self.set(number, pixels & allowed, wanted)
                yield

    def _preview(self) -> None:
        """Show what is in the range that holds, on the slice on the screen."""
        number, held = current_slice(self.session.viewer, self.layer), self.session.held_range
        try:
            values = self.values(number)
        except InputError as error:  # a slice without a number
            self.session.say(sentence(error))
            return
        if held.range is None or len(held.range.low) != channels(values).shape[-1]:
            return
        self._previewed = True
        self.show(number, [(held.range.holds(values), WANTED_AREA)])

    def _end_preview(self) -> None:
        """Limits that hold no longer are shown no longer."""
        if self._previewed and not self.session.held_range.held:
            self._previewed = False
            self.clear()

    def _renew_preview(self, event: Any = None) -> None:
        if self._previewed:
            self._preview()


class RegionGrower(HandTool):
    """Takes what hangs together with a spot; a drag to the right takes more, to the left less."""

    name = "Grow"
    tip = (
        "Grow from a spot: press, and drag to the right to take more, to the left less; with "
        "the right button what is found is erased"
    )
    cursor = "cross"

    def stroke(self, event: Any, *, wanted: bool) -> Iterator[None]:
        """Show what would be taken while the button is down; letting it go takes it."""
        number, here = self.place(event)
        values, spot = self.values(number), self.spot(here)
        if not spot.any():
            return
        first = picked(values, spot)
        begun = float(event.pos[0])
        wide, found = first, self._grown(number, values, spot, first, wanted)
        yield
        while event.type == "mouse_move":
            wide = first.wider(2 ** ((float(event.pos[0]) - begun) / DRAG))
            found = self._grown(number, values, spot, wide, wanted)
            yield
        self.clear()
        self.set(number, found, wanted)
        done = "Took" if wanted else "Erased"
        self.session.say(f"{done} what hangs together within {range_words(wide)}")

    def _grown(
        self, number: int, values: np.ndarray, spot: np.ndarray, within: Range, wanted: bool
    ) -> np.ndarray:
        found = hanging_together(within.holds(values) | spot, spot)
        self.show(number, [(found, WANTED_AREA if wanted else UNWANTED_AREA)])
        self.session.viewer.status = range_words(within)
        return found
