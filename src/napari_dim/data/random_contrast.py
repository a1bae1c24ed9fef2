"""Other contrasts of the same anatomy: slices through shallow networks with random weights.

What is bright in one sequence is dark in another, and no change of brightness, contrast or
gamma turns one into the other. A few random convolutions do, edges and places kept: global
intensity non-linear augmentation (Ouyang et al., IEEE TMI 2022, section III.B), here with
each slice's own weights, one pass for the whole batch, and nothing that waits for the device.
"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

HIDDEN = 2
"""Channels between two layers."""
LAYERS = 4
WIDE = 0.25
"""Chance that a layer looks at 3 x 3 pixels and not at one."""
LEAK = 0.2
"""Slope of the activation below 0; between layers alone."""


def random_contrast(
    x: Tensor, share: float, generator: torch.Generator, *, neighbours: int = 1
) -> Tensor:
    """`x`, a share of its slices in a random contrast.

    A slice is blended with what a random network makes of it, by a part drawn from
    ``U(0, 1)``; mean and deviation are those of before. Neighbours that a slice carries as
    channels go through the same network, one by one: they are of one contrast.

    Parameters
    ----------
    x
        ``(batch, channel, row, column)``, mean about 0, deviation about 1.
    share
        Of the slices, in [0, 1]: so many of each batch, drawn at random. 0 draws nothing and
        returns `x`.
    generator
        Source of the draws, on the device.
    neighbours
        How many slices the channels show; ``channel / neighbours`` are an image's own.

    Returns
    -------
    Tensor
        As `x`.
    """
    count = math.ceil(share * len(x))  # a number that the batch's size gives: none is asked for
    if count <= 0:
        return x
    chosen = torch.rand(len(x), generator=generator, device=x.device).argsort()[:count]
    rows, columns = x.shape[-2:]
    own = x.shape[1] // neighbours
    draw = torch.rand(1 + LAYERS, count, 1, 1, 1, 1, generator=generator, device=x.device)
    planes = x[chosen].view(count, neighbours, own, rows, columns)
    made = planes.transpose(0, 1).reshape(neighbours, count * own, rows, columns)
    before = own
    for layer in range(LAYERS):
        after = own if layer == LAYERS - 1 else HIDDEN
        weight = torch.randn(count, after, before, 3, 3, generator=generator, device=x.device)
        shift = torch.randn(count * after, generator=generator, device=x.device)
        weight = weight * torch.where(draw[1 + layer] < WIDE, 1.0, _middle(x.device))
        # The edge again beyond the edge: a frame of another value would be a shape.
        made = F.pad(made, (1, 1, 1, 1), mode="replicate")
        made = F.conv2d(made, weight.view(-1, before, 3, 3), shift, groups=count)
        if layer < LAYERS - 1:
            made = F.leaky_relu(made, LEAK)
        before = after
    made = made.view(neighbours, count, own, rows, columns).transpose(0, 1)
    blended = planes.lerp(as_bright(made, planes), draw[0])
    changed = as_bright(blended, planes).reshape(count, *x.shape[1:])
    return x.index_copy(0, chosen, changed)


def as_bright(made: Tensor, like: Tensor) -> Tensor:
    """`made` with the mean and deviation that each sample of `like` has."""
    axes = tuple(range(1, like.ndim))
    spread, mean = torch.std_mean(like, axes, correction=0, keepdim=True)
    own_spread, own_mean = torch.std_mean(made, axes, correction=0, keepdim=True)
    return (made - own_mean) * (spread / own_spread.clamp_min(1e-6)) + mean


@cache
def _middle(device: torch.device) -> Tensor:
    """1 in the middle of 3 x 3; kept on the device, for a step that is recorded."""
    middle = torch.zeros(3, 3, device=device)
    middle[1, 1] = 1.0
    return middle
