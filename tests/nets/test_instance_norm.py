"""Instance norm on the processor: PyTorch's, and the map lies as it lay."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_dim.nets.instance_norm import LEAST, InstanceNorm


def _both(channels):
    torch.manual_seed(channels)
    ours, theirs = InstanceNorm(channels), nn.InstanceNorm2d(channels, affine=True)
    for one in (ours.weight, ours.bias):
        nn.init.normal_(one)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


@pytest.mark.parametrize("channels", [2, LEAST, 16])
@pytest.mark.parametrize("order", [torch.channels_last, torch.contiguous_format])
def test_values_and_slopes_are_those_of_pytorch(channels, order):
    ours, theirs = _both(channels)
    x = torch.randn(3, channels, 6, 10).contiguous(memory_format=order) * 5 + 2
    results = []
    for norm in (ours, theirs):
        given = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
        found = norm(given)
        (found * torch.arange(10.0)).square().sum().backward()
        results.append((found, given.grad, norm.weight.grad, norm.bias.grad))
    for mine, other in zip(*results, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-3)


def test_slopes_are_right_to_the_last_digit():
    ours, _ = _both(LEAST)
    ours.double()
    x = torch.randn(2, LEAST, 3, 4, dtype=torch.float64, requires_grad=True)
    torch.autograd.gradcheck(ours, (x,))


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_a_map_stays_as_it_lies(kind):
    ours, theirs = _both(16)
    x = torch.randn(2, 16, 8, 12).to(kind).contiguous(memory_format=torch.channels_last)
    found = ours(x)
    assert found.dtype == kind
    assert found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found.float(), theirs(x.float()), rtol=0.02, atol=0.05)


def test_one_pixel_is_refused_as_by_pytorch():
    ours, _ = _both(16)
    with pytest.raises(ValueError, match="more than 1 spatial element"):
        ours(torch.randn(2, 16, 1, 1))
