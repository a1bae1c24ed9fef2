"""NaN at random steps: never in a saved model, a checkpoint, a preview or a result."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import torch

from napari_dim.config import Settings
from napari_dim.engine.inference.trained_model import WEIGHTS, Model
from napari_dim.engine.training import loop as loop
from napari_dim.engine.training.checkpoint import LATEST, Checkpoint
from napari_dim.engine.training.events import Checkpointed, Failed, Finished, Preview, Recovered
from napari_dim.engine.training.loop import Job, train
from tests.cases import case
from tests.faults import in_forward, poisoning

PROMISE = "NaN is never saved or promoted: roll back, then stop with a reason"
FULL, QUICK = 100, 2

STEPS = 8
LAYERS = 30
"""Convolutions a step, about: where in a run the NaN appears."""
SMALL = {
    "width": 4, "device": "cpu", "threads": 1, "budget": None, "steps": STEPS, "min_size": 16,
    "labelled_batch": 2, "unlabelled_batch": 1, "least_weight": 0.0, "sharpness_from": 0.5,
}  # fmt: skip


def run(count: int) -> str:
    """Poison so many trainings, each at a random layer of a random step, once or for good."""
    # Often enough that saving and previewing meet the NaN before it is noticed elsewhere.
    loop.CHECKPOINT_EVERY = loop.FIRST_CHECKPOINT = 0.1
    chance = random.Random(0)
    mended = ended = saved = 0
    for trial in range(count):
        times = 10**9 if trial % 4 == 3 else 1
        loop.REPORT_EVERY = chance.choice((0.0, 0.1, 10.0))
        first = chance.randrange(1, STEPS * LAYERS)
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            seen = _train(folder, first, times, trial)
            last = seen[-1]
            assert isinstance(last, Finished | Failed)
            mended += any(isinstance(event, Recovered) for event in seen)
            ended += isinstance(last, Failed)
            saved += sum(isinstance(event, Checkpointed) for event in seen)
            if isinstance(last, Failed):
                assert "no numbers" in last.problem, last
            else:
                assert _finite(last.model), trial
            if (folder / WEIGHTS).exists():
                assert _finite(Model.load(folder)), trial
            if (folder / LATEST).exists():
                checkpoint = Checkpoint.load(folder)
                assert _finite(checkpoint.model), trial
                assert all(bool(torch.isfinite(t).all()) for t in checkpoint.moments.values())
    return (
        f"NaN in {count} trainings, {saved} checkpoints: 0 held it; "
        f"{mended} went back, {ended} stopped with a reason"
    )


def _train(folder: Path, first: int, times: int, seed: int) -> list[object]:
    job = Job(
        [case(), case((), seed=1)], Settings.make(**SMALL, seed=seed), run=folder,
        preview_case=0, preview_every=0.05,
    )  # fmt: skip
    seen: list[object] = []
    with in_forward(poisoning(first, times)):
        for event in train(job):
            seen.append(event)
            if isinstance(event, Checkpointed):
                assert _finite(Model.load(folder)), (seed, event)
                assert not (folder / LATEST).exists() or _finite(Checkpoint.load(folder).model)
            if isinstance(event, Preview):
                assert not bool(torch.isnan(torch.from_numpy(event.entropy)).any()), (seed, event)
    return seen


def _finite(model: Model) -> bool:
    return all(bool(torch.isfinite(t).all()) for t in model.tensors().values())
