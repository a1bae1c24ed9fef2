"""What the machine does to a training: each fault ends in a stated result."""

from __future__ import annotations

import pytest
import torch

from napari_dim.config import Settings
from napari_dim.engine.device import is_out_of_memory
from napari_dim.engine.inference.trained_model import Model
from napari_dim.engine.training import loop as module
from napari_dim.engine.training.checkpoint import Checkpoint
from napari_dim.engine.training.control import Control
from napari_dim.engine.training.events import (
    Checkpointed,
    Failed,
    Finished,
    Preview,
    Recovered,
    Started,
    StepDone,
)
from napari_dim.engine.training.loop import Job, train
from tests.cases import case
from tests.faults import in_forward, poisoning, raising

SMALL = {
    "width": 4, "device": "cpu", "threads": 1, "budget": None, "steps": 12, "min_size": 16,
    "labelled_batch": 4, "unlabelled_batch": 2, "least_weight": 0.0,
}  # fmt: skip


@pytest.fixture(autouse=True)
def every_step(monkeypatch):
    monkeypatch.setattr(module, "REPORT_EVERY", 0.0)


def job(run=None, **changes):
    return Job([case(), case((), seed=1)], Settings.make(**{**SMALL, **changes}), run=run)


def finite(model):
    return all(torch.isfinite(t).all() for t in model.tensors().values())


NO_MEMORY = {
    "device": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    "cpu": RuntimeError(
        "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
    ),
    "mps": RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"),
    "python": MemoryError(),
}


@pytest.mark.parametrize("which", NO_MEMORY)
def test_without_memory_it_goes_on_with_a_smaller_batch(which):
    assert is_out_of_memory(NO_MEMORY[which])
    with in_forward(raising(NO_MEMORY[which], first=60)):
        events = list(train(job()))
    (mended,) = [e for e in events if isinstance(e, Recovered)]
    assert "2 labelled and 1 unlabelled" in mended.remedy
    assert isinstance(events[-1], Finished)
    assert events[-1].steps == 12


def test_memory_that_is_really_not_there():
    """The CPU's own allocator says no."""

    def act(number, layer, output):
        if number == 60:
            torch.empty(2**50)

    with in_forward(act):
        events = list(train(job()))
    assert any(isinstance(e, Recovered) for e in events)
    assert isinstance(events[-1], Finished)


def test_without_any_memory_it_says_so_and_keeps_what_it_has(tmp_path):
    with in_forward(raising(NO_MEMORY["device"], first=100, times=10**6)):
        events = list(train(job(tmp_path)))
    assert isinstance(events[-1], Failed)
    assert "memory" in events[-1].problem
    assert events[-1].run == tmp_path
    assert finite(Model.load(tmp_path))
    assert Checkpoint.load(tmp_path).step > 0


@pytest.mark.parametrize(
    ("error", "word", "hint"),
    [
        (RuntimeError("CUDA error: device-side assert triggered"), "graphics card", "cpu"),
        (
            NotImplementedError("The operator 'aten::x' is not implemented for MPS"),
            "aten::x",
            "cpu",
        ),
        (RuntimeError("some bug"), "some bug", "report"),
        (ValueError(""), "ValueError", "report"),
    ],
)
def test_what_can_t_be_mended_is_told_in_one_line(tmp_path, error, word, hint):
    with in_forward(raising(error, first=100, times=10**6)):
        events = list(train(job(tmp_path)))
    last = events[-1]
    assert isinstance(last, Failed)
    assert word in last.problem
    assert hint in last.hint
    assert "\n" not in last.problem
    assert "Traceback" in last.details
    assert finite(Model.load(tmp_path))


def test_nan_goes_back_and_on(tmp_path):
    with in_forward(poisoning(first=60)):
        events = list(train(job(tmp_path)))
    (mended,) = [e for e in events if isinstance(e, Recovered)]
    assert "halved the learning rate" in mended.remedy
    assert isinstance(events[-1], Finished)
    assert finite(events[-1].model)
    assert finite(Model.load(tmp_path))


def test_nan_again_and_again_stops_with_a_reason(tmp_path):
    with in_forward(poisoning(first=60, times=10**6)):
        events = list(train(job(tmp_path, steps=100)))
    assert isinstance(events[-1], Failed)
    assert "no numbers" in events[-1].problem
    assert finite(Model.load(tmp_path))
    checkpoint = Checkpoint.load(tmp_path)
    assert checkpoint.rate < 0.1
    assert finite(checkpoint.model)


def test_a_full_disk_ends_no_training(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "FIRST_CHECKPOINT", 0.0)
    run = tmp_path / "run"
    events = []
    for event in train(job(run, steps=8)):
        events.append(event)
        if isinstance(event, Started):
            (run / "latest.safetensors").mkdir(parents=True)  # nothing can take this name now
    assert [e for e in events if isinstance(e, Recovered) and "not be saved" in e.problem]
    assert isinstance(events[-1], Finished)


def test_stopped_before_the_first_step_nothing_is_learnt(tmp_path):
    control = Control()
    control.stop()
    (only,) = train(job(tmp_path / "run"), control)
    assert isinstance(only, Failed)
    assert only.stopped
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("phase", [StepDone, Preview, Checkpointed])
def test_cancelled_in_any_phase_it_ends_at_once(tmp_path, phase, monkeypatch):
    monkeypatch.setattr(module, "FIRST_CHECKPOINT", 0.0)
    control = Control()
    control.ask_preview(0)
    seen = []
    request = Job(job().cases, job(steps=1000).settings, run=tmp_path, preview_case=0)
    for event in train(request, control):
        seen.append(event)
        if isinstance(event, phase):
            control.cancel()
    last = seen[-1]
    assert isinstance(last, Finished)
    assert last.reason == "stopped"
    assert finite(Model.load(tmp_path))
    after = seen[[type(e) for e in seen].index(phase) + 1 :]
    assert not [e for e in after if isinstance(e, Preview)]
