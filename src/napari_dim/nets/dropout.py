"""Dropout whose draws come from a training's own generator, so that a seed fixes them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_dim.nets.ranks import Ranks


class SeededDropout(nn.Module):
    """As `nn.Dropout`, drawing from `generator` where there is one.

    Parameters
    ----------
    share
        Of the values that are dropped, in [0, 1).
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self.generator: torch.Generator | None = None
        self.ranks = Ranks()

    def forward(self, x: Tensor) -> Tensor:
        """Drop values in training; the others grow so that the mean stays."""
        if not self.training or self.share <= 0:
            return x
        # All processes draw for the whole batch, as one would.
        shape = (self.ranks.parts * x.shape[0], *x.shape[1:])
        draw = self.ranks.own(torch.rand(shape, generator=self.generator, device=x.device))
        return x * ((draw >= self.share).to(x.dtype) / (1 - self.share))


def seed_dropout(
    network: nn.Module, generator: torch.Generator | None, ranks: Ranks | None = None
) -> None:
    """Let all dropout of a network draw from a generator; None takes it away again."""
    for layer in network.modules():
        if isinstance(layer, SeededDropout):
            layer.generator = generator
            layer.ranks = ranks or Ranks()


def replace_dropout(network: nn.Module) -> nn.Module:
    """Put `SeededDropout` in the place of torch's; returns the network."""
    for layer in list(network.modules()):
        for name, child in list(layer.named_children()):
            if isinstance(child, nn.Dropout):
                setattr(layer, name, SeededDropout(child.p))
    return network
