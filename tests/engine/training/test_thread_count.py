"""Threads beside other programs: a core that another one takes is not counted on."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from napari_dim.engine import precision
from napari_dim.engine.training import thread_count
from napari_dim.engine.training.thread_count import ThreadCount, Usage, usage


@pytest.fixture(autouse=True)
def same_threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("others", "own", "expected"),
    [(0.0, 2.0, 2), (0.1, 1.9, 2), (1.0, 1.0, 1), (0.66, 1.33, 1), (2.0, 0.1, 1), (0.0, 0.5, 2)],
)
def test_the_cores_that_others_leave(others, own, expected):
    told = [Usage(0.0, 5.0, 1.0, 1.0), Usage(1.0, 5.0 + others + own, 1.0 + own, 1.5)]
    assert ThreadCount(2, iter(told).__next__).left() == expected


@pytest.mark.parametrize(
    ("window", "training", "expected"),
    [(0.0, 1.0, 4), (0.1, 0.9, 4), (1.0, 1.0, 3), (1.9, 0.7, 2)],
)
def test_a_window_in_the_same_process_is_one_of_the_others(window, training, expected):
    """It has a core to begin with; `training` is what each of its threads worked in a second."""
    busy = window + 3 * training
    told = [Usage(0.0, 5.0, 1.0, 1.0), Usage(1.0, 5.0 + busy, 1.0 + busy, 1.0 + training)]
    with ThreadPoolExecutor(1) as thread:
        count = thread.submit(ThreadCount, 4, iter(told).__next__).result()
        assert count.threads == thread.submit(torch.get_num_threads).result() == 3
        assert thread.submit(count.left).result() == expected


@pytest.mark.parametrize(
    ("asked", "expected"), [("1", 1), ("3,2", 3), ("99", 4), ("0", 4), ("all", 4), ("", 4)]
)
def test_who_starts_us_may_ask_for_fewer(monkeypatch, asked, expected):
    monkeypatch.setattr(precision, "available_cpus", lambda: 4)
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert precision.usable_threads() == expected
    precision.use_threads(0)
    assert torch.get_num_threads() == expected
    precision.use_threads(99)
    assert torch.get_num_threads() == precision.available_cpus()
    assert precision.too_many(precision.available_cpus(), "threads") == ""
    assert "99 threads are more than" in precision.too_many(99, "threads")
    precision.use_threads(2)
    assert torch.get_num_threads() == 2


def test_a_core_is_left_at_once_and_taken_when_two_looks_agree(monkeypatch):
    monkeypatch.setattr(thread_count, "LOOK_EVERY", 0.0)
    # by the clock of the machine: it must not be ahead of now
    load = [0.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0]
    told, busy = [Usage(0.0, 0.0, 0.0, 0.0)], 0.0
    for second, others in enumerate(load, 1):
        busy += others + 1.0
        told.append(Usage(float(second), busy, float(second), 0.0))
    count = ThreadCount(2, iter(told).__next__)
    seen = []
    for _ in load:
        count.look()
        seen.append(count.threads)
    assert seen == [2, 1, 1, 1, 1, 1, 1, 2]
    assert torch.get_num_threads() == 2


def test_a_busy_process_beside_this_one_is_seen():
    """Not by how much: other tests run here too."""
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        time.sleep(0.5)
        before = usage()
        time.sleep(2.0)
        after = usage()
    finally:
        busy.kill()
        busy.wait()
    clock, everyone, own, _ = (b - a for a, b in zip(before, after, strict=True))
    assert clock >= 2.0
    assert everyone - own > 0.2
