"""Training in a child process: the same events, the same ends, and its own."""

from __future__ import annotations

import math
import os
import signal
import threading
import time

import numpy as np
import psutil
import pytest
import torch

from napari_dim.config import Settings
from napari_dim.engine.training.checkpoint import Checkpoint
from napari_dim.engine.training.child_process import NICE, train_apart
from napari_dim.engine.training.control import Control
from napari_dim.engine.training.events import (
    Checkpointed,
    Failed,
    Finished,
    Preview,
    Relabelled,
    Started,
    StepDone,
)
from napari_dim.engine.training.loop import Job, train
from tests.cases import case

SMALL = {
    "width": 4, "device": "cpu", "threads": 1, "budget": None, "steps": 6, "min_size": 16,
    "labelled_batch": 2, "unlabelled_batch": 2,
}  # fmt: skip


def job(run=None, **changes):
    return Job(
        [case(), case((), seed=1)],
        Settings.make(**{**SMALL, **changes}),
        run=run,
        preview_case=0,
        preview_every=math.inf,
    )


def trainings():
    return [
        p for p in psutil.Process().children(recursive=True)
        if p.status() != psutil.STATUS_ZOMBIE and "napari_dim.engine.training.child" in p.cmdline()
    ]  # fmt: skip


def test_the_same_events_and_the_same_weights(tmp_path):
    here = list(train(job(tmp_path / "here")))
    apart = list(train_apart(job(tmp_path / "apart")))
    by_clock = (StepDone, Checkpointed)  # how often they come depends on the machine
    assert [type(e) for e in apart if not isinstance(e, by_clock)] == [
        type(e) for e in here if not isinstance(e, by_clock)
    ]
    assert isinstance(apart[0], Started)
    for name, tensor in here[-1].model.tensors().items():
        assert torch.equal(tensor, apart[-1].model.tensors()[name]), name
    masks = [[e.mask for e in events if isinstance(e, Preview)][-1] for events in (here, apart)]
    assert np.array_equal(*masks)
    assert not trainings()
    left = [t.name for t in threading.enumerate() if "training" in t.name]
    assert not [name for name in left if not name.startswith("pytest_timeout")]


def test_control_reaches_the_child():
    control = Control()
    seen = []
    held = []
    for event in train_apart(job(steps=10**6, lean=False), control):
        seen.append(event)
        if isinstance(event, Started):
            nice = [p.nice() for p in trainings()]
            control.give_case(0, case((0, 1, 2, 3)))
            control.ask_preview(0, 5)
            control.pause()
            threading.Timer(1.0, control.resume).start()
        if isinstance(event, Relabelled):
            held.append(time.monotonic())
        if isinstance(event, Preview) and not control.stopped:
            first = event.slices[0]
            control.stop()
    assert nice == [NICE]
    assert first == 5
    assert held
    assert isinstance(seen[-1], Finished)
    assert seen[-1].reason == "stopped"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL")
def test_a_killed_child_is_told_and_training_goes_on_from_its_checkpoint(tmp_path):
    events = []
    for event in train_apart(job(tmp_path, steps=10**6)):
        events.append(event)
        if isinstance(event, Checkpointed):
            killed = time.monotonic()
            os.kill(trainings()[0].pid, signal.SIGKILL)
    last = events[-1]
    assert time.monotonic() - killed < 2
    assert isinstance(last, Failed)
    assert "signal 9" in last.problem
    assert last.run == tmp_path
    assert "go on" in last.hint
    resume = Checkpoint.load(tmp_path)
    more = job(tmp_path, steps=resume.step + 2)
    again = list(train_apart(Job(more.cases, more.settings, run=tmp_path, resume=resume)))
    assert isinstance(again[-1], Finished)
    assert again[-1].steps == resume.step + 2


@pytest.mark.slow
def test_bad_input_and_a_left_stream_leave_no_child(tmp_path):
    (only,) = train_apart(Job([case(())], job().settings))
    assert isinstance(only, Failed)
    assert only.bad_input
    stream = train_apart(job(steps=10**6))
    assert isinstance(next(stream), Started)
    stream.close()
    assert not trainings()
