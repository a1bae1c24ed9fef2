"""SAEM: equations (3) and (7)."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from napari_dim.method.entropy import (
    adaptable,
    saem_step,
    sample_entropy,
    select,
    selective_entropy,
)
from napari_dim.method.targets import Targets


def test_entropy_is_one_for_no_idea_and_zero_for_certainty():
    sure = torch.zeros(1, 4, 3, 3)
    sure[:, 1] = 100
    logits = torch.cat((torch.zeros(1, 4, 3, 3), sure))
    torch.testing.assert_close(sample_entropy(Targets(4), logits), torch.tensor([1.0, 0.0]))


def test_regions_entropy_is_that_of_their_classes():
    targets = Targets(3, [(1, 2), (2,)])
    logits = torch.randn(2, 2, 4, 4)
    p = targets.class_probability(logits.sigmoid())
    by_hand = -(p * p.log()).sum(1).mean((1, 2)) / torch.log(torch.tensor(3.0))
    torch.testing.assert_close(sample_entropy(targets, logits), by_hand)


def test_selection_is_equation_3():
    entropy = torch.tensor([0.1, 0.39, 0.4, 0.8], requires_grad=True)
    chosen = select(entropy, 0.4)
    assert chosen.tolist() == [1, 1, 0, 0]
    loss = selective_entropy(entropy, chosen)
    assert loss.item() == pytest.approx((0.1 + 0.39) / 2)
    loss.backward()
    assert entropy.grad.tolist() == [0.5, 0.5, 0, 0]


def net_and_data():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.InstanceNorm2d(4, affine=True), nn.Conv2d(4, 2, 1))
    return net, torch.randn(4, 1, 9, 9)


def test_a_step_lowers_the_entropy_of_the_chosen_and_moves_the_subset_alone():
    net, x = net_and_data()
    before = copy.deepcopy(net.state_dict())
    parameters = adaptable(net, "norm")
    assert {tuple(p.shape) for p in parameters} == {(4,)}
    assert len(parameters) == 2
    optimiser = torch.optim.SGD(parameters, lr=0.1)
    entropies = []
    for _ in range(20):
        entropy, count = saem_step(
            net, lambda: net(x), Targets(2), optimiser, parameters, threshold=1.0, rho=0.05
        )
        assert count == 4
        entropies.append(entropy)
    assert entropies[-1] < entropies[0]
    assert torch.equal(net[0].weight, before["0.weight"])
    assert not torch.equal(net[1].weight, before["1.weight"])
    assert len(adaptable(net, "all")) == len(list(net.parameters()))


def test_nothing_changes_when_every_sample_is_unsure():
    net, x = net_and_data()
    before = copy.deepcopy(net.state_dict())
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    _, count = saem_step(
        net, lambda: net(x), Targets(2), optimiser, net.parameters(), threshold=1e-6, rho=0.05
    )
    assert count == 0
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


def test_the_gradient_is_taken_at_the_perturbed_weights():
    """Equation (7) against a step written out: S at θ, gradient at θ + ε, update at θ."""
    net, x = net_and_data()
    twin = copy.deepcopy(net)
    targets, rho, rate = Targets(2), 0.5, 0.1
    optimiser = torch.optim.SGD(net.parameters(), lr=rate)
    saem_step(net, lambda: net(x), targets, optimiser, net.parameters(), threshold=1.0, rho=rho)
    names = dict(twin.named_parameters())
    first = torch.autograd.grad(sample_entropy(targets, twin(x)).mean(), list(names.values()))
    norm = torch.sqrt(sum((g**2).sum() for g in first))
    moved = {n: p + rho * g / norm for (n, p), g in zip(names.items(), first, strict=True)}
    loss = sample_entropy(targets, torch.func.functional_call(twin, moved, (x,))).mean()
    second = torch.autograd.grad(loss, list(moved.values()))
    for (name, parameter), g in zip(names.items(), second, strict=True):
        torch.testing.assert_close(
            dict(net.named_parameters())[name], parameter - rate * g, atol=1e-5, rtol=1e-4
        )
