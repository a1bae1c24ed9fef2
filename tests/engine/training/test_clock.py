"""t / T by steps and by the clock, with and without an end."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest

from napari_dim.engine.training.clock import LONGEST_ROUND, Clock
from napari_dim.engine.training.events import StepDone


def test_steps_are_the_whole_schedule():
    clock = Clock(None, 10, skipped=0.4)
    assert clock.progress(0) == pytest.approx(0.4)
    assert clock.progress(5) == pytest.approx(0.7)
    assert clock.progress(10) == 1
    assert not clock.over(9)
    assert clock.over(10)


def test_without_an_end_it_goes_on_in_growing_rounds():
    clock = Clock(None, 10, again=0.4)
    assert clock.progress(0) == 0
    assert clock.progress(9) == pytest.approx(0.9)
    begins = [10, 30, 70, 150, 230, 310]  # rounds of 20, 40, 80, 80 steps after the first 10
    assert LONGEST_ROUND == 8
    for begin, end in pairwise(begins):
        assert clock.progress(begin) == pytest.approx(0.4)
        assert clock.progress((begin + end) // 2) == pytest.approx(0.7)
        assert 0.96 < clock.progress(end - 1) < 1
    assert not any(clock.over(step) for step in range(1000))
    assert clock.time_left(5) is None


def test_without_an_end_by_the_clock():
    clock = Clock(0.05, None, again=0.4)
    time.sleep(0.06)
    assert not clock.over(0)
    assert clock.progress(0) >= 0.4


def test_time_trained_before_counts():
    clock = Clock(100.0, None, spent=50.0)
    assert clock.progress(0) == pytest.approx(0.5, abs=0.01)
    assert clock.time_left(0) == pytest.approx(50, abs=1)


def test_the_budget_is_what_a_person_waits_for():
    """Set-up and the masks at the end are part of it; steps get a third at least."""
    clock = Clock(60.0, None, spent=20.0, before=10.0)
    assert clock.progress(0) == pytest.approx(20 / 50, abs=0.01)
    clock.reserve(10.0)
    assert clock.progress(0) == pytest.approx(20 / 40, abs=0.01)
    assert clock.time_left(0) == pytest.approx(30, abs=0.1)  # 20 of steps, 10 of masks
    clock.reserve(100.0)
    assert clock.over(1)
    assert not clock.over(0)  # there is always a first step
    slow = Clock(60.0, None, before=90.0)
    assert slow.progress(0) < 0.01
    assert slow.time_left(0) == pytest.approx(20, abs=0.1)
    steps = Clock(None, 10, before=90.0)
    assert steps.progress(5) == pytest.approx(0.5)


def test_the_share_for_people_begins_at_nothing():
    """Also of a training that begins within the schedule."""
    assert StepDone(3, 0.43, 15.0, 165.0, {}).share == pytest.approx(15 / 180)
    assert StepDone(90, 1.0, 180.0, 0.0, {}).share == 1.0
    assert StepDone(90, 0.6, 180.0, None, {}).share == 0.6
    assert StepDone(0, 0.43, 0.0, 0.0, {}).share == 0.43
