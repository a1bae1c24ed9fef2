"""Local contrast as further channels of a network."""

from __future__ import annotations

import copy

import torch

from napari_dim import nets
from napari_dim.nets.local_contrast import local_contrast


def alike(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1])


def test_the_coil_s_brightness_goes_and_edges_stay():
    row = torch.linspace(0, 1, 64)
    shape = ((row[:, None] - 0.5) ** 2 + (row - 0.5) ** 2 < 0.04).float()
    even = (1 + shape)[None, None]
    uneven = even * (0.3 + 2 * row)  # brighter towards one side
    b = local_contrast(uneven, 16.0)
    assert alike(local_contrast(even, 16.0), b) > alike(even, uneven) + 0.2
    torch.testing.assert_close(local_contrast(3 * uneven, 16.0), b, atol=0.3, rtol=0)
    flat = local_contrast(0.01 * torch.randn(1, 1, 64, 64), 6.0)
    assert flat.abs().max() < 1  # the noise of air is not blown up


def test_a_network_sees_it_beside_the_slice_and_can_be_copied():
    how = {"channels_in": 2, "channels_out": 3, "width": 4}
    torch.manual_seed(0)
    net = nets.build("resunet-wide", **how, local_contrast=4.0).eval()
    torch.manual_seed(0)
    bare = nets.build("resunet-wide", **{**how, "channels_in": 4}).eval()
    x = torch.randn(2, 2, 32, 48)
    expected = bare(torch.cat([x, local_contrast(x, 4.0)], 1))
    torch.testing.assert_close(net(x), expected)
    torch.testing.assert_close(copy.deepcopy(net)(x), expected)
    assert list(net.state_dict()) == list(bare.state_dict())
