"""Steps of a training, replayed as CUDA graphs where the device allows it.

A step is some thousand small kernels, and telling the device of each takes longer than the
work itself. So a step is recorded once for each of its stages (which terms run, whether the
sharpness-aware second pass does), from the views to the teacher, and then started as a whole.
What changes from step to step is written to fixed places on the device before: the slices
that were drawn, t / T, λ, the teacher's decay and the learning rate.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from napari_dim.data.batches import Drawn, Sampler
from napari_dim.engine.device import release_memory
from napari_dim.systems.system import Pace, Stage, System

WARM = 2
"""Steps of a stage that are taken plainly first: libraries choose how to compute it."""
AHEAD = 2
"""Steps that may wait in the device's queue: more would outrun the clock of the budget."""

_log = logging.getLogger(__name__)

_Key = tuple[Any, ...]


@dataclass
class _Recorded:
    """A stage as it was recorded."""

    graph: torch.cuda.CUDAGraph | None  # None where it is run anew each time
    stage: Stage
    inputs: Drawn
    names: tuple[str, ...] = ()
    losses: Tensor | None = None


class Stepper:
    """Draws batches and takes steps on them.

    Parameters
    ----------
    system
        The step.
    sampler
        Its slices; the store and the numbers of slices may change between two steps.
    device
        Where they are.
    recorded
        Whether steps are recorded; by default on CUDA. On another device they are then
        taken as they would be recorded, which tests need.
    """

    def __init__(
        self,
        system: System,
        sampler: Sampler,
        device: torch.device,
        *,
        recorded: bool | None = None,
    ) -> None:
        self.system, self.sampler = system, sampler
        self._device = device
        able = device.type == "cuda" and hasattr(torch.cuda.CUDAGraph, "register_generator_state")
        self.recorded = system.recordable and (able if recorded is None else recorded)
        self._seen: Counter[_Key] = Counter()
        self._stages: dict[_Key, _Recorded] = {}
        self._inputs: dict[_Key, Drawn] = {}
        self._numbers: dict[str, Tensor] = {}  # what stands for the pace in a recorded step
        self._pool: Any = None
        self._waiting: deque[torch.cuda.Event] = deque()

    def step(self, progress: float, number: int, *, with_unlabelled: bool) -> dict[str, Tensor]:
        """Take the step of this number at t / T = `progress`.

        Returns
        -------
        dict
            The losses, scalars on the device; they hold until the next step.
        """
        stage = self.system.stage(progress, number)
        pace = self.system.pace(progress, number)
        self.system.prepare(stage, progress, number)
        drawn = self.sampler.pick(with_unlabelled=with_unlabelled)
        if self.recorded:
            key = (stage, *(tuple(each.shape) for each in _tensors(drawn)))
            self._seen[key] += 1
            if self._seen[key] > WARM and (kept := self._kept(key, stage, drawn, pace)) is not None:
                return self._replay(kept, drawn, pace)
        return self._take(drawn, stage, pace)

    def forget(self) -> None:
        """Give back what was recorded and its memory; it is recorded again where needed."""
        if self._device.type == "cuda" and self._stages:
            torch.cuda.current_stream(self._device).synchronize()
        self._stages.clear()
        self._inputs.clear()
        self._seen.clear()
        self._waiting.clear()
        self._pool = None

    def _take(self, drawn: Drawn, stage: Stage, pace: Pace) -> dict[str, Tensor]:
        batch = self.sampler.views(drawn, with_strong=self.system.strong(stage))
        return self.system.take(batch, stage, pace)

    def _kept(self, key: _Key, stage: Stage, drawn: Drawn, pace: Pace) -> _Recorded | None:
        """The stage's record, made now if there is none; None if it can't be made."""
        if key in self._stages:
            return self._stages[key]
        shapes = key[1:]
        inputs = self._inputs.get(shapes)
        if inputs is None:
            inputs = Drawn(*(torch.empty_like(each) for each in _tensors(drawn)))
            self._inputs[shapes] = inputs
        kept = _Recorded(None, stage, inputs)
        if self._device.type == "cuda":
            _fill(inputs, drawn)
            try:
                self._record(kept, pace)
            except Exception as error:
                # Where that is for want of memory: a plain step needs less of it.
                _log.warning("Steps are taken one by one: they can't be recorded (%s)", error)
                self.recorded = False
            if not self.recorded:  # outside of the handler, which holds on to the memory
                self.forget()
                release_memory()
                return None
        self._stages[key] = kept
        return kept

    def _record(self, kept: _Recorded, pace: Pace) -> None:
        self._write(pace)
        if self._pool is None:
            self._pool = torch.cuda.graph_pool_handle()
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self.sampler.generator)
        now = torch.cuda.current_stream(self._device)
        aside = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        aside.wait_stream(now)
        with _generators_kept(self.sampler.generator, self._device), torch.cuda.stream(aside):
            # Others' work, such as a prediction in another thread, is none of this thread's.
            graph.capture_begin(self._pool, capture_error_mode="thread_local")
            try:
                losses = self._take(kept.inputs, kept.stage, self._numbers)
                kept.names, kept.losses = tuple(losses), torch.stack(list(losses.values()))
            except BaseException:
                with suppress(Exception):
                    graph.capture_end()
                raise
            graph.capture_end()
        now.wait_stream(aside)
        for optimiser in self.system.optimisers.values():
            optimiser.zero_grad(set_to_none=True)  # The graph makes its own.
        kept.graph = graph

    def _replay(self, kept: _Recorded, drawn: Drawn, pace: Pace) -> dict[str, Tensor]:
        _fill(kept.inputs, drawn)
        self._write(pace)
        if kept.graph is None:
            return self._take(kept.inputs, kept.stage, self._numbers)
        kept.graph.replay()
        if len(self._waiting) >= AHEAD:
            self._waiting.popleft().synchronize()
        done = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        done.record()
        self._waiting.append(done)
        assert kept.losses is not None
        return dict(zip(kept.names, kept.losses.unbind(), strict=True))

    def _write(self, pace: Pace) -> None:
        """Put a step's numbers where recorded steps read them."""
        for name, value in pace.items():
            scalar = self._numbers.setdefault(name, torch.zeros((), device=self._device))
            scalar.fill_(value)


def _tensors(drawn: Drawn) -> tuple[Tensor, ...]:
    """Its tensors; `dataclasses.astuple` would copy them."""
    return drawn.images, drawn.sizes, drawn.scans, drawn.labels


def _fill(inputs: Drawn, drawn: Drawn) -> None:
    for place, tensor in zip(_tensors(inputs), _tensors(drawn), strict=True):
        place.copy_(tensor)


@contextmanager
def _generators_kept(own: torch.Generator, device: torch.device) -> Iterator[None]:
    """Should recording fail, the generators are as before: else they would draw no more."""
    index = torch.cuda.current_device() if device.index is None else device.index
    generators = (own, torch.cuda.default_generators[index])
    states = [each.clone_state() for each in generators]
    try:
        yield
    except BaseException:
        for generator, state in zip(generators, states, strict=True):
            generator.graphsafe_set_state(state)
        raise
