"""Cross-entropy + Dice with pixel weights: L_s, L_in (8), L_out (9) and the total (10)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from napari_dim.method.targets import Targets


def weighted_cross_entropy(
    targets: Targets, logits: Tensor, target: Tensor, weight: Tensor
) -> Tensor:
    """Cross-entropy averaged over the pixels that count.

    Parameters
    ----------
    targets
        Meaning of the channels.
    logits, target
        ``(batch, channel, row, column)``.
    weight
        ``(batch, 1 or channel, row, column)`` in [0, 1].

    Returns
    -------
    Tensor
        Scalar; 0 where nothing counts.
    """
    return _mean(targets.cross_entropy(logits, target), weight)


def _mean(loss: Tensor, weight: Tensor) -> Tensor:
    weight = weight.expand_as(loss)
    return (loss * weight).sum() / weight.sum().clamp_min(1.0)


def weighted_dice(targets: Targets, logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """One minus the soft Dice over the batch's counting pixels, averaged over the channels
    that the target holds.

    A channel that is absent from the target is left out: its Dice could only push the
    channel to nothing, whatever the image shows, and the cross-entropy already says
    "not here". Pixels of which it isn't known whether they are of a channel don't count for
    that channel. Parameters as in `weighted_cross_entropy`.

    Returns
    -------
    Tensor
        Scalar; 0 where no channel is present.
    """
    return _dice(targets.probability(logits), target, weight * targets.certain(target))


def _dice(probability: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    p = probability * weight
    t = target * weight
    across = (0, 2, 3)
    overlap = (p * t).sum(across)
    size = t.sum(across)
    dice = (2 * overlap + 1e-5) / (p.sum(across) + size + 1e-5)
    present = (size > 0).float()
    return ((1 - dice) * present).sum() / present.sum().clamp_min(1.0)


@dataclass(frozen=True)
class LossForm:
    """How cross-entropy and Dice are averaged; the defaults are ours.

    Attributes
    ----------
    cross_entropy
        ``counted``: mean over the pixels that count; ``all``: over all, those that don't
        adding zero, so that few sure pixels make a small loss (the baseline's public loop).
    dice
        ``present``: plain sums in the denominator, mean over the channels that the target
        holds; ``squared``: squares, pooled over the batch (and over regions), mean over all
        classes, the background among them (the baseline's).
    """

    cross_entropy: str = "counted"
    dice: str = "present"


OURS = LossForm()
PUBLISHED = LossForm("all", "squared")


def segmentation_loss(
    targets: Targets,
    logits: Tensor,
    target: Tensor,
    weight: Tensor,
    form: LossForm = OURS,
    dice_weight: Tensor | None = None,
) -> Tensor:
    """``L_ce + L_dice``: L_s with true masks, L_in (8) and L_out (9) with mixed targets.

    Parameters
    ----------
    targets, logits, target, weight
        As in `weighted_cross_entropy`.
    form
        How both are averaged.
    dice_weight
        Another weight for Dice.

    Returns
    -------
    Tensor
        Scalar.
    """
    loss, probability = targets.judged(logits, target)
    if form.cross_entropy == "all":
        entropy = (loss * weight).mean()
    else:
        entropy = _mean(loss, weight)
    counts = (weight if dice_weight is None else dice_weight) * targets.certain(target)
    if form.dice == "squared":
        return entropy + squared_dice(probability, target, counts, pooled=not targets.exclusive)
    return entropy + _dice(probability, target, counts)


def squared_dice(
    probability: Tensor, target: Tensor, weight: Tensor | float = 1.0, *, pooled: bool = False
) -> Tensor:
    """``1 - (2 Σpq + s) / (Σp² + Σq² + s)``, sums over batch and pixels, mean over channels.

    Parameters
    ----------
    probability, target
        ``(batch, channel, row, column)``; the target may be soft.
    weight
        Pixels that count, as in `weighted_cross_entropy`.
    pooled
        Sum over the channels, too.

    Returns
    -------
    Tensor
        Scalar.
    """
    p, q = probability * weight, target * weight
    across = (0, 1, 2, 3) if pooled else (0, 2, 3)
    score = (2 * (p * q).sum(across) + 1e-5) / (
        p.square().sum(across) + q.square().sum(across) + 1e-5
    )
    return 1 - score.mean()


def sample_dice(probability: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """One minus the plain soft Dice of each sample and channel, averaged over both.

    A channel that counts nowhere in a sample has a Dice of 1. Parameters as in
    `squared_dice`.
    """
    p, q = probability * weight, target * weight
    score = (2 * (p * q).sum((2, 3)) + 1e-5) / (p.sum((2, 3)) + q.sum((2, 3)) + 1e-5)
    return 1 - score.mean()


def masked_square(p: Tensor, q: Tensor, mask: Tensor) -> Tensor:
    """``Σ m (p - q)² / (C Σ m)``: mean squared difference where the mask is 1; 0 if nowhere.

    Parameters
    ----------
    p, q
        ``(batch, channel, row, column)``.
    mask
        ``(batch, 1 or channel, row, column)``.
    """
    mask = mask.expand_as(p)
    return (mask * (p - q).square()).sum() / (mask.sum() + 1e-16)


def total_loss(
    supervised: Tensor,
    inner: Tensor,
    outer: Tensor,
    symmetric: Tensor,
    align: Tensor,
    ramp: float | Tensor,
) -> Tensor:
    """``L_s + λ (L_in + L_out + λ L_sym) + L_align``, equation (10)."""
    return supervised + ramp * (inner + outer + ramp * symmetric) + align
