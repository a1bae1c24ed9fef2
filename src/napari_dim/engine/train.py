"""Training as a stream of events: data and method in, events out, no window known."""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from napari_dim.config import Settings
from napari_dim.data.case import Case
from napari_dim.data.detail import sufficient_side
from napari_dim.data.store import SliceStore
from napari_dim.data.stream import Stream, slice_bytes
from napari_dim.data.working import MULTIPLE, WorkingGrid, normalised
from napari_dim.engine.control import Control
from napari_dim.engine.device import memory_for_slices, pick_device
from napari_dim.engine.events import (
    Checkpointed,
    Event,
    Failed,
    Finished,
    Relabelled,
    Started,
    StepDone,
)
from napari_dim.engine.job import Job, class_ids, common_channels, late_classes, per_site
from napari_dim.engine.model import Model
from napari_dim.engine.parts import training_method
from napari_dim.engine.pieces import single_pieces
from napari_dim.engine.precision import use_threads
from napari_dim.engine.predict import Predictor
from napari_dim.engine.previews import Previews
from napari_dim.engine.record import LossLog, record_of
from napari_dim.engine.schedule import Clock
from napari_dim.errors import InputError

__all__ = ["Job", "class_ids", "train"]

REPORT_EVERY = 0.1
"""Seconds between two StepDone."""
CHECKPOINT_EVERY = 30.0
"""Seconds between two checkpoints."""


def train(job: Job, control: Control | None = None) -> Iterator[Event]:
    """Train; see `engine.events` for what is yielded.

    Nothing is raised for a fault that a user can meet: the stream ends in `Failed` then,
    for an exception in a generator can vanish on its way through a window's worker.
    """
    control = control or Control()
    try:
        yield from _training(job, control)
    except InputError as error:
        yield Failed(str(error), bad_input=True)
    except torch.OutOfMemoryError:
        yield Failed(
            "The device has no memory left for this training",
            "Close other programs, or lower the batch sizes or the largest slice size",
            traceback.format_exc(),
        )
    except Exception as error:
        text = str(error).strip().split("\n")[0] or type(error).__name__
        yield Failed(
            f"Training stopped by an unexpected error: {text}",
            "The last checkpoint and all labels are kept; please report the details",
            traceback.format_exc(),
        )


def _training(job: Job, control: Control) -> Iterator[Event]:
    settings = job.settings
    cases = list(job.cases)
    channels = common_channels(cases)
    classes = class_ids(cases)
    device = pick_device(settings.device)
    use_threads(settings.threads)
    volumes = [case.volume for case in cases]
    usual = min(settings.usual_size, settings.max_size)
    sides = [*range(usual, settings.max_size, 2 * MULTIPLE), settings.max_size]
    side = sufficient_side(cases, sides, settings.detail)
    grid = WorkingGrid.fit(volumes, min_size=min(settings.min_size, side), max_size=side)
    flat = all(len(case.states) == 1 or case.volume.separate for case in cases)
    context = 0 if flat else settings.context
    record = record_of(job, device)
    model = Model.new(settings, classes, channels, context, grid, record)
    notes: tuple[str, ...] = ()
    skipped = 0.0
    if job.start is not None:
        if why := model.misfit(job.start):
            notes = (f"Starting anew: the last training had {why}",)
        else:
            model = replace(model, grid=job.start.grid)
            model.take_weights(job.start)
            skipped = settings.resume_at
            grid = model.grid
    semi = settings.method == "dim" and any(case.guessed.size for case in cases)
    limit = int(settings.slice_memory * 2**20) or memory_for_slices(device)
    fits = sum(slice_bytes(case, grid) * len(case.states) for case in cases) <= limit
    indices = {class_id: place + 1 for place, class_id in enumerate(classes)}

    def stored() -> SliceStore:
        unlabelled = None if semi and fits else [np.empty(0, dtype=int)] * len(cases)
        return SliceStore.build(
            cases, grid, indices, device, unlabelled=unlabelled, neighbours=context
        )

    store = stored()
    stream = None
    if semi and not fits:
        stream = Stream(cases, grid, device, limit=limit, neighbours=context, seed=settings.seed)
        notes += ("The unlabelled slices don't fit into memory; they are read as they are needed",)
    method, sampler = training_method(model, store, device, stream, experienced=skipped > 0)
    predictor = Predictor(model, device)

    def whole(case: Case) -> np.ndarray:
        volume = case.volume
        return predictor.whole(volume, normalised(volume, grid.shape(volume))).mask

    preview = Previews(job, predictor) if job.preview_case is not None else None

    yield Started(
        device=str(device),
        labelled=per_site(cases, labelled=True),
        unlabelled=per_site(cases, labelled=False) if semi else {},
        classes=classes,
        patch=grid.patch,
        parameters=sum(p.numel() for p in model.student.parameters()),
        notes=notes,
    )
    if job.run is not None:
        model.save(job.run)
    log = LossLog(job.run)
    again = settings.resume_at if settings.until_stopped else None
    # Set-up is not taken from the budget.
    clock = Clock(settings.budget, settings.steps, skipped, again=again)
    step = 0
    last_report = -math.inf
    last_checkpoint = last_preview = clock.elapsed
    model.student.train()
    if model.teacher is not None:
        model.teacher.train()
    try:
        while not (control.stopped or clock.over(step)):
            progress = clock.progress(step)
            _set_learning_rate(method.optimiser, settings, progress)
            wants = settings.method == "dim" and semi
            batch = sampler.draw(
                with_unlabelled=wants, with_strong=method.uses_unlabelled(progress)
            )
            losses = method.step(batch, progress, step)
            step += 1
            now = clock.elapsed
            if now - last_report >= REPORT_EVERY or clock.over(step):
                last_report = now
                values = {name: float(value) for name, value in losses.items()}
                if not math.isfinite(values["total"]):
                    yield _diverged(step)
                    return
                log.write(step, clock.progress(step), now, values)
                yield StepDone(step, clock.progress(step), now, clock.time_left(step), values)
            if job.run is not None and now - last_checkpoint >= CHECKPOINT_EVERY:
                model.save(job.run)
                last_checkpoint = clock.elapsed
                yield Checkpointed(job.run, step)
            if given := control.take_cases():
                newest = [given.get(place, case) for place, case in enumerate(cases)]
                if any(case.labelled.size for case in newest):  # else the last labels stay
                    cases[:] = newest
                    if semi and fits:
                        sampler.store = sampler.store.relabelled(cases, grid, indices)
                    else:
                        sampler.store = stored()
                    yield Relabelled(per_site(cases, labelled=True), late_classes(cases, classes))
            request = control.take_preview()
            if preview is not None and (request or now - last_preview >= job.preview_every):
                yield from preview.events(step, request[1] if request else None)
                last_preview = clock.elapsed
            if control.paused:
                held = time.monotonic()
                control.wait_while_paused()
                clock.hold(time.monotonic() - held)
        if not _finite(model.student.parameters()):
            yield _diverged(step)
            return
        model = replace(model, pieces=single_pieces(cases, classes, whole))
        if job.run is not None:
            model.save(job.run)
            yield Checkpointed(job.run, step)
        if preview is not None:
            yield from preview.last(step, model.pieces)
        model.student.eval()
        if model.teacher is not None:
            model.teacher.eval()
        reason = "stopped" if control.stopped else "budget" if settings.steps is None else "steps"
        yield Finished(model, reason, step, clock.elapsed, job.run)  # type: ignore[arg-type]
    finally:
        log.close()
        if stream is not None:
            stream.close()


def _set_learning_rate(
    optimiser: torch.optim.Optimizer, settings: Settings, progress: float
) -> None:
    rate = settings.learning_rate * (1 - progress) ** settings.decay_power
    for group in optimiser.param_groups:
        group["lr"] = rate


def _finite(tensors: Iterator[Tensor]) -> bool:
    return all(bool(torch.isfinite(t).all()) for t in tensors)


def _diverged(step: int) -> Failed:
    return Failed(
        f"Training diverged: the loss is not a number after step {step}",
        "The last checkpoint is kept; try a lower learning rate",
    )
