"""The range of intensity that the threshold brush keeps to; the brush and its limits share it."""

from __future__ import annotations

import numpy as np
from psygnal import Signal

from napari_dim.editing.intensity_ranges import Range


class HeldRange:
    """A range, and whether it holds from one stroke to the next.

    Attributes
    ----------
    range
        The range last picked or given; None before the first.
    held
        Whether strokes keep to it; else each picks the range of the spot where it begins.
    """

    changed = Signal()
    """The range is another one, or holds from now on, or does not."""
    given = Signal()
    """A person gave or picked a range on purpose: what is in it wants to be seen."""

    def __init__(self) -> None:
        self.range: Range | None = None
        self.held = False

    def kept_in(self, channels: int) -> Range | None:
        """The range that strokes keep to in an image of so many channels; None if each picks."""
        fits = self.range is not None and len(self.range.low) == channels
        return self.range if self.held and fits else None

    def pick(self, found: Range) -> None:
        """A stroke picked the range where it began."""
        self.range = found
        self.changed.emit()

    def give(self, low: np.ndarray, high: np.ndarray) -> None:
        """A person gives the limits: they hold from now on.

        Parameters
        ----------
        low, high
            ``(channel,)`` each.
        """
        self.range = Range(low, high)
        self.held = True
        self.changed.emit()
        self.given.emit()

    def hold(self, held: bool) -> None:
        """Let the range hold, or let each stroke pick its own."""
        self.held = held and self.range is not None
        self.changed.emit()


def range_words(found: Range) -> str:
    """A range for people: ``210 to 340``, one after the other for several channels."""
    step = float(np.max(found.high - found.low))
    places = 0 if step >= 20 else 2 if step >= 0.2 else 5
    ends = zip(found.low.tolist(), found.high.tolist(), strict=True)
    return ", ".join(f"{low:.{places}f} to {high:.{places}f}" for low, high in ends)
