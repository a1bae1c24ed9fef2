"""Slices that don't fit come in parts: the same slices, bounded memory, no thread left."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import torch

from napari_dim.config import Settings
from napari_dim.data.case import Case
from napari_dim.data.slice_store import SliceStore
from napari_dim.data.slice_stream import Stream, slice_bytes
from napari_dim.data.working_grid import WorkingGrid
from napari_dim.engine.training.events import Failed, Finished, Started
from napari_dim.engine.training.loop import Job, train
from napari_dim.volume import Grid, Volume
from tests.cases import case

CPU = torch.device("cpu")


class CountedArray(np.ndarray):
    """Remembers the most values that one read has returned."""

    most = 0

    def __getitem__(self, key):
        found = super().__getitem__(key)
        if isinstance(found, np.ndarray):
            CountedArray.most = max(CountedArray.most, found.size)
        return np.asarray(found)


def long_case(slices=200, seed=0, site="A"):
    rng = np.random.default_rng(seed)
    array = rng.normal(size=(slices, 32, 32)).astype(np.float32)
    array[:, 0, 0] = np.arange(slices) / 10  # tells which slice it is
    grid = Grid((32, 32, slices), np.eye(4), slice_axis=2)
    return Case(Volume(array, grid), None, np.zeros(slices, np.uint8), site=site)


def grid_of(cases):
    return WorkingGrid.fit([c.volume for c in cases], min_size=16, max_size=64)


def stream_of(cases, slices, neighbours=1):
    grid = grid_of(cases)
    limit = slices * slice_bytes(cases[0], grid)
    return Stream(cases, grid, CPU, limit=limit, neighbours=neighbours, seed=0), limit


def drawn(stream, parts):
    """The next stores, each drawn through."""
    stores = [stream.take(0)]
    while len(stores) < parts:
        store = stream.take(1)
        if store is not stores[-1]:
            stores.append(store)
        time.sleep(0.0005)
    return stores


def test_the_slices_are_those_of_a_store_that_holds_all():
    cases = [long_case(60), long_case(50, seed=1, site="B")]
    whole = SliceStore.build(cases, grid_of(cases), {}, CPU, with_labelled=False, neighbours=1)
    every = {x.numpy().tobytes() for x in whole.with_context(whole.unlabelled, 1)}
    stream, _ = stream_of(cases, 80)
    try:
        seen = set()
        for store in drawn(stream, 8):
            for x in store.with_context(store.unlabelled, 1):
                seen.add(x.numpy().tobytes())
        assert seen == every  # all come, each with its own neighbours
    finally:
        stream.close()


def test_memory_stays_within_the_limit():
    stream, limit = stream_of([long_case()], 100)
    try:
        sizes = [s.images.numel() * s.images.element_size() for s in drawn(stream, 4)]
        assert 2 * max(sizes) <= limit
        assert 2 * max(sizes) > limit / 8  # and is made use of
    finally:
        stream.close()


def test_a_volume_is_never_read_as_a_whole():
    """One sample for its intensities, then slice by slice."""
    array = np.zeros((400, 160, 160), np.int16)
    volume = Volume(array.view(CountedArray), Grid((160, 160, 400), np.eye(4), slice_axis=2))
    cases = [Case(volume, None, np.zeros(400, np.uint8))]
    CountedArray.most = 0
    stream, _ = stream_of(cases, 60)
    assert 64 * 64 < CountedArray.most < array.size / 3
    CountedArray.most = 0
    drawn(stream, 3)
    stream.close()
    assert 0 < CountedArray.most <= 160 * 160


def test_the_same_seed_gives_the_same_order():
    first, second = (stream_of([long_case()], 60)[0] for _ in range(2))
    try:
        for a, b in zip(drawn(first, 3), drawn(second, 3), strict=True):
            assert torch.equal(a.images, b.images)
    finally:
        first.close()
        second.close()


def test_training_streams_what_does_not_fit_and_leaves_no_thread():
    cases = [case(), long_case(120, site="B")]
    settings = Settings.make(
        width=4, device="cpu", threads=1, budget=None, steps=30, min_size=16, labelled_batch=2,
        least_weight=0.0, slice_memory=0.05,
    )  # fmt: skip
    events = list(train(Job(cases, settings)))
    assert isinstance(events[0], Started)
    assert "don't fit" in events[0].notes[0]
    assert isinstance(events[-1], Finished)
    assert not [t for t in threading.enumerate() if t.name == "slices"]


def test_a_fault_while_reading_ends_the_training_with_its_reason(monkeypatch):
    cases = [case(), long_case(120, site="B")]
    settings = Settings.make(
        width=4, device="cpu", threads=1, budget=None, steps=2000, min_size=16,
        labelled_batch=2, slice_memory=0.05,
    )  # fmt: skip
    events = train(Job(cases, settings))
    next(events)

    def gone(*_, **__):
        raise OSError("the disk went away")

    monkeypatch.setattr(SliceStore, "build", gone)
    last = list(events)[-1]
    assert isinstance(last, Failed)
    assert "the disk went away" in last.problem
    assert not [t for t in threading.enumerate() if t.name == "slices"]


@pytest.fixture(autouse=True)
def _no_threads_before():
    assert not [t for t in threading.enumerate() if t.name == "slices"]
