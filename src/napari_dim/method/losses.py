"""Cross-entropy + Dice with pixel weights: L_s, L_in (8), L_out (9) and the total (10)."""

from __future__ import annotations

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


def segmentation_loss(targets: Targets, logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """``L_ce + L_dice``: L_s with true masks, L_in (8) and L_out (9) with mixed targets."""
    loss, probability = targets.judged(logits, target)
    return _mean(loss, weight) + _dice(probability, target, weight * targets.certain(target))


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
