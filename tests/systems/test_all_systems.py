"""What holds for every system, by its step alone and through the engine."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_dim.config import Settings
from napari_dim.engine.inference.trained_model import Model
from napari_dim.engine.training import loop
from napari_dim.engine.training.checkpoint import Checkpoint
from napari_dim.engine.training.control import Control
from napari_dim.engine.training.events import Finished, Recovered, StepDone
from napari_dim.engine.training.loop import Job, train
from napari_dim.options import OPTIONS
from napari_dim.systems import SYSTEMS
from tests.cases import case
from tests.faults import in_forward, poisoning, raising
from tests.systems.small import begun, views, weights

ALL = sorted(SYSTEMS)
QUICK = {"caussl": {"inner_every": 2, "inner_steps": 2}, "uamt": {"passes": 2},
         "ssnet": {"pixels": 64, "memory": 4}, "uda-vae": {"rate": 3e-3}}  # fmt: skip
SOME_QUICK = [
    name if name in ("bcp", "cps", "dim") else pytest.param(name, marks=pytest.mark.slow)
    for name in ALL
]
"""All systems; most of them where there is time (``-m slow``)."""
SMALL = {
    "width": 4, "device": "cpu", "threads": 1, "budget": None, "min_size": 48, "context": 0,
    "labelled_batch": 2, "unlabelled_batch": 2, "network": "published-unet", "seed": 3,
}  # fmt: skip
SINGLE = [name for name in ALL if hasattr(SYSTEMS[name], "losses")]


def small(name, **changes):
    return Settings.make(**{**SMALL, "system": {"name": name, **QUICK.get(name, {})}, **changes})


def cases(poison=False):
    made = [case(shape=(4, 48, 48)), case((), seed=1, site="B", shape=(4, 48, 48))]
    if poison:  # masks of slices that are not labelled must not be read
        for place, each in enumerate(made):
            wrong = each.mask.copy()
            wrong[~np.isin(np.arange(len(wrong)), each.labelled)] = 2
            made[place] = replace(each, mask=wrong)
    return made


@pytest.fixture(autouse=True)
def report_every_step(monkeypatch):
    monkeypatch.setattr(loop, "REPORT_EVERY", 0.0)


def fitted(name, run=None, steps=3, resume=None, control=None, made=None, **changes):
    settings = small(name, steps=steps, **changes)
    return list(train(Job(made or cases(), settings, run=run, resume=resume), control))


def equal(a: Model, b: Model) -> bool:
    pairs = zip(a.tensors().items(), b.tensors().items(), strict=True)
    return all(x == y and torch.equal(s, t) for (x, s), (y, t) in pairs)


def test_every_system_has_its_options_and_one_line():
    assert set(OPTIONS) == set(SYSTEMS)
    for name, kind in SYSTEMS.items():
        assert kind.name == name
        assert kind.title
        assert "\n" not in kind.title
        assert "total" in kind.terms
        own = set(OPTIONS[name].model_fields)
        assert not own & set(Settings.model_fields)  # either name is told apart by itself


@pytest.mark.parametrize("name", ALL)
def test_the_step(name):
    """Terms are among those told; both sizes; the mask doesn't depend on its neighbours; draws
    come from the given generator alone; with overlapping regions, too."""
    regions = [(1, 2), (2,)]
    for rows, columns in ((48, 48), (64, 48)):
        first, again = (begun(name, regions=regions, **QUICK.get(name, {})) for _ in range(2))
        other = begun(name, seed=1, regions=regions, **QUICK.get(name, {}))
        for number, progress in enumerate((0.0, 0.3, 0.95)):
            batch = views(rows=rows, columns=columns, seed=number)
            losses = first.step(batch, progress, 2 * number)
            torch.manual_seed(number)  # nothing may be drawn from torch's own generator
            same = again.step(batch, progress, 2 * number)
            other.step(batch, progress, 2 * number)
            assert set(losses) <= set(first.terms)
            assert all(torch.isfinite(v) for v in losses.values())
            assert all(torch.equal(same[k], v) for k, v in losses.items())
        assert torch.equal(weights(first.networks), weights(again.networks))
        assert not torch.equal(weights(first.networks), weights(other.networks))
        net = first.mask_network().eval()
        with torch.no_grad():
            together, alone = net(batch.labelled), net(batch.labelled[:1])
        assert together.shape == (2, first.plan.targets.channels, rows, columns)
        torch.testing.assert_close(together[:1], alone, atol=1e-4, rtol=1e-4)
        assert first.features(batch.labelled).ndim == 2
    with torch.no_grad():
        shipped = pickle.loads(pickle.dumps(first)).mask_network().eval()(batch.labelled)
    torch.testing.assert_close(shipped, together)


@pytest.mark.parametrize("name", SINGLE)
def test_sharpness_aware_for_any_single_loss(name):
    """Another step than without, the same statistics, and ρ = 0 is none at all."""
    progress = 0.95
    sharp, flat, none = (
        begun(name, sharpness=rho, **QUICK.get(name, {})) for rho in (0.5, 0.0, 0.0)
    )
    for system in (sharp, flat, none):
        system.step(views(), progress, 1)
    assert torch.equal(weights(none.networks), weights(flat.networks))
    assert not torch.equal(weights(sharp.networks["student"]), weights(flat.networks["student"]))
    for a, b in zip(sharp.networks["student"].buffers(), flat.networks["student"].buffers(),
                    strict=True):  # fmt: skip
        assert torch.equal(a, b)


@pytest.mark.parametrize("name", SOME_QUICK)
def test_it_learns_four_slices(name):
    """Dice above 0.95 on what it was shown, in at most 300 steps."""
    width = 4 if name in ("sifa", "uda-vae") else 8  # their steps are many times as dear
    system = begun(name, classes=2, width=width, **QUICK.get(name, {}))
    batch = views(4, 2, classes=2)
    for step in range(300):
        progress = step / 300
        for label, rate in system.rates(progress).items():
            for group in system.optimisers[label].param_groups:
                group["lr"] = group["base"] * rate
        system.step(replace(batch, labelled_strong=batch.labelled), progress, step)
        if step % 10 == 9:
            net = copy.deepcopy(system.mask_network()).eval()
            with torch.no_grad():
                said = net(batch.labelled).argmax(1)
            dice = 2 * (said * batch.index).sum() / (said.sum() + batch.index.sum())
            if dice > 0.95:
                return
    pytest.fail(f"Dice is {float(dice):.3f}")


@pytest.mark.parametrize("name", ALL)
def test_through_the_engine(name, tmp_path):
    """Resumed bit for bit, from a saved checkpoint; unlabelled masks are not read; the CSV has
    a column for every loss; the saved model is the trained one."""
    whole = fitted(name, tmp_path / "whole")
    assert isinstance(whole[-1], Finished), whole[-1]
    header = (tmp_path / "whole" / "losses.csv").read_text().splitlines()[0].split(",")
    assert header[3:] == list(SYSTEMS[name].terms)
    assert equal(Model.load(tmp_path / "whole"), whole[-1].model)

    control = Control()
    settings = small(name, steps=3)
    for event in train(Job(cases(poison=True), settings, run=tmp_path / "part"), control):
        if isinstance(event, StepDone) and event.step == 2:
            control.stop()
    resume = Checkpoint.load(tmp_path / "part")
    rest = fitted(name, tmp_path / "part", resume=resume, made=cases(poison=True))
    assert equal(rest[-1].model, whole[-1].model)


@pytest.mark.parametrize("name", SOME_QUICK)
def test_nan_and_memory(name):
    """Weights that are no numbers are taken back; a batch that doesn't fit is halved."""
    with in_forward(poisoning(30, times=60)):
        events = fitted(name, steps=4)
    assert isinstance(events[-1], Finished), events[-1]
    assert any(isinstance(e, Recovered) for e in events)
    assert all(torch.isfinite(t).all() for t in events[-1].model.tensors().values())
    with in_forward(raising(torch.OutOfMemoryError("out of memory"), first=20)):
        events = fitted(name, steps=2)
    assert isinstance(events[-1], Finished), events[-1]
    assert any("memory" in e.problem for e in events if isinstance(e, Recovered))
