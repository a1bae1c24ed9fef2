"""The U-Net that the paper's baseline published: 31,037,698 parameters from 3 to 2 channels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from napari_dim.nets.dropout import SeededDropout

DROPOUT = (0.05, 0.1, 0.2, 0.3, 0.5)
"""From the first to the deepest level of the encoder, as in the public code for 2D slices."""


class PublishedUNet(nn.Module):
    """Five levels of two convolutions; sizes are multiples of 16.

    Parameters
    ----------
    channels_in, channels_out
        Of image and logits.
    width
        Channels of the first level; each deeper one has twice as many.
    dropout
        True: `DROPOUT` between the two convolutions of each encoder level; or shares of one's
        own, a level each.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        width: int = 64,
        *,
        dropout: bool | Sequence[float] = False,
    ) -> None:
        super().__init__()
        shares = DROPOUT if dropout is True else (0.0,) * 5 if dropout is False else dropout
        widths = [width * 2**level for level in range(5)]
        self.down = nn.ModuleList(
            _double(before, after, share)
            for before, after, share in zip([channels_in, *widths], widths, shares, strict=False)
        )
        self.pool = nn.MaxPool2d(2)
        self.grow = nn.ModuleList(
            nn.ConvTranspose2d(deep, deep // 2, 2, stride=2) for deep in reversed(widths[1:])
        )
        self.up = nn.ModuleList(_double(deep, deep // 2) for deep in reversed(widths[1:]))
        self.head = nn.Conv2d(width, channels_out, 1)

    def maps(self, x: Tensor) -> Tensor:
        """The last map before the head, ``(batch, width, row, column)``."""
        skips: list[Tensor] = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else self.pool(x))
            skips.append(x)
        skips.pop()
        for grow, block in zip(self.grow, self.up, strict=True):
            x = block(torch.cat([skips.pop(), grow(x)], 1))
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Logits, ``(batch, channels_out, row, column)``."""
        logits: Tensor = self.head(self.maps(x))
        return logits


def _double(before: int, after: int, dropout: float = 0.0) -> nn.Sequential:
    layers: list[nn.Module] = []
    for number, channels in enumerate((before, after)):
        if number and dropout > 0:
            layers.append(SeededDropout(dropout))
        layers += [
            nn.Conv2d(channels, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)
