"""The two U-Nets, from MONAI's parts. Both take any size that is a multiple of `STRIDE`."""

from __future__ import annotations

from typing import cast

from torch import nn

STRIDE = 16
"""Rows and columns must be multiples of this."""
DROPOUT = 0.2
"""Share of the values that these networks drop where dropout is asked for."""


def residual_unet(
    channels_in: int, channels_out: int, width: int, *, dropout: bool = False
) -> nn.Module:
    """Five levels, strided residual units, instance norm: the most Dice a second on a CPU.

    Instance norm has no running statistics, so nothing is bound to the labelled scanner.
    """
    from monai.networks.nets import UNet

    return cast(
        nn.Module,
        UNet(
            spatial_dims=2,
            in_channels=channels_in,
            out_channels=channels_out,
            channels=tuple(width * 2**level for level in range(5)),
            strides=(2, 2, 2, 2),
            num_res_units=2,
            norm=("instance", {"affine": True}),
            act=("leakyrelu", {"inplace": True, "negative_slope": 0.1}),
            dropout=DROPOUT if dropout else 0.0,
        ),
    )


def paper_unet(
    channels_in: int, channels_out: int, width: int, *, dropout: bool = False
) -> nn.Module:
    """The paper's U-Net: 64-128-256-512-1024 at width 64, batch norm, transposed convolutions."""
    from monai.networks.nets import BasicUNet

    return cast(
        nn.Module,
        BasicUNet(
            spatial_dims=2,
            in_channels=channels_in,
            out_channels=channels_out,
            features=(*(width * 2**level for level in range(5)), width),
            norm="batch",
            act=("relu", {"inplace": True}),
            upsample="deconv",
            dropout=("dropout", {"p": DROPOUT}) if dropout else 0.0,
        ),
    )
