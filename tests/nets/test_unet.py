"""The networks against those of MONAI, whose runs they must go on with."""

from __future__ import annotations

import pytest
import torch

from napari_dim import nets
from napari_dim.nets.class_channels import class_axes
from napari_dim.nets.unet import STRIDE


def monai_residual(channels_in, channels_out, width):
    from monai.networks.nets import UNet

    return UNet(
        spatial_dims=2,
        in_channels=channels_in,
        out_channels=channels_out,
        channels=tuple(width * 2**level for level in range(5)),
        strides=(2, 2, 2, 2),
        num_res_units=2,
        norm=("instance", {"affine": True}),
        act=("leakyrelu", {"inplace": True, "negative_slope": 0.1}),
    )


def monai_double(channels_in, channels_out, width):
    from monai.networks.nets import BasicUNet

    return BasicUNet(
        spatial_dims=2,
        in_channels=channels_in,
        out_channels=channels_out,
        features=(*(width * 2**level for level in range(5)), width),
        norm="batch",
        act=("relu", {"inplace": True}),
        upsample="deconv",
    )


@pytest.mark.parametrize(("name", "make"), [("resunet", monai_residual), ("unet", monai_double)])
def test_same_seed_gives_the_weights_and_logits_of_monai(name, make):
    torch.manual_seed(3)
    theirs = make(3, 2, 8)
    torch.manual_seed(3)
    ours = nets.build(name, channels_in=3, channels_out=2, width=8)
    own, given = ours.state_dict(), theirs.state_dict()
    assert list(own) == list(given)
    assert all(torch.equal(own[key], given[key]) for key in given)
    x = torch.randn(2, 3, 3 * STRIDE, 2 * STRIDE)
    for training in (True, False):
        ours.train(training)
        theirs.train(training)
        torch.testing.assert_close(ours(x), theirs(x))


def test_the_wide_network_has_a_level_s_maps_at_full_size_and_classes_in_its_last_layer_alone():
    how = {"channels_in": 3, "width": 8}
    net = nets.build("resunet-wide", channels_out=4, **how)
    x = torch.randn(2, 3, 3 * STRIDE, 2 * STRIDE)
    assert net(x).shape == (2, 4, *x.shape[2:])
    assert nets.last_map(net, x).shape == (2, 8, *x.shape[2:])
    axes = class_axes(lambda k: nets.build("resunet-wide", channels_out=k, **how), 4)
    last = [*net.state_dict()][-2:]
    assert axes == dict.fromkeys(last, ((0, True),))


def test_the_paper_s_network_has_the_published_size():
    with torch.device("meta"):
        net = nets.build("published-unet", channels_in=3, channels_out=2, width=64)
    assert sum(p.numel() for p in net.parameters()) == 31_037_698
