"""f-divergence alignment of labelled and unlabelled slices: equations (1), (2), Table 1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

FLOOR = 1e-6
"""Smallest probability: softmax keeps both supports equal, so the second term of (1) is
zero; the floor keeps the ratio finite where softmax underflows."""

HISTOGRAM_BINS = 32
HISTOGRAM_RANGE = 10.0


def reverse_kl(r: Tensor) -> Tensor:
    """``f(r) = r log r`` (Table 1), with ``f(0) = 0``."""
    return torch.xlogy(r, r)


def forward_kl(r: Tensor) -> Tensor:
    """``f(r) = -log r`` (Table 1)."""
    return -torch.log(r)


def jeffrey(r: Tensor) -> Tensor:
    """``f(r) = (r - 1) log r`` (Table 1)."""
    return (r - 1) * torch.log(r)


def jensen_shannon(r: Tensor) -> Tensor:
    """``f(r) = -(r+1)/2 log((r+1)/2) + r/2 log r`` (Table 1)."""
    middle = (r + 1) / 2
    return -middle * torch.log(middle) + torch.xlogy(r, r) / 2


def pearson(r: Tensor) -> Tensor:
    """``f(r) = (1 - r)^2 / r`` (Table 1)."""
    return (1 - r).square() / r


GENERATORS: dict[str, Callable[[Tensor], Tensor]] = {
    "js": jensen_shannon,
    "jeffrey": jeffrey,
    "pearson": pearson,
    "forward-kl": forward_kl,
    "reverse-kl": reverse_kl,
}
"""Table 1 by the names used in the settings."""


def f_divergence(
    p_label: Tensor, p_unlabel: Tensor, generator: Callable[[Tensor], Tensor]
) -> Tensor:
    """``D_f(p_label || p_unlabel) = E_{p_unlabel} f(p_label / p_unlabel)``, equation (1).

    Parameters
    ----------
    p_label, p_unlabel
        Distributions over their last axis, ``(..., x)``, each summing to 1.
    generator
        f, convex with f(1) = 0; see `GENERATORS`.

    Returns
    -------
    Tensor
        ``(...)``, at least 0 up to rounding.
    """
    p = _floored(p_label)
    q = _floored(p_unlabel)
    return (q * generator(p / q)).sum(-1)


def _floored(p: Tensor) -> Tensor:
    p = p.clamp_min(FLOOR)
    return p / p.sum(-1, keepdim=True)


def alignment_loss(
    logits_label: Tensor,
    logits_unlabel: Tensor,
    divergence: str = "js",
    estimator: Literal["marginal", "pixel", "histogram"] = "marginal",
    *,
    exclusive: bool = True,
) -> Tensor:
    """``L_align``, equation (2): pull the unlabelled logits' distribution to the labelled one.

    The paper leaves the set X over which "the distribution of logits" lives open; the
    estimator names the reading. Labelled logits are the fixed reference ("guide p_unlabel"),
    so no gradient flows through them.

    Parameters
    ----------
    logits_label, logits_unlabel
        ``(batch, channel, row, column)``. `pixel` pairs them and needs equal batches.
    divergence
        A name in `GENERATORS`.
    estimator
        ``marginal``: X is the set of classes, p the batch's mean probability.
        ``pixel``: X is the set of classes, p the probability at each pixel of a pair.
        ``histogram``: X is a set of logit bins, p each channel's soft histogram.
    exclusive
        True for classes (softmax), False for overlapping regions (sigmoid).

    Returns
    -------
    Tensor
        Scalar.
    """
    p = distribution(logits_label.detach(), estimator, exclusive=exclusive)
    q = distribution(logits_unlabel, estimator, exclusive=exclusive)
    return f_divergence(p, q, GENERATORS[divergence]).mean()


def distribution(logits: Tensor, estimator: str, *, exclusive: bool = True) -> Tensor:
    """What stands for p in (1), as distributions over the last axis; see `alignment_loss`."""
    logits = logits.float()
    if estimator == "histogram":
        return soft_histogram(logits)
    if exclusive:
        p = logits.softmax(1)
    else:  # each region is a distribution of its own: inside, outside
        p = logits.sigmoid()
        p = torch.stack((p, 1 - p), -1)
    if estimator == "marginal":
        return p.mean((0, 2, 3))
    if estimator == "pixel":
        return p.movedim(1, -1) if exclusive else p
    raise ValueError(f"unknown estimator {estimator!r}")


def soft_histogram(logits: Tensor) -> Tensor:
    """Histogram of each channel's logits over fixed bins, differentiable.

    Logits are squashed into (-1, 1) by ``x / (1 + |x|)`` of the scale `HISTOGRAM_RANGE`
    and shared linearly between the two nearest bin centres.

    Parameters
    ----------
    logits
        ``(batch, channel, row, column)``.

    Returns
    -------
    Tensor
        ``(channel, bins)``, each row summing to 1.
    """
    values = logits.transpose(0, 1).flatten(1)
    values = values / (HISTOGRAM_RANGE + values.abs())
    place = (values + 1) / 2 * (HISTOGRAM_BINS - 1)
    low = place.detach().floor().clamp(0, HISTOGRAM_BINS - 2)
    share = place - low
    index = low.long()
    histogram = values.new_zeros(values.shape[0], HISTOGRAM_BINS)
    histogram = histogram.scatter_add(1, index, 1 - share)
    histogram = histogram.scatter_add(1, index + 1, share)
    return histogram / values.shape[1]
