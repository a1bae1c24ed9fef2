"""Unlabelled slices that don't fit on the device: a part of them, renewed as training goes on."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import torch

from napari_dim.data.case import Case
from napari_dim.data.slice_store import SliceStore, near
from napari_dim.data.working_grid import WorkingGrid

RUN = 8
"""Neighbouring slices are read together: chunked files hold several."""


class Stream:
    """A store of some unlabelled slices, replaced by the next one when it was drawn through.

    The next store is read in a background thread, so the memory holds at most two. Volumes
    are read slice by slice: they may be memory-mapped or chunked.

    Parameters
    ----------
    cases
        What is trained on.
    grid
        The working grid.
    device
        Where the slices go.
    limit
        Bytes that both stores together may take.
    neighbours
        Slices on each side that the network also sees.
    seed
        Of the order in which slices come.
    waits
        Whether the next store is waited for, so that what is drawn doesn't hang on how fast
        it is read; else slices are drawn again meanwhile.
    """

    def __init__(
        self,
        cases: Sequence[Case],
        grid: WorkingGrid,
        device: torch.device,
        *,
        limit: int,
        neighbours: int,
        seed: int,
        waits: bool = False,
    ) -> None:
        self._cases = cases
        self._grid = grid
        self._device = device
        self._neighbours = neighbours
        self._waits = waits
        self._rng = np.random.default_rng(seed)
        self._runs = [
            (place, case.guessed[start : start + RUN])
            for place, case in enumerate(cases)
            for start in range(0, case.guessed.size, RUN)
        ]
        self._waiting: list[int] = []
        self._slices = limit // 2 // max(slice_bytes(case, grid) for case in cases)
        self._drawn = 0
        self._change = threading.Condition()
        self._closed = False
        self._error: Exception | None = None
        self._next: SliceStore | None = None
        self._store = self._read()
        self._thread: threading.Thread | None = None

    def take(self, count: int) -> SliceStore:
        """The store to draw the next `count` slices from.

        Raises
        ------
        Exception
            What reading the next slices ended with, once the slices at hand are used up.
        """
        if self._thread is None:  # not before: a training that never draws leaves no thread
            self._thread = threading.Thread(target=self._work, name="slices", daemon=True)
            self._thread.start()
        with self._change:
            if self._drawn >= len(self._store.unlabelled):
                if self._waits:
                    self._change.wait_for(lambda: self._next is not None or self._error is not None)
                if self._next is not None:
                    self._store, self._next, self._drawn = self._next, None, 0
                    self._change.notify_all()
                elif self._error is not None:
                    raise self._error
            self._drawn += count
            return self._store

    def close(self) -> None:
        """End the background thread."""
        with self._change:
            self._closed = True
            self._change.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._closed or self._next is None)
                if self._closed:
                    return
            try:
                store = self._read()
            except Exception as error:
                with self._change:
                    self._error = error
                    self._change.notify_all()
                return
            with self._change:
                self._next = store
                self._change.notify_all()

    def _read(self) -> SliceStore:
        """As many runs as fit; every run comes once before any comes again."""
        chosen: list[list[np.ndarray]] = [[] for _ in self._cases]
        left = self._slices
        for first in (True, *[False] * (len(self._runs) - 1)):
            if not self._waiting:
                self._waiting = self._rng.permutation(len(self._runs)).tolist()
            place, numbers = self._runs[self._waiting[-1]]
            left -= near(numbers, self._neighbours, len(self._cases[place].states)).size
            if left < 0 and not first:
                break
            self._waiting.pop()
            chosen[place].append(numbers)
        none = np.empty(0, dtype=int)
        return SliceStore.build(
            self._cases,
            self._grid,
            {},
            self._device,
            with_labelled=False,
            unlabelled=[np.unique(np.concatenate([none, *numbers])) for numbers in chosen],
            neighbours=self._neighbours,
        )


def slice_bytes(case: Case, grid: WorkingGrid) -> int:
    """What one slice of a case takes in a store."""
    rows, columns = np.maximum(grid.shape(case.volume), grid.patch)
    return int(rows * columns * case.volume.channels * 2)
