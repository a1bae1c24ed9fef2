"""Selective entropy minimisation: equation (3), and entropies that other systems take."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from napari_dim.method.targets import Targets


def sample_entropy(targets: Targets, logits: Tensor) -> Tensor:
    """``E(x; θ)``: mean pixel entropy of each sample, as a share of its maximum ``ln K``.

    Parameters
    ----------
    logits
        ``(batch, channel, row, column)``.

    Returns
    -------
    Tensor
        ``(batch,)`` in [0, 1].
    """
    p = targets.class_probability(targets.probability(logits))
    return -torch.xlogy(p, p).sum(1).mean((1, 2)) / math.log(p.shape[1])


def pixel_entropy(targets: Targets, probability: Tensor) -> Tensor:
    """Entropy of each pixel as a share of its maximum, ``(batch, 1 or channel, row, column)``.

    Of exclusive classes it is one a pixel (at most ln K), of regions one a channel (ln 2).
    """
    p = probability
    if targets.exclusive:
        return -torch.xlogy(p, p).sum(1, keepdim=True) / math.log(p.shape[1])
    return -(torch.xlogy(p, p) + torch.xlogy(1 - p, 1 - p)) / math.log(2)


def robust_entropy(targets: Targets, probability: Tensor, power: float = 2.0) -> Tensor:
    """``mean[(H² + 1e-8)^η]``, H as a share of its maximum: FDA's regulariser (Charbonnier).

    1 where all is uniform, about 0 where all is certain; sure pixels are pushed less than by
    plain entropy.
    """
    return (pixel_entropy(targets, probability).square() + 1e-8).pow(power).mean()


def select(entropy: Tensor, threshold: float) -> Tensor:
    """``S(x)``, equation (3): 1 where the entropy is below E_0, without gradient."""
    return (entropy.detach() < threshold).to(entropy.dtype)


def selective_entropy(entropy: Tensor, chosen: Tensor) -> Tensor:
    """``S(x) E(x; θ)`` averaged over the chosen samples, equation (3); 0 if there is none."""
    return (chosen * entropy).sum() / chosen.sum().clamp_min(1.0)
