"""A class that comes late: what was learnt stays, and old labels don't deny it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_dim.config import Settings
from napari_dim.data.case import unsaid_groups
from napari_dim.engine.inference.predictor import predict
from napari_dim.engine.inference.trained_model import Model
from napari_dim.engine.training.assembly import begin
from napari_dim.engine.training.checkpoint import Checkpoint, moments_for
from napari_dim.engine.training.control import Control
from napari_dim.engine.training.events import Finished, Started, StepDone
from napari_dim.engine.training.loop import Job, train
from napari_dim.nets.class_channels import NEW
from tests.cases import case, ellipsoid

SMALL = {
    "width": 4, "device": "cpu", "threads": 1, "budget": None, "steps": 4, "min_size": 16,
    "labelled_batch": 2, "unlabelled_batch": 2, "least_weight": 0.0,
}  # fmt: skip


def settings(**changes):
    return Settings.make(**{**SMALL, **changes})


def trained(classes=1, **changes) -> Model:
    return list(train(Job([case(classes=classes)], settings(**changes))))[-1].model


def grown(old: Model, classes, **changes) -> Model:
    new = Model.new(settings(**changes), classes, old.channels, old.context, old.grid, {})
    new.take_weights(old)
    return new


def probability(net, targets, x):
    with torch.no_grad():
        return targets.probability(net.eval()(x))


@pytest.mark.parametrize("network", ["resunet-wide", "resunet", "unet"])
@pytest.mark.parametrize("ids", [(1, 2), (2, 6, 18)])
def test_probabilities_of_old_classes_are_exactly_kept(network, ids):
    """Also where a new id comes before the old one, and for student and teacher."""
    old = replace(trained(network=network), classes=(2,))
    new = grown(old, ids, network=network)
    x = torch.randn(2, next(old.networks["student"].parameters()).shape[1], 32, 32)
    place = ids.index(2) + 1
    others = [n for n in range(len(ids) + 1) if n != place]
    for before, after in (
        (old.networks["student"], new.networks["student"]),
        (old.networks["teacher"], new.networks["teacher"]),
    ):
        p = probability(before, old.targets, x)
        q = probability(after, new.targets, x)
        torch.testing.assert_close(q[:, place], p[:, 1], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(q[:, others].sum(1), p[:, 0], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(q[:, 0], (1 - NEW) * p[:, 0], atol=1e-5, rtol=1e-4)


def test_a_class_with_another_id_is_another_class():
    old = trained(classes=2)
    new = grown(old, (1, 3))
    x = torch.randn(1, next(old.networks["student"].parameters()).shape[1], 32, 32)
    q = probability(new.networks["student"], new.targets, x)
    torch.testing.assert_close(q[:, 2] / q[:, 0], torch.full_like(q[:, 2], NEW / (1 - NEW)))


def test_old_regions_are_exactly_kept():
    old = trained(classes=2, regions=((1, 2), (2,)))
    new = grown(old, (1, 2, 3), regions=((3,), (1, 2), (2,)))
    x = torch.randn(1, next(old.networks["student"].parameters()).shape[1], 32, 32)
    p, q = (probability(m.networks["student"], m.targets, x) for m in (old, new))
    torch.testing.assert_close(q[:, 1:], p, atol=1e-5, rtol=1e-4)


def test_a_broken_off_training_goes_on_with_one_class_more(tmp_path):
    control = Control()
    for event in train(Job([case(classes=1)], settings(steps=12), run=tmp_path), control):
        if isinstance(event, StepDone) and event.step >= 3:
            control.stop()
    resume = Checkpoint.load(tmp_path)
    model = grown(resume.model, (1, 2))
    system = begin(model, torch.device("cpu"), torch.Generator())
    moments = moments_for(model, system.optimisers, resume.model, resume.moments)
    for index, (parameter, old) in enumerate(
        zip(
            model.networks["student"].parameters(),
            resume.model.networks["student"].parameters(),
            strict=True,
        )
    ):
        for kind in ("exp_avg", "exp_avg_sq"):
            now, before = moments[f"{index}.{kind}"], resume.moments[f"{index}.{kind}"]
            assert now.shape == parameter.shape
            kept = now[tuple(slice(size) for size in old.shape)]  # class 2 comes last
            torch.testing.assert_close(kept, before)
    events = list(train(Job([case()], settings(steps=12), run=tmp_path, resume=resume)))
    assert isinstance(events[-1], Finished)
    assert events[-1].model.classes == (1, 2)
    assert "Class 2 is new; what was learnt of the others is kept" in events[0].notes
    assert events[-1].steps == 12


def test_slices_tell_what_they_were_searched_for():
    both = replace(case((0, 3)), searched={0: (1,), 3: (1,)})
    assert 2 not in both.mask[0]
    assert both.unsaid(0, (1, 2)) == (2,)
    assert both.unsaid(3, (1, 2)) == ()  # it shows class 2
    assert both.unsaid(3, (1, 2, 5)) == (5,)
    assert case((0, 3)).unsaid(0, (1, 2)) == ()
    assert unsaid_groups([both, case((0,))], (1, 2)) == [(2,)]


@pytest.mark.slow
def test_old_slices_do_not_deny_the_new_class():
    """One slice shows class 2, another holds it unsaid: only if searched it is pushed down."""

    def core(searched) -> float:
        old = case((2, 3), shape=(6, 40, 32))
        old.mask[2][old.mask[2] == 2] = 0  # class 2 is there, and nobody looked for it
        old = replace(old, searched={2: (1,)} if searched else {})
        job = Job([old], settings(steps=140, method="supervised", width=8, learning_rate=5e-3))
        model = list(train(job))[-1].model
        volume, mask = ellipsoid()
        found = predict(model, volume, device="cpu").mask[2] == 2
        true = mask[2] == 2
        return 2 * np.sum(found & true) / (found.sum() + true.sum())

    assert core(True) > 0.8
    assert core(False) < core(True) - 0.2


def test_labels_that_join_later_may_leave_a_class_open():
    first = case((2, 3))
    later = replace(case((0, 2, 3)), searched={0: (1,)})
    control = Control()
    for event in train(Job([first], settings(steps=6)), control):
        if isinstance(event, Started):
            control.give_case(0, later)
    assert isinstance(event, Finished)
