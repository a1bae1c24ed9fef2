"""Classes and regions, L_s, (8), (9), (10), (11), the teacher."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from napari_dim.method.losses import (
    segmentation_loss,
    total_loss,
    weighted_cross_entropy,
    weighted_dice,
)
from napari_dim.method.mean_teacher import decay_at, follow
from napari_dim.method.ramps import ramp
from napari_dim.method.targets import IGNORE, Targets

DISC_CUP = [(1, 2), (2,)]


def test_regions_and_classes_agree_on_nested_masks():
    index = torch.randint(0, 3, (2, 6, 7))
    regions = Targets(3, DISC_CUP)
    target, weight = regions.encode(index)
    assert weight.min() == 1
    assert torch.equal(target[:, 0], (index > 0).float())
    assert torch.equal(target[:, 1], (index == 2).float())
    classes = regions.class_probability(target)
    assert torch.equal(classes.argmax(1), index)
    assert torch.equal(Targets(3).encode(index)[0].argmax(1), index)


def test_uncertain_regions_become_the_likelier_class():
    disc, cup = 0.9, 0.3
    p = torch.tensor([disc, cup]).view(1, 2, 1, 1)
    classes = Targets(3, DISC_CUP).class_probability(p).flatten()
    parts = torch.tensor([(1 - disc) * (1 - cup), disc * (1 - cup), disc * cup])
    torch.testing.assert_close(classes, parts / parts.sum(), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "regions", [[(1, 2)], [(1, 2), (1, 2)], [(3,), (1,), (2,)], [(0, 1), (2,)]]
)
def test_regions_that_cannot_tell_classes_apart_are_refused(regions):
    with pytest.raises(ValueError, match="class"):
        Targets(3, regions)


def test_ignored_pixels_change_nothing():
    torch.manual_seed(0)
    targets = Targets(3)
    index = torch.randint(0, 3, (2, 8, 8))
    index[:, :3] = IGNORE
    logits = torch.randn(2, 3, 8, 8)
    other = logits.clone()
    other[:, :, :3] = torch.randn(2, 3, 3, 8) * 50
    target, weight = targets.encode(index)
    assert torch.equal(
        segmentation_loss(targets, logits, target, weight),
        segmentation_loss(targets, other, target, weight),
    )


def test_cross_entropy_equals_torch_s():
    torch.manual_seed(0)
    index = torch.randint(0, 3, (2, 8, 8))
    index[0, :4] = IGNORE
    logits = torch.randn(2, 3, 8, 8)
    targets = Targets(3)
    expected = F.cross_entropy(logits, index, ignore_index=IGNORE)
    torch.testing.assert_close(
        weighted_cross_entropy(targets, logits, *targets.encode(index)), expected
    )


def test_dice_of_a_known_overlap():
    targets = Targets(2)
    index = torch.zeros(1, 4, 4, dtype=torch.long)
    index[0, :2] = 1
    predicted = torch.zeros(1, 4, 4, dtype=torch.long)
    predicted[0, 1:3] = 1
    logits = F.one_hot(predicted, 2).movedim(-1, 1) * 200.0 - 100
    # Both classes: 8 pixels each, 4 in common, Dice one half.
    loss = weighted_dice(targets, logits, *targets.encode(index))
    assert loss.item() == pytest.approx(0.5, abs=1e-4)


def test_an_absent_class_is_not_driven_down_by_dice():
    targets = Targets(3)
    index = torch.zeros(1, 8, 8, dtype=torch.long)
    index[0, :4] = 1
    logits = torch.randn(1, 3, 8, 8, requires_grad=True)
    target, weight = targets.encode(index)
    with_absent = weighted_dice(targets, logits, target, weight)
    p = targets.probability(logits)
    t = target
    by_hand = [
        1 - (2 * (p[:, c] * t[:, c]).sum() / (p[:, c].sum() + t[:, c].sum())) for c in (0, 1)
    ]
    assert with_absent.item() == pytest.approx(sum(by_hand).item() / 2, abs=1e-4)


def test_total_is_equation_10():
    terms = [torch.tensor(v) for v in (1.0, 2.0, 3.0, 5.0, 7.0)]
    assert total_loss(*terms, ramp=0.5).item() == pytest.approx(1 + 0.5 * (2 + 3 + 0.5 * 5) + 7)


def test_ramp_is_equation_11():
    assert ramp(0) == pytest.approx(math.exp(-5))
    assert ramp(1) == 1
    assert ramp(0.6) == pytest.approx(math.exp(-2))
    assert ramp(7) == 1


def test_teacher_keeps_copies_and_averages():
    torch.manual_seed(0)
    make = lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))  # noqa: E731
    teacher, student = make(), make()
    student(torch.randn(2, 1, 5, 5))
    before = teacher[0].weight.clone()
    follow(teacher, student, 1.0)
    assert torch.equal(teacher[0].weight, before)
    follow(teacher, student, 0.9)
    torch.testing.assert_close(teacher[0].weight, 0.9 * before + 0.1 * student[0].weight)
    follow(teacher, student, 0.0)
    for mine, theirs in zip(
        teacher.state_dict().values(), student.state_dict().values(), strict=True
    ):
        assert torch.equal(mine, theirs)


def test_teacher_warms_up():
    assert decay_at(0, 0.99) == 0
    assert decay_at(1, 0.99) == 0.5
    assert decay_at(10_000, 0.99) == 0.99
    assert decay_at(90, 0.99, memory=0.1) == 0.9


def test_background_that_may_hide_a_class_is_learnt_as_either():
    """The loss falls with the probability of background and class together, by a closed form."""
    targets = Targets(3)
    targets.allow([(2,)])
    logits = torch.tensor([0.3, -1.0, 2.0]).view(1, 3, 1, 1).requires_grad_()
    target, weight = targets.encode(torch.tensor([[[3]]]))
    p = logits.softmax(1)
    loss = targets.cross_entropy(logits, target)
    torch.testing.assert_close(loss.squeeze(), -(p[0, 0] + p[0, 2]).log().squeeze())
    torch.testing.assert_close(targets.judged(logits, target)[0], loss)
    assert weight.item() == 1
    assert targets.certain(target).flatten().tolist() == [0, 1, 0]
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    share = (p[0, [0, 2]] / p[0, [0, 2]].sum()).flatten()
    # Down for class 1; up for the two in their own proportion: neither is preferred.
    torch.testing.assert_close(-gradient[0, [0, 2]].flatten() / p[0, 1].item(), share)
    assert gradient[0, 1] > 0


def test_the_dice_of_a_class_leaves_out_where_it_was_not_looked_for():
    targets = Targets(3)
    targets.allow([(2,)])
    index = torch.tensor([[[1, 2, 3, 3]]])
    logits = torch.zeros(1, 3, 1, 4)
    logits[0, 1, 0, 0] = logits[0, 2, 0, 1] = 50.0
    logits[0, 2, 0, 2:] = 50.0  # found where nobody looked: no fault
    target, weight = targets.encode(index)
    assert segmentation_loss(targets, logits, target, weight) < 1e-4
    logits[0, 1, 0, 2:] = 100.0  # class 1 was looked for, and is not there
    assert segmentation_loss(targets, logits, target, weight) > 1


def test_regions_leave_out_those_that_were_not_looked_for():
    targets = Targets(3, [(1, 2), (2,)])
    targets.allow([(2,)])
    target, weight = targets.encode(torch.tensor([[[3, 1, IGNORE]]]))
    assert target[0, :, 0].T.tolist() == [[0, 0], [1, 0], [0, 0]]
    assert weight[0, :, 0].T.tolist() == [[0, 0], [1, 1], [0, 0]]


def test_nothing_left_open_is_the_plain_loss_bit_for_bit():
    targets, open_ = Targets(3), Targets(3)
    open_.allow([])
    logits, index = torch.randn(2, 3, 4, 4), torch.randint(0, 3, (2, 4, 4))
    pair = [segmentation_loss(t, logits, *t.encode(index)) for t in (targets, open_)]
    assert torch.equal(*pair)
