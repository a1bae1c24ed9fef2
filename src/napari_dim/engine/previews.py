"""Masks of one case while training goes on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch import Tensor

from napari_dim.data.working import normalised
from napari_dim.engine.events import Preview
from napari_dim.engine.job import Job
from napari_dim.engine.pieces import main_pieces
from napari_dim.engine.predict import BATCH, Predictor


class Previews:
    """Masks of one case while training goes on."""

    def __init__(self, job: Job, predictor: Predictor) -> None:
        assert job.preview_case is not None
        self._index = job.preview_case
        self._volume = volume = job.cases[job.preview_case].volume
        self._shape = volume.array.shape[1:3]
        self._predictor = predictor
        self._stack: Tensor = normalised(volume, predictor.model.grid.shape(volume))

    def events(self, step: int, first: int | None) -> Iterator[Preview]:
        """All slices, nearest to `first` first."""
        numbers = np.arange(len(self._stack))
        if first is not None:
            numbers = numbers[np.argsort(np.abs(numbers - first), kind="stable")]
        for start in range(0, len(numbers), BATCH):
            chunk = numbers[start : start + BATCH]
            found = self._predictor(self._stack, chunk, self._shape)
            yield Preview(self._index, chunk, found.mask, found.entropy, step)

    def last(self, step: int, pieces: tuple[int, ...]) -> Iterator[Preview]:
        """All slices at once, as `predict` gives them."""
        found = self._predictor.whole(self._volume, self._stack)
        yield Preview(
            self._index,
            found.slices,
            main_pieces(found.mask, pieces),
            found.entropy,
            step,
            found.confidence,
            self._predictor.disagreement(self._stack),
        )
