"""Networks by name."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from napari_dim.nets.dropout import replace_dropout, seed_dropout
from napari_dim.nets.local_contrast import with_local_contrast
from napari_dim.nets.published_unet import PublishedUNet
from napari_dim.nets.unet import paper_unet, residual_unet, wide_residual_unet

__all__ = ["PublishedUNet", "build", "last_map", "seed_dropout"]


def build(
    name: str,
    *,
    channels_in: int,
    channels_out: int,
    width: int,
    dropout: bool = False,
    local_contrast: float = 0.0,
) -> nn.Module:
    """A network that maps ``(batch, channels_in, row, column)`` to as large logits.

    Parameters
    ----------
    name
        ``resunet-wide``: strided residual U-Net with instance norm. ``resunet``: the same with
        fewer maps at full size, that of earlier versions. ``unet``: MONAI's basic U-Net, with
        batch norm. ``published-unet``: that of the paper's baseline.
    channels_in, channels_out
        Channels of image and logits.
    width
        Channels of the first level.
    dropout
        Whether it drops channels of its maps in training, for systems that ask it several
        times: more the deeper.
    local_contrast
        Reach in pixels of the surroundings that a pixel is also shown against
        (`nets.local_contrast`); 0: the image alone.
    """
    if local_contrast > 0:
        network = build(
            name, channels_in=2 * channels_in, channels_out=channels_out, width=width,
            dropout=dropout,
        )  # fmt: skip
        return with_local_contrast(network, local_contrast)
    if name == "published-unet":
        return PublishedUNet(channels_in, channels_out, width, dropout=dropout)
    makers: dict[str, Any] = {
        "resunet-wide": wide_residual_unet, "resunet": residual_unet, "unet": paper_unet,
    }  # fmt: skip
    return replace_dropout(makers[name](channels_in, channels_out, width, dropout=dropout))


def last_map(network: nn.Module, x: Tensor) -> Tensor:
    """The map that a network makes its logits of, ``(batch, channel, row, column)``."""
    seen: list[Tensor] = []
    layers = [layer for layer in network.modules() if isinstance(layer, _ConvNd)]
    handles = [
        layer.register_forward_pre_hook(lambda layer, given: seen.append(given[0]))
        for layer in layers
        if layer.in_channels != layer.out_channels
    ]
    try:
        network(x)
    finally:
        for handle in handles:
            handle.remove()
    return seen[-1].float()
