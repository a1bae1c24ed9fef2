"""CPS (Chen et al., CVPR 2021): two networks that begin differently teach each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from napari_dim.method.mixing import box_masks, paste
from napari_dim.method.ramps import squared_ramp
from napari_dim.systems.system import Batch, Pace, SingleLoss, Stage

if TYPE_CHECKING:
    from napari_dim.options import CpsOptions

PAIR = ("student", "peer")


class CPS(SingleLoss):
    """``Σ ½ L_s(f_i) + w g(t) [CE(f_1(x_u), ŷ_2) + CE(f_2(x_u), ŷ_1)]``, ŷ hard, all counted.

    Labelled and unlabelled slices pass each network as one batch. With CutMix, boxes of the
    next unlabelled slice are pasted, and the other's labels of the whole slices with them.
    """

    name = "cps"
    title = "CPS: two networks teach each other"
    terms = {  # noqa: RUF012
        "supervised": "labelled slices, student", "supervised_peer": "labelled slices, peer",
        "taught": "student by peer", "taught_peer": "peer by student", "total": "total",
    }  # fmt: skip
    needs = frozenset({"unlabelled"})
    options: CpsOptions

    def build(self) -> dict[str, nn.Module]:  # noqa: D102
        return {name: self.plan.backbone() for name in PAIR}

    def make_optimisers(self) -> dict[str, Optimizer]:  # noqa: D102
        return {n: self.course.optimiser(self.networks[n].parameters()) for n in PAIR}

    def second_opinion(self) -> nn.Module:  # noqa: D102
        return self.networks["peer"]

    def pace(self, progress: float, step: int) -> Pace:  # noqa: D102
        return {"progress": progress, "weight": self.options.weight * squared_ramp(progress)}

    @torch.no_grad()
    def guide(self, batch: Batch, stage: Stage, pace: Pace) -> Any:
        """With CutMix the pasted slices, and what each network says of the whole ones."""
        x = batch.unlabelled
        if x is None or not getattr(self.options, "cutmix", False):
            return None
        rows, columns = x.shape[-2:]
        box = torch.stack(
            [
                box_masks(len(x), rows, columns, generator=self.course.generator, device=x.device)
                for _ in range(3)
            ]
        ).amax(0)
        labels = {}
        for name in PAIR:
            p = self.targets.probability(self.forward(name, x)[0])
            hard, _ = self.targets.harden(p)
            labels[name] = paste(hard.roll(1, 0), hard, box)
        return paste(x.roll(1, 0), x, box), labels

    def losses(  # noqa: D102
        self, batch: Batch, guide: Any, stage: Stage, pace: Pace
    ) -> dict[str, Tensor]:
        truth = self.targets.encode(batch.index)
        x = batch.unlabelled if guide is None else guide[0]
        views = [batch.labelled_strong] + ([] if x is None else [x])
        said = {name: self.forward(name, *views) for name in PAIR}
        parts = {
            "supervised": 0.5 * self.loss(said["student"][0], *truth),
            "supervised_peer": 0.5 * self.loss(said["peer"][0], *truth),
        }
        total = parts["supervised"] + parts["supervised_peer"]
        if x is None or not stage.unlabelled:
            return {**parts, "total": total}
        for name, own, other in (("taught", *PAIR), ("taught_peer", *reversed(PAIR))):
            if guide is None:
                p = self.targets.probability(said[other][1].detach())
                label, _ = self.targets.harden(p)
            else:
                label = guide[1][other]
            parts[name] = self.targets.cross_entropy(said[own][1], label).mean()
        total = total + pace["weight"] * (parts["taught"] + parts["taught_peer"])
        return {**parts, "total": total}
