"""Networks by name."""

from __future__ import annotations

from torch import nn

from napari_dim.nets.unet import paper_unet, residual_unet

__all__ = ["build"]


def build(name: str, *, channels_in: int, channels_out: int, width: int) -> nn.Module:
    """A network that maps ``(batch, channels_in, row, column)`` to as large logits.

    Parameters
    ----------
    name
        ``resunet``: strided residual U-Net with instance norm. ``unet``: the paper's
        U-Net with batch norm.
    channels_in, channels_out
        Channels of image and logits.
    width
        Channels of the first level.
    """
    makers = {"resunet": residual_unet, "unet": paper_unet}
    return makers[name](channels_in, channels_out, width)
