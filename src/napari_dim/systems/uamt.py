"""UA-MT (Yu et al., MICCAI 2019): the teacher is followed where it is sure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_dim.method.entropy import pixel_entropy
from napari_dim.method.losses import masked_square
from napari_dim.method.ramps import squared_ramp
from napari_dim.systems.system import Batch, Pace, Stage
from napari_dim.systems.teacher import MeanTeacher

if TYPE_CHECKING:
    from napari_dim.options import UamtOptions


@dataclass(frozen=True)
class Sure:
    """What the teacher says of the unlabelled slices, and where that counts."""

    probability: Tensor
    mask: Tensor


class UAMT(MeanTeacher):
    """``½ L_s + w g(t) MSE(student, teacher)`` over pixels of little entropy.

    Entropy is that of the mean of several noisy passes; the bound rises from ¾ of the
    largest to the largest (ln K, or ln 2 a region). Labelled and unlabelled slices pass the
    student as one batch.
    """

    name = "uamt"
    title = "UA-MT: mean teacher where its noisy passes agree"
    terms = {  # noqa: RUF012
        "supervised": "labelled slices", "consistency": "student and teacher", "total": "total",
    }  # fmt: skip
    needs = frozenset({"unlabelled"})
    options: UamtOptions

    def network(self) -> nn.Module:  # noqa: D102
        return self.plan.backbone(dropout=self.options.dropout)

    def pace(self, progress: float, step: int) -> Pace:  # noqa: D102
        g = squared_ramp(progress)
        return {
            **super().pace(progress, step),
            "weight": self.options.weight * g,
            "bound": 0.75 + 0.25 * g,  # as a share of the largest entropy
        }

    @torch.no_grad()
    def guide(self, batch: Batch, stage: Stage, pace: Pace) -> Sure | None:  # noqa: D102
        x = batch.unlabelled
        if x is None:
            return None
        rounds = math.ceil(self.options.passes / 2)
        mean = torch.stack([self._said(torch.cat([x, x])) for _ in range(rounds)]).mean(0)
        mean = (mean[: len(x)] + mean[len(x) :]) / 2
        mask = (pixel_entropy(self.targets, mean) < pace["bound"]).float()
        return Sure(self._said(x), mask)

    def _said(self, x: Tensor) -> Tensor:
        """The teacher's probabilities of a noisy view."""
        limit = 2 * self.options.noise
        draw = torch.randn(x.shape, generator=self.course.generator, device=x.device)
        noise = (self.options.noise * draw).clamp(-limit, limit)
        return self.targets.probability(self.forward("teacher", x + noise)[0])

    def losses(  # noqa: D102
        self, batch: Batch, guide: Sure | None, stage: Stage, pace: Pace
    ) -> dict[str, Tensor]:
        views = [batch.labelled_strong] + ([] if batch.unlabelled is None else [batch.unlabelled])
        said = self.forward("student", *views)
        parts = {"supervised": 0.5 * self.loss(said[0], *self.targets.encode(batch.index))}
        if guide is None:
            return {**parts, "total": parts["supervised"]}
        p = self.targets.probability(said[1])
        parts["consistency"] = masked_square(p, guide.probability, guide.mask)
        return {**parts, "total": parts["supervised"] + pace["weight"] * parts["consistency"]}
