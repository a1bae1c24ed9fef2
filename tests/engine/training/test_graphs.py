"""Recorded steps: what they read is written to fixed places before; without CUDA they run anew."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_dim.config import Settings
from napari_dim.data.case import Case
from napari_dim.data.slice_store import SliceStore
from napari_dim.data.working_grid import WorkingGrid
from napari_dim.engine.inference.trained_model import Model
from napari_dim.engine.training.assembly import begin, sampler_of, set_rates
from napari_dim.engine.training.checkpoint import moments_of, restore_moments
from napari_dim.engine.training.graphs import WARM, Stepper
from napari_dim.volume import Grid, Volume

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(
    not torch.cuda.is_available(), reason="no GPU"
))]  # fmt: skip
PROGRESS = (0.0, 0.2, 0.6, 0.6, 0.7, 0.6, 0.6, 0.6, 0.9, 0.95, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)


@pytest.fixture(autouse=True)
def exact(monkeypatch):
    """The same algorithms each time, and no shorter numbers: what differs is the recording."""
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


def cases():
    rng = np.random.default_rng(0)
    made = []
    for labelled in (True, False):
        array = rng.normal(size=(6, 32, 40)).astype(np.float32)
        grid = Grid((40, 32, 6), np.diag([-1.0, -1.0, 3.0, 1.0]), slice_axis=2)
        mask = (array > 0).astype(np.uint8)
        made.append(Case(Volume(array, grid), mask, np.full(6, int(labelled), np.uint8)))
    return made


def stepper(device, *, recorded, **changes):
    device = torch.device(device)
    made = cases()
    settings = Settings.make(
        **{"width": 4, "mixed_precision": False, "confidence": 0.5, "sharpness_every": 2, **changes}
    )
    grid = WorkingGrid.fit([c.volume for c in made], min_size=16, max_size=40)
    model = Model.new(settings, (1,), 1, settings.context, grid, {})
    draws = torch.Generator(device).manual_seed(0)
    system = begin(model, device, draws)
    sampler = sampler_of(model, SliceStore.build(made, grid, {1: 1}, device), draws)
    return Stepper(system, sampler, device, recorded=recorded)


def trained(steps):
    for number, progress in enumerate(PROGRESS):
        set_rates(steps.system, progress / 2, 1.0)
        losses = steps.step(progress, number, with_unlabelled=True)
    return {name: float(value) for name, value in losses.items()}


def state(steps):
    networks = steps.system.networks
    tensors = [*networks.parameters(), *networks.buffers()]
    return torch.cat([t.detach().flatten().double().cpu() for t in tensors])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimiser": "sgd", "network": "unet", "agreement": True},
        {"random_contrast": 0.5, "local_contrast": 4.0, "context_drop": 0.5},
    ],
    ids=["dim", "unet", "views"],
)
def test_recorded_steps_are_plain_steps(device, changes):
    plain, recorded = (stepper(device, recorded=on, **changes) for on in (False, True))
    expected, found = trained(plain), trained(recorded)
    assert recorded.recorded, "it fell back to plain steps"
    assert len(recorded._stages) >= 2
    assert set(found) == set(expected)
    torch.testing.assert_close(state(recorded), state(plain), atol=1e-4, rtol=1e-4)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-4), name


@pytest.mark.parametrize("device", DEVICES)
def test_other_labels_and_another_batch_are_trained_on(device):
    steps = stepper(device, recorded=True)
    trained(steps)
    sampler = steps.sampler
    made = cases()
    made[0].mask[:] = 1
    grid = WorkingGrid.fit([c.volume for c in made], min_size=16, max_size=40)
    sampler.store = sampler.store.relabelled(made, grid, {1: 1})
    known = len(steps._stages)
    steps.step(1.0, 1, with_unlabelled=True)
    assert len(steps._stages) == known
    (inputs,) = {id(kept.inputs): kept.inputs for kept in steps._stages.values()}.values()
    assert 1 not in inputs.labels.unique()  # no background is left in what it looks at

    sampler.labelled, sampler.unlabelled = 2, 1
    for number in range(WARM + 1):
        steps.step(1.0, 2 * number + 1, with_unlabelled=True)
    assert len(steps._stages) == known + 1
    steps.forget()
    assert not steps._stages
    steps.step(1.0, 1, with_unlabelled=True)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
def test_moments_are_put_back_where_they_were(device, optimiser):
    """A recorded step reads and writes the same tensors after going back as before."""
    steps = stepper(device, recorded=True, optimiser=optimiser)
    own = steps.system.optimisers
    nothing = moments_of(own)
    trained(steps)
    kept = {name: tensor.clone() for name, tensor in moments_of(own).items()}
    places = {name: tensor.data_ptr() for name, tensor in moments_of(own).items()}
    steps.step(1.0, 1, with_unlabelled=True)
    assert any(not torch.equal(t, kept[name]) for name, t in moments_of(own).items())
    restore_moments(own, kept)
    assert all(torch.equal(t, kept[name]) for name, t in moments_of(own).items())
    restore_moments(own, nothing)
    assert not any(t.any() for t in moments_of(own).values())
    assert {name: tensor.data_ptr() for name, tensor in moments_of(own).items()} == places
