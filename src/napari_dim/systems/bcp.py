"""BCP (Bai et al., CVPR 2023): labelled and unlabelled slices pasted both ways."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_dim.method.largest_part import largest_part
from napari_dim.method.losses import LossForm, segmentation_loss
from napari_dim.method.mean_teacher import follow
from napari_dim.method.mixing import paste, patch_mask
from napari_dim.systems.system import Batch, Pace, Stage, cycled
from napari_dim.systems.teacher import MeanTeacher

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_dim.options import BcpOptions

ALONE, BOTH = 0, 1
"""`Stage.part`: labelled slices alone, and with unlabelled ones."""
FORM = LossForm("counted", "squared")


@dataclass(frozen=True)
class Mixed:
    """One mixture: the slices, and for the part inside and outside of the mask its target."""

    x: Tensor
    inside: tuple[Tensor, Tensor, float]  # target, where it counts, its weight
    outside: tuple[Tensor, Tensor, float]


class BCP(MeanTeacher):
    """``½ Σ (w L(M part) + w' L((1 - M) part))`` over two mixtures, w = 0.5 on pseudo-labels.

    At first labelled halves are mixed with each other; then each half of the labelled with one
    of the unlabelled, in and out. Pseudo-labels are the teacher's of the unmixed slices, the
    largest part of each class alone.
    """

    name = "bcp"
    title = "BCP: labelled and unlabelled slices pasted into each other"
    terms = {  # noqa: RUF012
        "inner": "unlabelled around labelled", "outer": "labelled around unlabelled",
        "total": "total",
    }  # fmt: skip
    needs = frozenset({"unlabelled"})
    recordable = False  # the largest part is searched until it is found
    warm = False
    statistics = True
    options: BcpOptions

    def begin(self, course: object) -> None:  # noqa: D102
        super().begin(course)  # type: ignore[arg-type]
        self._entered = torch.zeros((), dtype=torch.uint8)

    def stage(self, progress: float, step: int) -> Stage:  # noqa: D102
        part = BOTH if progress >= self.options.warm_up else ALONE
        return Stage(part == BOTH, part, self.course.climbs(progress, step))

    def prepare(self, stage: Stage, progress: float, step: int) -> None:
        """The teacher begins as the student of the first stage, statistics included."""
        if stage.part == BOTH and not self._entered:
            follow(self.networks["teacher"], self.networks["student"], 0.0)
            self._entered.fill_(1)

    def state(self) -> dict[str, Tensor]:  # noqa: D102
        return {"entered": self._entered}

    def load_state(self, state: Mapping[str, Tensor]) -> None:  # noqa: D102
        if set(state) != {"entered"}:
            raise ValueError("it does not say which stage it is in")
        self._entered.copy_(state["entered"])

    @torch.no_grad()
    def guide(self, batch: Batch, stage: Stage, pace: Pace) -> list[Mixed]:  # noqa: D102
        x = batch.labelled_strong
        rows, columns = x.shape[-2:]
        mask = patch_mask(
            rows, columns, self.options.side, generator=self.course.generator, device=x.device
        )
        (xa, xb), (ya, yb), (wa, wb) = (
            _halves(each) for each in (x, *self.targets.encode(batch.index))
        )
        if stage.part == ALONE or batch.unlabelled is None:
            return [_mixed(xa, xb, (ya, wa, 1.0), (yb, wb, 1.0), mask)]
        u = cycled(batch.unlabelled, 2 * len(xa))
        p = self.targets.probability(self.forward("teacher", u)[0])
        label, _ = self.targets.harden(p)
        if self.targets.exclusive:  # what is in no largest part is background
            parts = largest_part(label[:, 1:])
            label = torch.cat([1 - parts.amax(1, keepdim=True), parts], 1)
        else:
            label = largest_part(label)
        (ua, ub), (pa, pb) = _halves(u), _halves(label)
        said, share = torch.ones_like(wa), self.options.weight
        return [
            _mixed(ua, xa, (pa, said, share), (ya, wa, 1.0), mask),
            _mixed(xb, ub, (yb, wb, 1.0), (pb, said, share), mask),
        ]

    def losses(  # noqa: D102
        self, batch: Batch, guide: list[Mixed], stage: Stage, pace: Pace
    ) -> dict[str, Tensor]:
        parts: dict[str, Tensor] = {}
        for name, mixed in zip(("inner", "outer"), guide, strict=False):
            (logits,) = self.forward("student", mixed.x)
            both = [
                share * segmentation_loss(self.targets, logits, target, weight, FORM)
                for target, weight, share in (mixed.inside, mixed.outside)
            ]
            parts[name] = 0.5 * (both[0] + both[1])
        return {**parts, "total": torch.stack(list(parts.values())).sum()}


def _halves(x: Tensor) -> tuple[Tensor, Tensor]:
    """Two halves; a single slice is both."""
    half = max(1, len(x) // 2)
    return x[:half], x[-half:]


def _mixed(
    a: Tensor,
    b: Tensor,
    inside: tuple[Tensor, Tensor, float],
    outside: tuple[Tensor, Tensor, float],
    mask: Tensor,
) -> Mixed:
    """``a M + b (1 - M)``; each target counts in its own part."""
    (ya, wa, ka), (yb, wb, kb) = inside, outside
    return Mixed(paste(a, b, mask), (ya, wa * mask, ka), (yb, wb * (1 - mask), kb))
