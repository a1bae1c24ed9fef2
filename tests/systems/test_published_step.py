"""One step of MiDSS and DiM written out in float64 by other means, every option on and off."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch.nn import functional as F

from napari_dim.method.losses import LossForm
from napari_dim.method.mixing import box_masks, linear_box_masks, mix_amplitude
from tests.systems.small import begun, views

PUBLISHED = {
    "ramp": "squared", "passes": "separate", "teacher_paste": "unmoved", "symmetric_dice": True,
    "background_dice": "whole", "teacher_statistics": "own", "box": "linear",
    "agreement_of": "channel",
}  # fmt: skip
PRINTED = {
    "ramp": "printed", "passes": "joint", "teacher_paste": "moved", "symmetric_dice": False,
    "background_dice": "masked", "teacher_statistics": "averaged", "box": "log",
    "agreement_of": "pixel",
}  # fmt: skip
BOTH = {
    "least_weight": 0.0, "mix_labelled": 0.0, "mix_same_scan": True, "teacher_memory": 1.0,
    "confidence": 0.5, "mixing_area": 0.1,
}  # fmt: skip
FORMS = {"ours": LossForm(), "published": LossForm("all", "squared")}


def doubled(batch):
    return type(batch)(*(
        None if v is None else v.double() if v.is_floating_point() else v
        for v in (batch.labelled, batch.labelled_strong, batch.index, batch.unlabelled,
                  batch.unlabelled_strong)
    ))  # fmt: skip


def probabilities(z, regions):
    return z.sigmoid() if regions else z.softmax(1)


def judged(z, y, w, form, regions, whole=False, dice=True):
    """CE + Dice from their definitions."""
    p = probabilities(z, regions)
    if regions:
        ce = F.binary_cross_entropy(p, y, reduction="none")
    else:
        ce = -(y * p.log()).sum(1, keepdim=True)
    w = w.expand_as(ce)
    loss = (ce * w).mean() if form.cross_entropy == "all" else (ce * w).sum() / max(w.sum(), 1)
    if not dice:
        return loss
    m = w.expand_as(p).clone()
    if whole and not regions:
        m[:, 0] = 1
    p, y = p * m, y * m
    if form.dice == "squared":
        axes = (0, 1, 2, 3) if regions else (0, 2, 3)
        top, low = 2 * (p * y).sum(axes), (p * p).sum(axes) + (y * y).sum(axes)
        return loss + 1 - ((top + 1e-5) / (low + 1e-5)).mean()
    parts = [
        1 - (2 * (p[:, c] * y[:, c]).sum() + 1e-5) / (p[:, c].sum() + y[:, c].sum() + 1e-5)
        for c in range(p.shape[1])
        if y[:, c].sum() > 0
    ]
    return loss + sum(parts) / max(len(parts), 1)


def hardened(p, regions):
    if regions:
        return (p > 0.5).double(), torch.maximum(p, 1 - p)
    confidence, index = p.max(1, keepdim=True)
    return torch.zeros_like(p).scatter_(1, index, 1.0), confidence


def written_out(system, batch, form, regions, align):
    """Losses of one step at t / T = 0.6, with the draws that the generator will give."""
    o, t = system.options, 0.6
    student = copy.deepcopy(system.networks["student"])
    teacher = copy.deepcopy(system.networks["teacher"])
    draws = torch.Generator()
    draws.set_state(system.course.generator.get_state())
    lam = math.exp(-5 * (1 - t) ** 2) if o.ramp == "squared" else math.exp(-5 * (1 - t))
    x, u, s = batch.labelled, batch.unlabelled, batch.unlabelled_strong
    moved = x
    if o.amplitude:
        moved = mix_amplitude(x, u, t * torch.rand(2, generator=draws), o.mixing_area)
    make = linear_box_masks if o.box == "linear" else box_masks
    m = make(2, *x.shape[-2:], generator=draws, device=x.device).double()

    def passed(net, *pictures):
        if o.passes == "joint":
            return net(torch.cat(pictures)).split(2)
        return [net(picture) for picture in pictures]

    shown = x if o.teacher_paste == "unmoved" else moved
    with torch.no_grad():
        direct, first, second = (
            probabilities(z, regions)
            for z in passed(teacher, u, u * (1 - m) + shown * m, shown * (1 - m) + u * m)
        )
    label, confidence = hardened(direct, regions)
    sure = (confidence >= o.confidence).double()
    stitched, other = hardened(second * m + first * (1 - m), regions)
    same = (stitched == label).double()
    if o.agreement_of == "pixel" or not regions:
        same = same.amin(1, keepdim=True)
    counts = sure * same * (other >= o.confidence)
    truth, known = system.targets.encode(batch.index)
    truth, known = truth.double(), known.double()
    pictures = [batch.labelled_strong, s * (1 - m) + moved * m, moved * (1 - m) + s * m, s]
    z = passed(student, *pictures)
    whole = o.background_dice == "whole"
    mixed = [(truth * m + label * (1 - m), known * m + sure * (1 - m)),
             (label * m + truth * (1 - m), sure * m + known * (1 - m))]  # fmt: skip
    found = {
        "supervised": judged(z[0], truth, known, form, regions),
        "inner": judged(z[1], *mixed[0], form, regions, whole),
        "outer": judged(z[2], *mixed[1], form, regions, whole),
        "symmetric": judged(z[3], label, counts, form, regions, whole, o.symmetric_dice),
    }
    total = found["supervised"] + lam * (found["inner"] + found["outer"] + lam * found["symmetric"])
    if align:
        p = probabilities(z[0], regions).detach()
        q = probabilities(z[2] * m + z[1] * (1 - m), regions)
        p, q = (torch.stack((v, 1 - v), -1).mean((0, 2, 3)) if regions else v.mean((0, 2, 3))
                for v in (p, q))  # fmt: skip
        half = (p + q) / 2
        js = (p * (p / half).log() + q * (q / half).log()).sum(-1) / 2
        found["align"] = js.mean()
        total = total + found["align"]
    found["total"] = total
    gradients = torch.autograd.grad(total, list(student.parameters()))
    return found, gradients


REGIONS = [(1, 2), (2,)]
CASES = [
    (name, options, form, regions)
    for name in ("midss", "dim")
    for options, form in ((PRINTED, "ours"), (PUBLISHED, "published"))
    for regions in ((), REGIONS)
]
CASES += [
    ("dim", {**options, key: value}, form, REGIONS if key == "agreement_of" else ())
    for options, others, form in ((PRINTED, PUBLISHED, "ours"), (PUBLISHED, PRINTED, "published"))
    for key, value in others.items()
]
CASES += [("dim", {**PRINTED, "amplitude": False}, "ours", ())]


@pytest.mark.parametrize(("name", "options", "form", "regions"), CASES)
def test_the_step_written_out(name, options, form, regions):
    rate, form = 0.01, FORMS[form]
    system = begun(
        name, regions=regions, form=form, sharpness=0.0, optimiser=lambda p: torch.optim.SGD(
            p, lr=rate), **{**BOTH, **options})  # fmt: skip
    system.networks.double()
    for net in system.networks.values():  # some pixels sure, some not
        net.head.weight.data.mul_(6)
    batch = doubled(views())
    align = name == "dim"
    before = [p.detach().clone() for p in system.networks["student"].parameters()]
    expected, gradients = written_out(system, batch, form, regions, align)
    losses = system.step(batch, 0.6, 3)
    assert set(losses) == set(expected)
    for term, value in expected.items():
        torch.testing.assert_close(
            losses[term].double(), value.detach(), atol=2e-5, rtol=2e-5, msg=term
        )
    for old, gradient, new in zip(
        before, gradients, system.networks["student"].parameters(), strict=True
    ):
        torch.testing.assert_close(new, old - rate * gradient, atol=2e-6, rtol=2e-4)


def test_ramps_agree_at_the_ends_alone():
    printed, squared = (begun("dim", ramp=ramp) for ramp in ("printed", "squared"))
    found = {
        t: [s.pace(t, 0)["weight"] for s in (printed, squared)] for t in (0, 0.25, 0.5, 0.75, 1)
    }
    assert found[0] == pytest.approx([math.exp(-5)] * 2)
    assert found[1] == [1, 1]
    table = {0.25: (0.024, 0.060), 0.5: (0.082, 0.287), 0.75: (0.287, 0.732)}
    for t, values in table.items():
        assert found[t] == pytest.approx(values, abs=1e-3)


def test_lambda_rises_in_levels():
    system = begun("midss")
    assert system.options.ramp_levels == 200
    weights = [system.pace(t / 30_000, t)["weight"] for t in (0, 149, 150, 14_999, 15_000, 30_000)]
    level = [math.exp(-5 * (1 - n / 200) ** 2) for n in (0, 0, 1, 99, 100, 200)]
    assert weights == pytest.approx(level)
    smooth = begun("midss", ramp_levels=0)
    assert smooth.pace(149 / 30_000, 149)["weight"] > weights[1]


def test_the_teacher_s_statistics_are_its_own_or_averaged():
    for how, own in (("own", True), ("averaged", False)):
        system = begun("midss", teacher_statistics=how)
        for step in range(2):
            system.step(views(seed=step), 0.9, step + 5)
        student, teacher = (
            dict(system.networks[n].named_buffers()) for n in ("student", "teacher")
        )
        name = next(k for k in student if k.endswith("num_batches_tracked"))
        assert (student[name] == 8).all()  # four passes a step
        assert int(teacher[name]) == (6 if own else 8)
