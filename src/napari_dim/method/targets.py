"""What the network's channels mean: classes (softmax) or overlapping regions (sigmoid)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

IGNORE = -1
"""Class index of pixels that have no target."""


class Targets:
    """The correspondence between class indices, network channels and probabilities.

    Parameters
    ----------
    classes
        Number of classes K, background (index 0) included.
    regions
        Groups of class indices, one network channel each, such as ``[(1, 2), (2,)]`` for
        disc = rim + cup, cup. Empty: one channel a class.

    Attributes
    ----------
    members
        Which channels each class index belongs to, ``(class, channel)`` of 0 and 1.
    unsaid
        Groups of class indices that a background may hide; see `allow`.
    """

    def __init__(self, classes: int, regions: Sequence[Sequence[int]] = ()) -> None:
        self.classes = classes
        self.exclusive = not regions
        self.channels = classes if self.exclusive else len(regions)
        members = torch.zeros(classes, self.channels)
        if self.exclusive:
            members = torch.eye(classes)
        for channel, region in enumerate(regions):
            for index in region:
                if not 0 < index < classes:
                    raise ValueError(f"region {channel} names class {index} of {classes}")
                members[index, channel] = 1
        if len({tuple(row) for row in members.tolist()}) < classes:
            raise ValueError("two classes lie in the same regions, so they can't be told apart")
        self.members = members
        self.unsaid: tuple[tuple[int, ...], ...] = ()
        self._possible, self._known = members, torch.ones_like(members)

    def allow(self, unsaid: Sequence[Sequence[int]]) -> None:
        """Let pixels mean "background, or one of these classes".

        A class that came late was not looked for in slices labelled before: what is
        background there may be of it. Index ``classes + n`` of `encode` stands for the
        background or a class of group n.
        """
        self.unsaid = tuple(tuple(group) for group in unsaid)
        members = self.members
        possible, known = [members], [torch.ones_like(members)]
        for group in self.unsaid:
            open_ = members[list(group)].amax(0, keepdim=True)
            # Of exclusive classes any of them may be right; of regions those are left open.
            possible.append(members[:1] + open_ if self.exclusive else members[:1])
            known.append(torch.ones_like(open_) if self.exclusive else 1 - open_)
        self._possible, self._known = torch.cat(possible), torch.cat(known)

    def to(self, device: torch.device) -> Targets:
        """Move the table of members to a device; returns itself."""
        self.members = self.members.to(device)
        self.allow(self.unsaid)
        return self

    def encode(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Class indices to a target and a weight.

        Parameters
        ----------
        index
            ``(batch, row, column)``, int; `IGNORE` where there is no target, from `classes`
            on a group of `allow`.

        Returns
        -------
        target, weight
            ``(batch, channel, row, column)`` and ``(batch, 1 or channel, row, column)``,
            float. Several channels of a pixel's target are 1 where any of them may be right.
        """
        weight = (index != IGNORE).unsqueeze(1).float()
        place = index.clamp_min(0)
        if self.unsaid and not self.exclusive:
            weight = weight * self._known[place].movedim(-1, 1)
        return self._possible[place].movedim(-1, 1), weight

    def certain(self, target: Tensor) -> Tensor:
        """Where a target says of a channel whether it is there, as a weight to multiply with.

        Returns
        -------
        Tensor
            ``(batch, channel, row, column)`` of 0 and 1, or 1 if all is certain.
        """
        if not (self.exclusive and self.unsaid):
            return target.new_ones(())
        return 1 - target * (target.sum(1, keepdim=True) > 1)

    def probability(self, logits: Tensor) -> Tensor:
        """Probability of each channel, ``(batch, channel, row, column)``, float32."""
        logits = logits.float()
        return logits.softmax(1) if self.exclusive else logits.sigmoid()

    def harden(self, probability: Tensor) -> tuple[Tensor, Tensor]:
        """Pseudo-label and confidence from probabilities.

        Returns
        -------
        target, confidence
            ``(batch, channel, row, column)`` of 0 and 1; ``(batch, 1 or channel, row,
            column)`` in [0, 1]: the probability of what was chosen.
        """
        if self.exclusive:
            confidence, index = probability.max(1, keepdim=True)
            return torch.zeros_like(probability).scatter_(1, index, 1.0), confidence
        return (probability > 0.5).float(), torch.maximum(probability, 1 - probability)

    def class_probability(self, probability: Tensor) -> Tensor:
        """Probability of each class, ``(batch, class, row, column)``, from the channels'.

        Regions are taken as independent, and combinations that no class has as excluded.
        """
        if self.exclusive:
            return probability
        inside = probability.clamp(1e-6, 1 - 1e-6)
        members = self.members.to(probability)
        score = torch.einsum("kc,bchw->bkhw", members, inside.log())
        score = score + torch.einsum("kc,bchw->bkhw", 1 - members, (1 - inside).log())
        return score.softmax(1)

    def judged(self, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """`cross_entropy` and `probability` at once: one softmax serves both."""
        if self.exclusive:
            logarithm = logits.float().log_softmax(1)
            return self._surprise(logarithm, target), logarithm.exp()
        return self.cross_entropy(logits, target), self.probability(logits)

    def cross_entropy(self, logits: Tensor, target: Tensor) -> Tensor:
        """Cross-entropy at each pixel, ``(batch, 1 or channel, row, column)``, float32."""
        logits = logits.float()
        if self.exclusive:
            return self._surprise(logits.log_softmax(1), target)
        return F.binary_cross_entropy_with_logits(logits, target, reduction="none")

    def _surprise(self, logarithm: Tensor, target: Tensor) -> Tensor:
        """Minus the logarithm of the probability that the target allows."""
        if not self.unsaid:
            return -(target * logarithm).sum(1, keepdim=True)
        return -logarithm.masked_fill(target < 0.5, -torch.inf).logsumexp(1, keepdim=True)
