"""Training as a stream of events: data and method in, events out, no window known."""

from __future__ import annotations

import csv
import math
import platform
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

from napari_dim.config import Settings
from napari_dim.data.augment import WeakView
from napari_dim.data.batches import Sampler
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
    Preview,
    Relabelled,
    Started,
    StepDone,
)
from napari_dim.engine.model import Model
from napari_dim.engine.pieces import main_pieces, single_pieces
from napari_dim.engine.precision import autocast_for, use_threads
from napari_dim.engine.predict import BATCH, Predictor
from napari_dim.engine.schedule import Clock
from napari_dim.errors import InputError
from napari_dim.method.dim import DiM, Options

REPORT_EVERY = 0.1
"""Seconds between two StepDone."""
CHECKPOINT_EVERY = 30.0
"""Seconds between two checkpoints."""
LOSSES = "losses.csv"


@dataclass(frozen=True)
class Job:
    """One training.

    Attributes
    ----------
    cases
        What to train on; at least one labelled slice among them.
    settings
        How.
    run
        Folder for weights, settings, losses and record; None keeps all in memory.
    preview_case
        Index of the case whose masks are previewed; None for no previews.
    preview_every
        Seconds between two previews.
    provenance
        Kept in the record, such as hashes of the inputs.
    start
        A model to go on from: its weights, its grid, and a schedule that skips the time
        it would spend on what the model knows (`config.Settings.resume_at`).
    """

    cases: Sequence[Case]
    settings: Settings
    run: Path | None = None
    preview_case: int | None = None
    preview_every: float = 10.0
    provenance: Mapping[str, Any] = field(default_factory=dict)
    start: Model | None = None


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


def class_ids(cases: Sequence[Case]) -> tuple[int, ...]:
    """The ids above 0 that labelled slices hold, ascending.

    Raises
    ------
    InputError
        If there is no labelled slice, or nothing is painted in any.
    """
    if not any(case.labelled.size for case in cases):
        raise InputError("no slice is labelled", hint="Label at least one slice before you train")
    found: set[int] = set()
    for case in cases:
        for number in case.labelled:
            assert case.mask is not None
            plane = case.mask[number]
            if case.painted is not None:
                plane = plane[case.painted[number]] if case.states[number] == 2 else plane
            found |= {int(i) for i in np.unique(plane)}
    found.discard(0)
    if not found:
        raise InputError(
            "the labelled slices hold background alone",
            hint="Paint the structure in at least one slice before you train",
        )
    if len(found) > 250:
        raise InputError(
            f"the labelled slices hold {len(found)} classes, more than 250",
            hint="Is this a label image?",
        )
    return tuple(sorted(found))


def _training(job: Job, control: Control) -> Iterator[Event]:
    settings = job.settings
    cases = list(job.cases)
    channels = _common_channels(cases)
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
    record = _record(job, device)
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

    preview = _Preview(job, predictor) if job.preview_case is not None else None

    yield Started(
        device=str(device),
        labelled=_per_site(cases, labelled=True),
        unlabelled=_per_site(cases, labelled=False) if semi else {},
        classes=classes,
        patch=grid.patch,
        parameters=sum(p.numel() for p in model.student.parameters()),
        notes=notes,
    )
    if job.run is not None:
        model.save(job.run)
    log = _LossLog(job.run)
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
            losses = method.step(sampler.draw(with_unlabelled=wants), progress, step)
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
                    yield Relabelled(_per_site(cases, labelled=True), _late(cases, classes))
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


def training_method(
    model: Model,
    store: SliceStore,
    device: torch.device,
    stream: Stream | None = None,
    *,
    experienced: bool = False,
) -> tuple[DiM, Sampler]:
    """The step and the source of its batches, for a model and the slices in `store`.

    Unlabelled slices that are not in `store` come from `stream`;
    `experienced` tells that the weights come from an earlier training.
    """
    settings = model.settings
    generator = torch.Generator(device).manual_seed(settings.seed)
    student = model.student.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    teacher = model.teacher
    if teacher is not None:
        teacher = teacher.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser: torch.optim.Optimizer
    if settings.optimiser == "sgd":
        optimiser = torch.optim.SGD(
            student.parameters(),
            lr=settings.learning_rate,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
        )
    else:
        optimiser = torch.optim.AdamW(
            student.parameters(),
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            fused=device.type in ("cpu", "cuda"),
        )
    options = Options(**{f.name: getattr(settings, f.name) for f in fields(Options)})
    method = DiM(
        student,
        teacher,
        model.targets.to(device),
        optimiser,
        options,
        generator,
        autocast_for(device, settings.mixed_precision),
        experienced=experienced,
    )
    weak = WeakView(
        model.grid.patch,
        settings.mirror,
        settings.flip,
        settings.rotation,
        settings.zoom,
        settings.elastic,
    )
    sampler = Sampler(
        store,
        weak,
        generator,
        model.context,
        settings.labelled_batch,
        settings.unlabelled_batch,
        settings.strength,
        settings.strong_labelled,
        stream,
    )
    return method, sampler


def _set_learning_rate(
    optimiser: torch.optim.Optimizer, settings: Settings, progress: float
) -> None:
    rate = settings.learning_rate * (1 - progress) ** settings.decay_power
    for group in optimiser.param_groups:
        group["lr"] = rate


class _Preview:
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


class _LossLog:
    """losses.csv: step, t/T, seconds and the parts of equation (10)."""

    COLUMNS = ("supervised", "inner", "outer", "symmetric", "align", "entropy", "total")

    def __init__(self, run: Path | None) -> None:
        self._file: IO[str] | None = None
        if run is not None:
            self._file = (run / LOSSES).open("w", newline="", encoding="utf-8")
            self._writer = csv.writer(self._file)
            self._writer.writerow(("step", "progress", "seconds", *self.COLUMNS))

    def write(
        self, step: int, progress: float, seconds: float, losses: Mapping[str, float]
    ) -> None:
        if self._file is not None:
            values = [f"{losses[name]:.6g}" if name in losses else "" for name in self.COLUMNS]
            self._writer.writerow((step, f"{progress:.5f}", f"{seconds:.2f}", *values))

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def _common_channels(cases: Sequence[Case]) -> int:
    if not cases:
        raise InputError("there is no case to train on")
    counts = Counter(case.volume.channels for case in cases)
    channels = counts.most_common(1)[0][0]
    for case in cases:
        if case.volume.channels != channels:
            raise InputError(
                f"the image has {case.volume.channels} channels, the others {channels}",
                where=case.name,
            )
    return channels


def _late(cases: Sequence[Case], classes: tuple[int, ...]) -> tuple[str, ...]:
    """What came too late to join the training, for the user."""
    found = {
        int(i)
        for case in cases
        if case.mask is not None
        for i in np.unique(case.mask[case.labelled])
    }
    late = sorted(found - {0, *classes})
    return tuple(f"Class {class_id} is new: the next training learns it" for class_id in late)


def _per_site(cases: Sequence[Case], *, labelled: bool) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for case in cases:
        counts[case.site] += int((case.labelled if labelled else case.guessed).size)
    return dict(counts)


def _finite(tensors: Iterator[Tensor]) -> bool:
    return all(bool(torch.isfinite(t).all()) for t in tensors)


def _diverged(step: int) -> Failed:
    return Failed(
        f"Training diverged: the loss is not a number after step {step}",
        "The last checkpoint is kept; try a lower learning rate",
    )


def _record(job: Job, device: torch.device) -> dict[str, Any]:
    packages = {}
    for name in ("napari-dim", "torch", "monai", "numpy"):
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = "unknown"
    return {
        "seed": job.settings.seed,
        "device": str(device),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": packages,
        "cases": [
            {
                "name": case.name,
                "site": case.site,
                "labelled": case.labelled.tolist(),
                "slices": len(case.states),
            }
            for case in job.cases
        ],
        **job.provenance,
    }
