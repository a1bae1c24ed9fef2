"""One training of a comparison: steps, looks at the test slices, and the record at its end."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from napari_dim.compare.assessment import Assessor, Look, Masks
from napari_dim.compare.benchmark import TRAIN
from napari_dim.compare.protocol import Labelling
from napari_dim.compare.records import UNFINISHED, key_of, write_record
from napari_dim.compare.run_pictures import keep_pictures
from napari_dim.config import Settings
from napari_dim.engine.tensor_file import Spec as TensorSpec
from napari_dim.engine.tensor_file import read_tensors, write_tensors
from napari_dim.engine.training.checkpoint import Checkpoint, has_checkpoint
from napari_dim.engine.training.control import Control
from napari_dim.engine.training.job import Job
from napari_dim.engine.training.trainer import Trainer
from napari_dim.io import write_text_atomically

SAVE_EVERY = 20.0
"""Seconds between two checkpoints of a run; they are written at its looks."""
MOST_RETURNS = 5
"""So often a run goes back to its last good weights before it gives up."""
_SPEC, _SO_FAR, _BEST = "spec.json", "so_far.json", "best.safetensors"

Tell = Callable[[int, float | None], None]
"""Called with the steps done, and the mean DC of the last look."""


@dataclass(frozen=True)
class Run:
    """One training that is wanted.

    Attributes
    ----------
    spec
        What tells it from any other, see `records.Spec`.
    title
        Of its row.
    labelling
        Who is labelled.
    settings
        What it trains with.
    looks
        How often it is tested on its way.
    """

    spec: dict[str, Any]
    title: str
    labelling: Labelling
    settings: Settings
    looks: int

    @property
    def marks(self) -> list[int]:
        """The steps after which it is looked at; the last one is among them."""
        steps = self.spec["steps"]
        return sorted({max(1, round(steps * (i + 1) / self.looks)) for i in range(self.looks)})


@dataclass
class _SoFar:
    """What a run has found, beside the checkpoint that it goes on from."""

    looks: list[Look] = field(default_factory=list)
    recovered: list[int] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    best_look: Look | None = None

    def add(self, look: Look, net: torch.nn.Module) -> None:
        """Take a look; keep the weights if it is the best one."""
        self.looks.append(look)
        if self.best_look is None or look.mean > self.best_look.mean:
            self.best_look = look
            self.best = {name: t.detach().clone() for name, t in net.state_dict().items()}


def carry_out(run: Run, out: Path, assessor: Assessor, tell: Tell) -> None:
    """Train, look, and write the record; a run that was broken off goes on.

    Raises
    ------
    InputError
        If the data or settings can't be used.
    ArithmeticError
        If the weights were no numbers again and again.
    """
    work = out / UNFINISHED / key_of(run.spec)
    resume = _left_off(run, work)
    cases = run.labelling.cases(assessor.benchmark)
    settings = run.settings
    trainer = Trainer(Job(cases, settings, resume=resume), Control())
    try:
        so_far = _SoFar() if resume is None else _restored(work, resume.step, trainer)
        before = 0.0 if resume is None else resume.seconds
        seconds = _steps(run, work, trainer, assessor, so_far, before, tell)
        trainer.networks(False)
        _finish(run, out, trainer, assessor, so_far, seconds)
    finally:
        trainer.close()
    shutil.rmtree(work, ignore_errors=True)


def _steps(
    run: Run,
    work: Path,
    trainer: Trainer,
    assessor: Assessor,
    so_far: _SoFar,
    seconds: float,
    tell: Tell,
) -> float:
    """All steps that are left; returns the seconds that all took, looks left out."""
    steps, marks = run.spec["steps"], set(run.marks)
    saved = time.monotonic()
    trainer.networks(True)
    start = time.monotonic()
    while trainer.step < steps:
        trainer.learn(trainer.step / steps)
        if trainer.step not in marks:
            tell(trainer.step, so_far.looks[-1].mean if so_far.looks else None)
            continue
        sound = trainer.sound()  # it waits for the device
        seconds += time.monotonic() - start
        if sound:
            trainer.keep()
        else:
            _go_back(trainer, so_far)
        so_far.add(assessor.look(trainer.model, trainer.step), trainer.model.net)
        tell(trainer.step, so_far.looks[-1].mean)
        if time.monotonic() - saved >= SAVE_EVERY and trainer.step < steps:
            _save(run, work, trainer, so_far, seconds)
            saved = time.monotonic()
        start = time.monotonic()
    return seconds


def _go_back(trainer: Trainer, so_far: _SoFar) -> None:
    trainer.go_back()
    trainer.rate /= 2
    so_far.recovered.append(trainer.step)
    if len(so_far.recovered) > MOST_RETURNS:
        raise ArithmeticError(f"the weights were no numbers, the last time at {trainer.step:,}")


def _finish(
    run: Run, out: Path, trainer: Trainer, assessor: Assessor, so_far: _SoFar, seconds: float
) -> None:
    model, benchmark = trainer.model, assessor.benchmark
    last = assessor.masks(model)
    features = assessor.features(model)
    best = last
    assert so_far.best_look is not None
    if so_far.best_look.step != trainer.step:
        model.net.load_state_dict(so_far.best)
        best = assessor.masks(model)
    chosen: dict[str, tuple[int, Masks]] = {
        "last": (trainer.step, last),
        "best-on-test": (so_far.best_look.step, best),
    }
    keep_pictures(out, run.spec, assessor, {name: m for name, (_, m) in chosen.items()}, features)
    pool = dict.fromkeys(benchmark.sites, 0)
    names = set(run.labelling.names(benchmark))
    for item in benchmark.of(TRAIN):
        mine = item.site == run.labelling.site
        if mine and run.labelling.all:
            continue
        slices = [item.slice_name(n) for n in range(len(item.volume.array))]
        pool[item.site] += sum(not (mine and name in names) for name in slices)
    about = dict(model.record)
    write_record(
        out,
        {
            "spec": run.spec,
            "title": run.title,
            "structures": [s.name for s in benchmark.structures],
            "sites": benchmark.sites,
            "layout": benchmark.layout,
            "whole": benchmark.whole,
            "settings": run.settings.model_dump(mode="json"),
            "labelled": sorted(names),
            "unlabelled": pool,
            "versions": about["versions"],
            "python": about["python"],
            "machine": about["system"],
            "device": about["device"],
            "threads": about["threads"],
            "parameters": sum(p.numel() for p in model.net.parameters()),
            "seconds": round(seconds, 1),
            "recovered": so_far.recovered,
            "curve": [look.plain() for look in so_far.looks],
            "selected": {
                name: {"step": step, **assessor.scores(masks)}
                for name, (step, masks) in chosen.items()
            },
        },
    )


def _save(run: Run, work: Path, trainer: Trainer, so_far: _SoFar, seconds: float) -> None:
    """A moment to go on from; the looks are written first, those beyond it are left out later."""
    work.mkdir(parents=True, exist_ok=True)
    write_text_atomically(work / _SPEC, json.dumps(run.spec) + "\n")
    best = so_far.best_look
    text = {
        "looks": [look.plain() for look in so_far.looks],
        "recovered": so_far.recovered,
        "best": None if best is None else best.plain(),
    }
    write_tensors(work / _BEST, so_far.best, {})
    write_text_atomically(work / _SO_FAR, json.dumps(text) + "\n")
    trainer.checkpoint(seconds).save(work)


def _left_off(run: Run, work: Path) -> Checkpoint | None:
    """Where the run was broken off, if it was this very run."""
    try:
        spec = json.loads((work / _SPEC).read_text(encoding="utf-8"))
        if spec == run.spec and has_checkpoint(work):
            return Checkpoint.load(work)
    except (OSError, ValueError):  # also an InputError: what is damaged begins anew
        pass
    shutil.rmtree(work, ignore_errors=True)
    return None


def _restored(work: Path, step: int, trainer: Trainer) -> _SoFar:
    text: Mapping[str, Any] = json.loads((work / _SO_FAR).read_text(encoding="utf-8"))
    looks = [Look(**look) for look in text["looks"] if look["step"] <= step]
    expected = {name: TensorSpec.of(t) for name, t in trainer.model.net.state_dict().items()}
    device = next(trainer.model.net.parameters()).device
    best = {name: t.to(device) for name, t in read_tensors(work / _BEST, expected).items()}
    return _SoFar(looks, list(text["recovered"]), best, Look(**text["best"]))
