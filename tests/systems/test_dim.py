"""The whole step: equation (10) under (5), and what runs when."""

from __future__ import annotations

import copy
import math
from contextlib import nullcontext
from dataclasses import dataclass, replace

import pytest
import torch
from torch import nn

from napari_dim.config import Settings
from napari_dim.method.mixing import box_masks, mix_amplitude
from napari_dim.method.targets import Targets
from napari_dim.systems import SYSTEMS
from napari_dim.systems.dim import SYMMETRIC
from napari_dim.systems.system import Course, Plan


@dataclass(frozen=True)
class Views:
    labelled: torch.Tensor
    labelled_strong: torch.Tensor
    index: torch.Tensor
    unlabelled: torch.Tensor | None = None
    unlabelled_strong: torch.Tensor | None = None
    scans: tuple[torch.Tensor, torch.Tensor] | None = None


def views(batch_label=2, batch_unlabel=3, classes=2):
    torch.manual_seed(1)
    x = torch.randn(batch_label, 1, 16, 16)
    u = torch.randn(batch_unlabel, 1, 16, 16)
    index = torch.randint(0, classes, (batch_label, 16, 16))
    return Views(x, x + 0.1, index, u, u + 0.1)


def method(seed=0, system="dim", classes=2, regions=(), optimiser="sgd", **changes):
    settings = Settings.make(
        **{
            "system": system,
            **({"confidence": 0.5, "mix_labelled": 0.0} if system == "dim" else {}),
            "sharpness_every": 1,
            "sharpness": 0.05,
            **changes,
        }
    )
    torch.manual_seed(seed)
    made = SYSTEMS[system](Tiny(Targets(classes, regions), 1, "", 4), settings.system)
    make = {"sgd": torch.optim.SGD, "adamw": torch.optim.AdamW}[optimiser]
    made.begin(
        Course(
            torch.device("cpu"),
            torch.Generator().manual_seed(seed),
            nullcontext,
            lambda parameters: make(parameters, lr=0.1),
            torch.optim.Adam,
            sharpness=settings.sharpness,
            sharpness_every=settings.sharpness_every,
            sharpness_from=settings.sharpness_from,
        )
    )
    return made


class Tiny(Plan):
    """Two convolutions."""

    def backbone(self, **changes):
        return nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Conv2d(4, self.targets.channels, 1),
        )


def student(system):
    return system.networks["student"]


def teacher(system):
    return system.networks["teacher"]


def guided(dim, batch, progress):
    return dim.guide(batch, dim.stage(progress, 0), dim.pace(progress, 0)).pasted


def weights(net):
    return torch.cat([p.detach().flatten() for p in net.parameters()])


def test_terms_run_once_their_weight_counts():
    dim = method(least_weight=0.05)
    assert set(dim.step(views(), 0.0, 0)) == {"supervised", "total"}
    assert set(dim.step(views(), 0.5, 1)) == {"supervised", "inner", "outer", "align", "total"}
    assert "symmetric" in dim.step(views(), 0.9, 2)
    every = method(least_weight=0.0).step(views(), 0.0, 0)
    assert set(every) == {"supervised", "inner", "outer", "symmetric", "align", "total"}


def test_a_short_training_learns_from_labels_alone():
    """By its pace so far: 60 steps at t / T = 0.6 are a training of 100."""
    dim = method(least_weight=0.05, least_steps=100)
    assert dim.stage(0.6, 60).unlabelled
    assert not dim.stage(0.6, 59).unlabelled
    assert "inner" not in dim.step(views(), 1.0, 99)
    assert method(least_weight=0.05).stage(1.0, 0).unlabelled  # off unless asked


@pytest.mark.parametrize("regions", [(), [(1, 2), (2,)]])
def test_total_is_the_weighted_sum_of_its_parts(regions):
    dim = method(classes=3, regions=regions, align_weight=2.0)
    parts = dim.step(views(classes=3), 1.0, 0)
    expected = (
        parts["supervised"] + parts["inner"] + parts["outer"] + parts["symmetric"] + parts["align"]
    )
    torch.testing.assert_close(parts["total"], expected)


@pytest.mark.parametrize("changes", [{}, {"sharpness_every": 3}, {"agreement": True}])
def test_the_stage_says_which_terms_run_and_the_pace_may_be_tensors(changes):
    """A step that is given its numbers as tensors, and reads none, does the same."""
    plain, given = (method(least_weight=0.05, sharpness_from=0.7, **changes) for _ in range(2))
    stages = set()
    for number, progress in enumerate((0.0, 0.3, 0.5, 0.6, 0.9, 1.0)):
        stage, pace = given.stage(progress, number), given.pace(progress, number)
        expected = plain.step(views(), progress, number)
        parts = given.take(
            views(), stage, {name: torch.tensor(value) for name, value in pace.items()}
        )
        assert ("inner" in parts) == stage.unlabelled
        assert ("symmetric" in parts) == (stage.part == SYMMETRIC)
        torch.testing.assert_close(parts, expected)
        stages.add(stage)
    assert len(stages) == 3
    torch.testing.assert_close(weights(student(given)), weights(student(plain)))
    torch.testing.assert_close(weights(teacher(given)), weights(teacher(plain)))


def test_without_a_teacher_it_is_supervised_training():
    dim = method(system="supervised")
    assert set(dim.step(views(), 1.0, 0)) == {"supervised", "total"}


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_rho_zero_equals_the_base_optimiser_bit_for_bit(optimiser):
    """Against plain steps of the base optimiser on the supervised loss."""
    dim = method(sharpness=0.0, system="supervised", optimiser=optimiser)
    plain = method(system="supervised", optimiser=optimiser)
    from napari_dim.method.losses import segmentation_loss

    for step in range(3):
        batch = views()
        dim.step(batch, 1.0, step)
        plain.optimisers["student"].zero_grad()
        logits = student(plain)(batch.labelled_strong)
        segmentation_loss(plain.targets, logits, *plain.targets.encode(batch.index)).backward()
        plain.optimisers["student"].step()
    assert torch.equal(weights(student(dim)), weights(student(plain)))


def test_sharpness_changes_the_step_and_counts_statistics_once():
    sharp, flat = method(sharpness=0.5), method(sharpness=0.0)
    for dim in (sharp, flat):
        dim.step(views(), 1.0, 0)
    assert not torch.equal(weights(student(sharp)), weights(student(flat)))
    assert torch.equal(student(sharp)[1].running_mean, student(flat)[1].running_mean)
    assert int(student(sharp)[1].num_batches_tracked) == 1


def test_sharpness_runs_on_every_kth_step_and_late():
    reference = method(sharpness=0.0)
    late = method(sharpness=0.5, sharpness_from=0.9)
    rare = method(sharpness=0.5, sharpness_every=2)
    for dim in (reference, late, rare):
        dim.step(views(), 0.5, 1)
    assert torch.equal(weights(student(reference)), weights(student(late)))
    assert torch.equal(weights(student(reference)), weights(student(rare)))


def test_the_teacher_has_no_gradient_and_follows():
    dim = method(teacher_memory=1.0)
    start = weights(teacher(dim))
    dim.step(views(), 1.0, 5)
    assert all(p.grad is None for p in teacher(dim).parameters())
    decay = 1 - 1 / 6
    torch.testing.assert_close(
        weights(teacher(dim)),
        decay * start + (1 - decay) * weights(student(dim)),
    )


def test_same_seed_same_step():
    first, second = method(mix_labelled=0.5), method(mix_labelled=0.5)
    for step in range(3):
        first.step(views(), 0.9, step)
        second.step(views(), 0.9, step)
    assert torch.equal(weights(student(first)), weights(student(second)))


def test_pseudo_labels_below_the_confidence_do_not_count():
    """With a confidence of 1 no pseudo-label counts: L_sym is 0 and only the true mask teaches."""
    parts = method(confidence=1.0).step(views(), 1.0, 0)
    assert parts["symmetric"].item() == 0
    assert parts["inner"].item() > 0


def test_pseudo_labels_that_a_paste_changes_do_not_count():
    """Before L_sym runs: fewer pixels count with `agreement`, and those that do are the same."""
    progress, batch = 0.6, views()
    strict, plain = (method(confidence=0.5, agreement=on) for on in (True, False))
    for dim in (strict, plain):  # pseudo-labels that lean on what stands beside them
        teacher(dim)[3].weight.data.mul_(4)
    checked, direct = (guided(dim, batch, progress) for dim in (strict, plain))
    assert checked.agreed is None
    assert direct.agreed is None
    assert torch.equal(checked.pseudo, direct.pseudo)
    assert 0 < checked.sure.sum() < direct.sure.sum()
    assert (checked.sure <= direct.sure).all()


def test_entropy_term_is_optional():
    assert "entropy" not in method().step(views(), 1.0, 0)
    parts = method(entropy_weight=1.0, entropy_threshold=1.0).step(views(), 1.0, 0)
    assert 0 < parts["entropy"].item() <= 1


@pytest.mark.parametrize("mix_same_scan", [False, True])
def test_slices_of_one_scan_lend_each_other_no_look(mix_same_scan):
    batch = views(4, 2)
    scans = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1])
    batch = replace(batch, scans=scans)
    dim = method(mix_labelled=1.0, mix_same_scan=mix_same_scan, mixing_area=0.2)
    changed = (dim._restyled(batch) != batch.labelled_strong).flatten(1).any(1)
    assert changed.tolist() == [False, True, True, False]  # beside 0, 1, 0, 1
    dim = method(mix_same_scan=mix_same_scan, mixing_area=0.2)
    guidance = guided(dim, batch, 0.9)
    inside = torch.where(guidance.box.bool(), guidance.inner, batch.labelled[:2])
    mixed = (inside - batch.labelled[:2]).abs().flatten(1).amax(1) > 1e-4
    assert mixed.tolist() == [mix_same_scan, True]


def loss_by_hand(logits, index, weight):
    """Cross-entropy and Dice from class indices, one class after the other."""
    p = logits.softmax(1)
    picked = p.gather(1, index[:, None])[:, 0]
    entropy = -(picked.log() * weight).sum() / weight.sum()
    dice = []
    for c in range(logits.shape[1]):
        t = (index == c) * weight
        if t.sum() > 0:
            both = (p[:, c] * weight * t).sum()
            dice.append(1 - 2 * both / ((p[:, c] * weight).sum() + t.sum()))
    return entropy + sum(dice) / len(dice)


@pytest.mark.parametrize("agreement", [False, True])
def test_the_step_is_equations_8_9_and_10_written_out(agreement):
    """From class indices and arithmetic with M alone, by the method page and not the code."""
    classes, confidence, progress = 3, 0.5, 0.9
    dim = method(classes=classes, confidence=confidence, mixing_area=0.2, agreement=agreement)
    batch = views(3, 3, classes)
    for net in dim.networks.values():  # some pixels sure, some not
        net[3].weight.data.mul_(4)
    pupil, master = copy.deepcopy(student(dim)), copy.deepcopy(teacher(dim))
    draws = torch.Generator()
    draws.set_state(dim.course.generator.get_state())
    parts = dim.step(batch, progress, 0)

    weak, strong = batch.unlabelled, batch.unlabelled_strong
    ratio = progress * torch.rand(3, generator=draws)
    moved = mix_amplitude(batch.labelled, weak, ratio, 0.2)
    m = box_masks(3, 16, 16, generator=draws, device=weak.device)
    box = m[:, 0].bool()
    with torch.no_grad():
        said = master(
            torch.cat([weak, moved * m + weak * (1 - m), moved * (1 - m) + weak * m])
        ).softmax(1)
    sure, pseudo = said[:3].max(1)
    # Unlabelled pixels lie inside the box of the second paste, outside that of the first.
    stitched_p = said[6:] * m + said[3:6] * (1 - m)
    stitched_sure, stitched = stitched_p.max(1)
    sure = (sure >= confidence).float()
    counts = sure * (stitched_sure >= confidence) * (stitched == pseudo)
    sure = counts if agreement else sure

    u_in, u_out = strong * (1 - m) + moved * m, moved * (1 - m) + strong * m
    out = pupil(torch.cat([batch.labelled_strong, u_in, u_out, strong]))
    labelled, inner, outer, symmetric = out.split(3)
    ones = torch.ones_like(sure)
    expected = {
        "supervised": loss_by_hand(labelled, batch.index, ones),
        "inner": loss_by_hand(
            inner, torch.where(box, batch.index, pseudo), torch.where(box, ones, sure)
        ),
        "outer": loss_by_hand(
            outer, torch.where(box, pseudo, batch.index), torch.where(box, sure, ones)
        ),
    }
    picked = symmetric.softmax(1).gather(1, stitched[:, None])[:, 0]
    expected["symmetric"] = -(picked.log() * counts).sum() / counts.sum()
    p = labelled.softmax(1).mean((0, 2, 3))
    q = (outer * m + inner * (1 - m)).softmax(1).mean((0, 2, 3))
    middle = (p + q) / 2
    expected["align"] = ((p * (p / middle).log()).sum() + (q * (q / middle).log()).sum()) / 2
    weight = math.exp(-5 * (1 - progress))
    unlabelled = expected["inner"] + expected["outer"] + weight * expected["symmetric"]
    expected["total"] = expected["supervised"] + weight * unlabelled + expected["align"]
    assert 0 < counts.mean() < 1
    assert set(parts) == set(expected)
    for name, value in expected.items():
        torch.testing.assert_close(parts[name], value.detach(), atol=1e-4, rtol=1e-4, msg=name)
