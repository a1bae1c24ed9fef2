"""The masks that a running training shows: when the next are due, and how they change."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from napari.layers import Layer

from napari_dim.data.case import Case
from napari_dim.engine.training.events import Preview
from napari_dim.gui.layers.image_layers import Source
from napari_dim.gui.layers.predicted_layer import PredictionLayer
from napari_dim.gui.logic.agreement import Agreement
from napari_dim.states import SliceState

PREVIEW_EVERY = 8.0
"""Least seconds between the end of a preview and the request for the next."""


@dataclass
class Shown:
    """The case whose masks are previewed, and the layers it is shown in."""

    image: Layer | None
    source: Source
    prediction: PredictionLayer
    due: float = math.inf
    asked: float = 0.0
    waiting: set[int] = field(default_factory=set)
    yours: Agreement = field(default_factory=Agreement)
    before: Agreement = field(default_factory=Agreement)

    def ask(self) -> None:
        """All slices are asked for now."""
        self.asked = time.monotonic()
        self.waiting = set(range(len(self.prediction.mask)))
        self.yours, self.before = Agreement(), Agreement()

    def received(self, numbers: Sequence[int]) -> None:
        """Some slices have come; when all have, the next preview becomes due."""
        self.waiting -= set(numbers)
        if not self.waiting:
            now = time.monotonic()
            # A preview of a large scan takes long: keep most of the time for training.
            self.due = now + max(PREVIEW_EVERY, 5 * (now - self.asked))

    def compare(self, event: Preview, case: Case | None) -> None:
        """Compare new masks with a person's slices, and with the masks before."""
        known = self.prediction.said[event.slices]
        if known.any():
            self.before.add(event.mask[known], self.prediction.mask[event.slices[known]])
        if case is None or case.mask is None:
            return
        yours = np.isin(event.slices, np.flatnonzero(case.states == SliceState.PAINTED))
        if yours.any():
            self.yours.add(event.mask[yours], case.mask[event.slices[yours]])
