"""Faults at the real seams: inside a network's pass, in the child process, in every phase."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import torch

from napari_dim.config import Settings
from napari_dim.engine.device import release_memory
from napari_dim.engine.inference.trained_model import Model
from napari_dim.engine.training import loop as loop
from napari_dim.engine.training.child_process import train_apart
from napari_dim.engine.training.control import Control
from napari_dim.engine.training.events import (
    Checkpointed,
    Event,
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
from tests.gates.stopwatch import Stopwatch

PROMISE = """out of memory, a lost device, a missing operator, NaN, a killed child, a stop in any
phase: every end is a stated result within 2 s, with the memory given back"""
FULL, QUICK = 16, 8

MOST = 2.0
"""Seconds from the fault to the last event, less what the machine gave to others."""
SMALL = {
    "width": 4, "device": "cpu", "threads": 1, "budget": None, "steps": 10**6, "min_size": 16,
    "labelled_batch": 4, "unlabelled_batch": 2, "least_weight": 0.0,
}  # fmt: skip


@dataclass
class _Seen:
    """The events of a training, and when the fault was."""

    events: list[Event] = field(default_factory=list)
    watch: Stopwatch | None = None
    took: float = 0.0

    @property
    def last(self) -> Event:
        return self.events[-1]

    def mark(self) -> None:
        self.watch = self.watch or Stopwatch()

    def follow(self, stream: Iterator[Event], act: Callable[[Event], None] | None = None) -> None:
        for event in stream:
            self.events.append(event)
            if act is not None:
                act(event)
        self.took = self.watch.seconds() if self.watch else 0.0


def run(count: int) -> str:
    """Inject so many faults, one after the other."""
    loop.FIRST_CHECKPOINT = 0.2
    _warm()
    with tempfile.TemporaryDirectory() as folder:  # what only an end loads, is loaded
        next(iter(_FAULTS.values()))(Path(folder))
    release_memory()
    before = _memory()
    took = {}
    for name, fault in list(_FAULTS.items())[:count]:
        with tempfile.TemporaryDirectory() as folder:
            seen = fault(Path(folder))
        assert isinstance(seen.last, Finished | Failed), (name, seen.last)
        assert seen.took <= MOST, f"{name} ended after {seen.took:.1f} s"
        assert not _children(), name
        took[name] = seen.took
        del seen
    release_memory()
    threads = [t.name for t in threading.enumerate() if t is not threading.main_thread()]
    assert not [name for name in threads if "training" in name or name == "slices"], threads
    grown = (_memory() - before) / 2**20
    assert grown < 100, f"{grown:.0f} MiB were not given back"
    slowest = max(took, key=lambda name: took[name])
    return (
        f"{len(took)} faults, {len(took)} clean ends; the slowest, {slowest}, "
        f"after {took[slowest]:.2f} s; {max(0.0, grown):.0f} MiB kept"
    )


def _job(run: Path | None = None, **changes: object) -> Job:
    cases = [case(), case((), seed=1)]
    return Job(cases, Settings.make(**{**SMALL, **changes}), run=run, preview_case=0,
               preview_every=1e9)  # fmt: skip


def _warm() -> None:
    """Load and allocate what any training does once."""
    for _ in range(2):
        list(train(_job(steps=4)))


def _memory() -> int:
    return int(psutil.Process().memory_info().rss)


def _children() -> list[psutil.Process]:
    alive = (psutil.STATUS_ZOMBIE,)
    found = psutil.Process().children(recursive=True)
    return [p for p in found if p.status() not in alive]


def _raises(error: BaseException, word: str) -> Callable[[Path], _Seen]:
    """The same exception at every pass, from some pass on."""

    def fault(folder: Path) -> _Seen:
        seen = _Seen()
        inject = raising(error, first=200, times=10**9)

        def act(number: int, layer: torch.nn.Module, output: torch.Tensor) -> None:
            if number >= 200:
                seen.mark()
            inject(number, layer, output)

        with in_forward(act):
            seen.follow(train(_job(folder)))
        assert isinstance(seen.last, Failed)
        assert word in seen.last.problem, seen.last
        assert seen.last.run == folder
        Model.load(folder)
        return seen

    return fault


def _mended(inject: Callable[..., object], word: str) -> Callable[[Path], _Seen]:
    """A fault that passes: the training must come to its own end."""

    def fault(folder: Path) -> _Seen:
        seen = _Seen()
        with in_forward(inject):
            seen.follow(train(_job(folder, steps=20)))
        told = [e for e in seen.events if isinstance(e, Recovered)]
        assert told
        assert all(word in f"{e.problem} {e.remedy}" for e in told), told
        assert isinstance(seen.last, Finished)
        assert seen.last.steps == 20
        return seen

    return fault


def _no_memory_for(number: int, layer: torch.nn.Module, output: torch.Tensor) -> None:
    if number == 200:
        torch.empty(2**50)  # The CPU's own allocator says no.


def _missing_operator(folder: Path) -> _Seen:
    """PyTorch's own refusal of an operator that a device lacks."""
    seen = _Seen()

    def act(number: int, layer: torch.nn.Module, output: torch.Tensor) -> None:
        if number >= 200:
            seen.mark()
            torch.empty(1, device="meta").cpu()

    with in_forward(act):
        seen.follow(train(_job(folder)))
    assert isinstance(seen.last, Failed)
    assert "can't do what the network needs" in seen.last.problem, seen.last
    return seen


def _nan_for_good(folder: Path) -> _Seen:
    seen = _Seen()
    poison = poisoning(200, 10**9)

    def act(number: int, layer: torch.nn.Module, output: torch.Tensor) -> object:
        if number >= 200:
            seen.mark()
        return poison(number, layer, output)

    with in_forward(act):
        seen.follow(train(_job(folder)))
    assert isinstance(seen.last, Failed)
    assert "no numbers" in seen.last.problem
    return seen


def _stopped(
    phase: type[Event], how: Callable[[Control], None], *, preview: bool = False
) -> Callable[[Path], _Seen]:
    """Stopped when the first event of a kind comes."""

    def fault(folder: Path) -> _Seen:
        seen, control = _Seen(), Control()
        if preview:
            control.ask_preview(0, 3)

        def act(event: Event) -> None:
            if isinstance(event, phase) and not seen.watch:
                seen.mark()
                how(control)

        seen.follow(train(_job(folder), control), act)
        if isinstance(seen.last, Finished):
            assert seen.last.reason == "stopped"
        return seen

    return fault


def _stopped_in_set_up(folder: Path) -> _Seen:
    seen, control = _Seen(), Control()
    stop = threading.Timer(0.02, lambda: (seen.mark(), control.stop()))
    big = [case(shape=(200, 256, 256)), case((), shape=(200, 256, 256), seed=1)]
    stop.start()
    seen.follow(train(Job(big, Settings.make(**SMALL), run=folder / "run"), control))
    stop.join()
    assert isinstance(seen.last, Failed)
    assert seen.last.stopped
    assert not (folder / "run").exists()
    return seen


def _stopped_in_a_long_end(folder: Path) -> _Seen:
    """Stop, then cancel while the pieces of a large scan are looked at."""
    seen, control = _Seen(), Control()
    large = case((50, 100), shape=(150, 256, 256))
    job = Job([large, case((), seed=1)], Settings.make(**SMALL), run=folder, preview_case=0,
              preview_every=1e9)  # fmt: skip

    def cancel() -> None:
        seen.mark()
        control.cancel()

    timers = []

    def act(event: Event) -> None:
        if isinstance(event, StepDone) and not control.stopped:
            control.stop()
            timers.append(threading.Timer(0.5, cancel))
            timers[0].start()

    seen.follow(train(job, control), act)
    timers[0].join()
    assert isinstance(seen.last, Finished)
    return seen


def _child_killed(folder: Path) -> _Seen:
    seen = _Seen()

    def act(event: Event) -> None:
        if isinstance(event, Checkpointed) and not seen.watch:
            seen.mark()
            os.kill(_children()[0].pid, signal.SIGKILL)

    seen.follow(train_apart(_job(folder)), act)
    assert isinstance(seen.last, Failed)
    assert seen.last.run == folder
    return seen


def _child_hangs(folder: Path) -> _Seen:
    """A child that does not move any more, and is cancelled."""
    seen, control = _Seen(), Control()

    def act(event: Event) -> None:
        if isinstance(event, StepDone) and not seen.watch:
            os.kill(_children()[0].pid, signal.SIGSTOP)
            seen.mark()
            control.cancel()

    seen.follow(train_apart(_job(folder), control), act)
    return seen


def _two_at_once(folder: Path) -> _Seen:
    """A second training beside the first; one is stopped, the other goes to its end."""
    seen, other = _Seen(), _Seen()
    control = Control()
    thread = threading.Thread(
        target=lambda: other.follow(train(_job(folder / "other", steps=30))), name="second"
    )

    def act(event: Event) -> None:
        if isinstance(event, Started):
            thread.start()
        if isinstance(event, StepDone) and other.events and not seen.watch:
            seen.mark()
            control.stop()

    seen.follow(train(_job(folder / "one"), control), act)
    thread.join()
    assert isinstance(other.last, Finished)
    assert other.last.steps == 30
    return seen


_FAULTS: dict[str, Callable[[Path], _Seen]] = {
    "no memory for a moment (the CPU's allocator)": _mended(_no_memory_for, "memory"),
    "no memory for a moment (a GPU's error)": _mended(
        raising(torch.OutOfMemoryError("CUDA out of memory"), first=200), "2 labelled"
    ),
    "no memory any more": _raises(torch.OutOfMemoryError("CUDA out of memory"), "memory"),
    "a lost device": _raises(RuntimeError("CUDA error: unspecified launch failure"), "gave up"),
    "a missing operator": _missing_operator,
    "an unforeseen error": _raises(KeyError("odd"), "odd"),
    "NaN for a moment": _mended(poisoning(200, times=60), "halved"),
    "NaN for good": _nan_for_good,
    "a killed child": _child_killed,
    "a hanging child": _child_hangs,
    "two trainings at once": _two_at_once,
    "stop in the set-up": _stopped_in_set_up,
    "stop at the first step": _stopped(Started, Control.stop),
    "stop in a preview": _stopped(Preview, Control.stop, preview=True),
    "cancel while it predicts for the last time": _stopped_in_a_long_end,
}
