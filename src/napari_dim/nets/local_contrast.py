"""Local contrast beside the slice itself, as further channels that a network sees.

One mean and one deviation for a whole scan serve it badly where air fills most of the field
of view, or where fat beside the coil outshines everything: the organ is left with a sliver
of the range. Against its surroundings it looks as ever. It is made of what the network is
given, so that every view, training and prediction have it alike.
"""

from __future__ import annotations

from functools import cache, partial

import torch
from torch import Tensor, nn

FLOOR = 0.1
"""Deviation, as a share of the whole scan's, below which surroundings count as flat: the noise
of air is not blown up."""


def with_local_contrast(network: nn.Module, reach: float) -> nn.Module:
    """The network, shown `local_contrast` beside its input; it must take twice the channels."""
    network.register_forward_pre_hook(partial(_beside, reach=reach))
    return network


def local_contrast(x: Tensor, reach: float) -> Tensor:
    """Each pixel less the mean of its surroundings, over their deviation.

    Parameters
    ----------
    x
        ``(batch, channel, row, column)``, deviation about 1.
    reach
        Standard deviation of the Gaussian that weighs the surroundings, in pixels.

    Returns
    -------
    Tensor
        As `x`, float32.
    """
    with torch.autocast(x.device.type, enabled=False):  # small differences of large sums
        x = x.float()
        rows, columns = (_gaussian(n, reach, x.device) for n in x.shape[-2:])
        apart = x - rows @ x @ columns.T
        spread = (rows @ apart.square() @ columns.T).sqrt()
        return apart / spread.clamp_min(FLOOR)


def _beside(layer: nn.Module, given: tuple[Tensor], *, reach: float) -> Tensor:
    (x,) = given
    # Constant to the weights: no gradient is asked for of a slice.
    both = torch.cat([x, local_contrast(x, reach).to(x.dtype)], 1)
    return both.contiguous(memory_format=torch.channels_last)


@cache
def _gaussian(size: int, reach: float, device: torch.device) -> Tensor:
    """Weights along an axis, ``(size, size)``; beyond its ends nothing is counted."""
    place = torch.arange(size, device=device, dtype=torch.float32)
    weights = torch.exp(-0.5 * ((place[:, None] - place) / reach) ** 2)
    return weights / weights.sum(1, keepdim=True)
