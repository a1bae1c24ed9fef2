"""The masks that a running training shows: when the next are due, and how they change."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

import numpy as np
from napari.layers import Layer

from napari_dim.data.case import Case
from napari_dim.engine.training.events import ALONE_FROM, Preview
from napari_dim.gui.layers.image_layers import Source
from napari_dim.gui.layers.mask_layer import MaskLayer
from napari_dim.gui.logic.agreement import Agreement
from napari_dim.states import WHOLE

PREVIEW_EVERY = 8.0
"""Least seconds between the end of a preview and the request for the next."""


@dataclass
class Shown:
    """The case whose masks are previewed, and the mask they are shown in.

    Attributes
    ----------
    begins
        The step from which masks are worth a look.
    due
        When the next preview is due, by the monotonic clock.
    """

    image: Layer | None
    source: Source
    mask: MaskLayer | None = None
    begins: int = 0
    due: float = math.inf
    step: int = 0
    asked: float = 0.0
    waiting: set[int] = field(default_factory=set)
    coming: int | None = None
    yours: Agreement = field(default_factory=Agreement)
    before: Agreement = field(default_factory=Agreement)

    @property
    def is_due(self) -> bool:
        """Whether the next preview is to be asked for."""
        return self.step >= self.begins and not self.waiting and time.monotonic() >= self.due

    def ask(self) -> None:
        """All slices are asked for now."""
        self.asked = time.monotonic()
        self.waiting = set(range(self.source.grid.shape[0]))
        self.yours, self.before = Agreement(), Agreement()
        self.coming = None

    def stepped(self, step: int) -> bool:
        """Hear of a step; returns whether a preview ended before all slices had come.

        Of a large scan a preview shows only those that the time is enough for.
        """
        self.step = step
        if self.coming is None or step <= self.coming:
            return False
        early = self.coming < ALONE_FROM
        self.waiting.clear()
        self._over()
        if early:  # the others follow as soon as the network is worth a look
            self.begins, self.due = ALONE_FROM, time.monotonic()
        return True

    def received(self, event: Preview) -> bool:
        """Some slices have come; returns whether all have, and the next preview is due later."""
        self.waiting -= set(event.slices.tolist())
        self.coming = event.step
        if not self.waiting:
            self._over()
        return not self.waiting

    def _over(self) -> None:
        now = time.monotonic()
        # A preview of a large scan takes long: keep most of the time for training.
        self.due = now + max(PREVIEW_EVERY, 5 * (now - self.asked))
        self.coming = None

    def compare(self, event: Preview, case: Case | None) -> None:
        """Compare new masks with a person's slices, and with the masks before."""
        known = np.zeros(0, bool) if self.mask is None else self.mask.answer.said[event.slices]
        if self.mask is not None and known.any():
            self.before.add(event.mask[known], self.mask.answer.mask[event.slices[known]])
        if case is None or case.mask is None:
            return
        yours = np.isin(event.slices, np.flatnonzero(np.isin(case.states, WHOLE)))
        if yours.any():
            self.yours.add(event.mask[yours], case.mask[event.slices[yours]])
