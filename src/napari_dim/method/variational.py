"""Gaussian latents and the information of two variables, as UDA-VAE++ uses them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

POOL = 4
"""Side of the blocks over which latents are averaged before they are compared."""


def divergence_to_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """``-½ mean(1 + log σ² - μ² - σ²)``: KL of a Gaussian to the unit one, an element."""
    return -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).mean()


def domain_distance(a: tuple[Tensor, Tensor], b: tuple[Tensor, Tensor]) -> Tensor:
    """How far the Gaussians of two batches are apart: ``k(a, a) + k(b, b) - 2 k(a, b)``.

    ``k = mean exp(-½ [(μ - μ')² / (σ² + σ'²) + log(σ² + σ'²)])`` over elements and pairs of
    samples; means, not sums as in the public code, so that batch and size drop out.

    Parameters
    ----------
    a, b
        Means and log variances, ``(batch, channel, row, column)``; averaged over blocks of
        `POOL` first, the variance then of the mean of a block.
    """
    first, second = _blocks(*a), _blocks(*b)
    return _kernel(first, first) + _kernel(second, second) - 2 * _kernel(first, second)


def _blocks(mean: Tensor, log_variance: Tensor) -> tuple[Tensor, Tensor]:
    mean = F.avg_pool2d(mean, POOL)
    variance = F.avg_pool2d(log_variance.exp(), POOL) / POOL**2
    return mean.flatten(1), variance.flatten(1)


def _kernel(a: tuple[Tensor, Tensor], b: tuple[Tensor, Tensor]) -> Tensor:
    (m, v), (n, w) = a, b
    spread = v[:, None] + w[None]
    apart = (m[:, None] - n[None]).square() / spread + spread.log()
    return torch.exp(-0.5 * apart).mean()


def balanced_entropy(logits: Tensor, label: Tensor, weight: Tensor) -> Tensor:
    """Mean over the classes that are there of the class's mean cross-entropy.

    Parameters
    ----------
    logits, label
        ``(batch, class, row, column)``; classes exclude each other.
    weight
        ``(batch, 1, row, column)``: pixels that count.
    """
    counted = label * weight
    loss = -(counted * logits.log_softmax(1)).sum((0, 2, 3))
    size = counted.sum((0, 2, 3))
    present = (size > 0).float()
    return (loss / size.clamp_min(1) * present).sum() / present.sum().clamp_min(1)


def information(joint: Tensor, apart: Tensor) -> Tensor:
    """``E[-softplus(-T⁺)] - E[softplus(T⁻)]``: a lower bound, from scores of pairs.

    Parameters
    ----------
    joint, apart
        Scores of pairs that belong together, and of pairs that don't.
    """
    return -F.softplus(-joint).mean() - F.softplus(apart).mean()
