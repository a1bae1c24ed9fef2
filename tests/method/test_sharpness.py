"""Equations (4) to (6): the perturbation, the way back, and what must not move."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from napari_dim.method.sharpness import held_statistics, perturbation, perturbed


def small_net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 1))


def backward(net, x):
    net(x).square().mean().backward()


def test_perturbation_is_equation_5_as_printed():
    torch.manual_seed(0)
    gradients = [torch.randn(3, 4), torch.randn(5)]
    rho = 0.07
    flat = torch.cat([g.flatten() for g in gradients])
    printed = rho * flat.sign() * flat.abs() / flat.norm()
    got = torch.cat([e.flatten() for e in perturbation(gradients, rho)])
    torch.testing.assert_close(got, printed)
    assert got.norm().item() == pytest.approx(rho, rel=1e-6)


def test_perturbation_climbs():
    net = small_net()
    x = torch.randn(2, 1, 8, 8)
    loss = net(x).square().mean()
    loss.backward()
    with perturbed(net, 0.05):
        assert net(x).square().mean() > loss


def test_zero_gradient_gives_zero_perturbation():
    assert perturbation([torch.zeros(3)], 0.5)[0].abs().sum() == 0


def test_weights_come_back_bit_for_bit_and_statistics_stay():
    net = small_net()
    x = torch.randn(2, 1, 8, 8)
    backward(net, x)
    before = copy.deepcopy(net.state_dict())
    with perturbed(net, 0.3):
        assert not torch.equal(net[0].weight, before["0.weight"])
        net.zero_grad()
        backward(net, x)
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_weights_come_back_after_an_error_too():
    net = small_net()
    backward(net, torch.randn(2, 1, 8, 8))
    before = copy.deepcopy(net.state_dict())
    with pytest.raises(ZeroDivisionError), perturbed(net, 0.3):
        raise ZeroDivisionError
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert net[1].track_running_stats


def test_held_statistics_use_the_batch_as_training_does():
    net = small_net()
    x = torch.randn(2, 1, 8, 8)
    with held_statistics(net):
        held = net(x)
    torch.testing.assert_close(held, net(x))


def test_gradient_is_that_of_the_perturbed_weights():
    """Equation (6) on a quadratic, where the gradient at θ + ε is known."""
    net = nn.Linear(3, 1, bias=False)
    with torch.no_grad():
        net.weight.copy_(torch.tensor([[3.0, 0.0, 4.0]]))
    net.weight.square().sum().backward()  # gradient 2 θ, so ε = ρ θ / |θ|
    with perturbed(net, 0.5):
        net.zero_grad()
        net.weight.square().sum().backward()
    torch.testing.assert_close(net.weight.grad, 2 * torch.tensor([[3.3, 0.0, 4.4]]))


def test_no_other_step_of_that_length_climbs_higher():
    """Equation (4): of all ε with ‖ε‖ = ρ, (5) raises the loss's linear part the most."""
    torch.manual_seed(0)
    gradients = [torch.randn(3, 4), torch.randn(5)]
    flat = torch.cat([g.flatten() for g in gradients])
    best = torch.cat([e.flatten() for e in perturbation(gradients, 0.3)])
    others = torch.randn(2000, len(flat))
    others = 0.3 * others / others.norm(dim=1, keepdim=True)
    assert ((others @ flat) < best @ flat).all()
    assert (best @ flat).item() == pytest.approx(0.3 * flat.norm().item(), rel=1e-5)
