"""Masks of one case while training goes on."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from napari_dim.data.case import Case
from napari_dim.data.lazy_slices import slices_of
from napari_dim.engine.inference.between_labels import BetweenLabels
from napari_dim.engine.inference.components import main_pieces
from napari_dim.engine.inference.out_of_core import LARGE
from napari_dim.engine.inference.predictor import BATCH, Prediction, Predictor
from napari_dim.engine.training.control import Control, StoppedError
from napari_dim.engine.training.events import ALONE_FROM, Preview
from napari_dim.engine.training.job import Job


class Previews:
    """Predicts one case of a job with the networks in training.

    Parameters
    ----------
    job
        With a `preview_case`.
    predictor
        Runs the networks.
    control
        A preview ends when the training is to stop, the last one when it is cancelled.

    Attributes
    ----------
    pace
        Seconds that a slice took; 0 before the first preview.
    """

    def __init__(self, job: Job, predictor: Predictor, control: Control) -> None:
        assert job.preview_case is not None
        self._index = job.preview_case
        self._lean = job.settings.lean
        self._new = job.start is None and job.resume is None
        self._volume = volume = job.cases[job.preview_case].volume
        self._shape = volume.array.shape[1:3]
        self._predictor = predictor
        self._control = control
        # The size of a scan with labels is that of its labels.
        self._settled = job.cases[job.preview_case].labelled.size > 0
        grid = predictor.model.grid
        self._turn = grid.turn(volume)
        self._stack = slices_of(volume, grid.shape(volume), control.check_stop, self._turn)
        self.large = volume.array.size > LARGE
        self._whole: Prediction | None = None
        self.pace = 0.0
        self.know(job.cases[job.preview_case])

    def __len__(self) -> int:
        """Slices of the case."""
        return len(self._stack)

    def know(self, case: Case) -> None:
        """Lean on the labels that the case has by now."""
        if self.shows(case):
            self._between = BetweenLabels(case, self._predictor.model.classes)
            if not self._lean:
                self._between.slabs = []

    @property
    def worth_from(self) -> int:
        """The step from which a preview is worth a look: at once where it can lean on labels."""
        if not self._new:
            return 0
        return 1 if self._between.slabs else ALONE_FROM

    def events(
        self, step: int, first: int | None, most: float = math.inf, *, at_end: bool = False
    ) -> Iterator[Preview]:
        """All slices, those about `first` first; fewer if the training is to stop.

        Those between two labelled slices come together, and alone while the network is new, but
        `at_end`. None are begun after `most` seconds.
        """
        begun, done = time.monotonic(), 0
        for portion in self._portions(first, self._new and step < ALONE_FROM and not at_end):
            if done:
                self.pace = (time.monotonic() - begun) / done
            if self._control.stopped or (done and time.monotonic() - begun > most):
                return
            try:
                found = self._predictor.masks(
                    self._stack, portion, self._shape, self._check_stop, self._turn
                )
                found = self._between.lean(found, self._check_stop)
            except StoppedError:
                return
            done += len(portion)
            yield Preview(self._index, portion, found.mask, found.entropy, step)

    def _portions(self, first: int | None, early: bool) -> list[np.ndarray]:
        """Slice numbers that are predicted together, those nearest to `first` first."""
        free = np.ones(len(self._stack), dtype=bool)
        for slab in self._between.slabs:
            free[slab] = False
        alone = np.flatnonzero(free)
        if first is not None:
            alone = alone[np.argsort(np.abs(alone - first), kind="stable")]
        chunks = [alone[at : at + BATCH] for at in range(0, len(alone), BATCH)]
        if early and self._between.slabs:
            chunks = []
        begin = 0 if first is None else first
        return sorted(
            [*self._between.slabs, *chunks], key=lambda portion: int(np.abs(portion - begin).min())
        )

    def shows(self, case: Case) -> bool:
        """Whether it is this case that is previewed."""
        return case.volume is self._volume

    def whole(self) -> Prediction:
        """The prediction of all slices, stray pieces included; made once.

        Raises
        ------
        StoppedError
            If the training is cancelled.
        """
        if self._whole is None:
            seen = tuple(self._stack.shape[-2:])
            if not self._settled and (shape := self._predictor.shape(self._volume)) != seen:
                check = self._control.check_cancel
                self._stack = slices_of(self._volume, shape, check, self._turn)
            self._whole = self._predictor.whole(self._volume, self._stack, self._check)
        return self._whole

    def last(self, step: int, pieces: tuple[int, ...]) -> Preview:
        """All slices at once, as `predict` gives them.

        Raises
        ------
        StoppedError
            If the training is cancelled.
        """
        whole = self.whole()
        own = replace(whole, mask=whole.mask.copy(), confidence=whole.confidence.copy())
        found = self._between.lean(own, self._check)
        return Preview(
            self._index,
            found.slices,
            main_pieces(found.mask, pieces),
            found.entropy,
            step,
            found.confidence,
            self._predictor.disagreement(self._stack, self._check),
        )

    def _check(self, share: float) -> None:
        self._control.check_cancel()

    def _check_stop(self, share: float) -> None:
        self._control.check_stop()
