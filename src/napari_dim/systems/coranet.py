"""CoraNet (Shi et al., TMI 2021): certain where a greedy and a careful head agree."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_dim.method.losses import masked_square, sample_dice, weighted_cross_entropy
from napari_dim.method.mean_teacher import follow
from napari_dim.method.ramps import squared_ramp
from napari_dim.systems.system import Batch, Course, Pace, Stage
from napari_dim.systems.teacher import MeanTeacher

if TYPE_CHECKING:
    from napari_dim.options import CoranetOptions

ALONE, BOTH = 0, 1
"""`Stage.part`: labelled slices alone, and with unlabelled ones."""
HEADS = ("main", "greedy", "careful")


class ThreeHeads(nn.Module):
    """A network with three heads on its last map; called, it gives the main one's logits."""

    def __init__(self, trunk: nn.Module, width: int, channels: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.heads = nn.ModuleDict(
            {
                name: nn.Sequential(
                    nn.Conv2d(width, width, 3, padding=1, bias=False),
                    nn.BatchNorm2d(width),
                    nn.ReLU(inplace=True),
                    nn.Conv2d(width, channels, 1),
                )
                for name in HEADS
            }
        )

    def all(self, x: Tensor) -> dict[str, Tensor]:
        """Logits of each head."""
        found = self.trunk(x)
        return {name: head(found).float() for name, head in self.heads.items()}

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the main head."""
        logits: Tensor = self.heads["main"](self.trunk(x))
        return logits


@dataclass(frozen=True)
class Labelled:
    """Pseudo-labels, where they are certain, and what the teacher's heads say."""

    label: Tensor
    certain: Tensor
    teacher: dict[str, Tensor]


class CoraNet(MeanTeacher):
    """``L_sup + ½ (L_certain + L_uncertain)`` after a share on labelled slices alone.

    Missing an object is dear to the greedy head, a false one to the careful one. A frozen
    copy of the student labels the drawn slices, renewed now and then: the labels that the
    public code keeps for the whole set. Where the heads agree they are learnt; elsewhere
    each head follows the teacher's.
    """

    name = "coranet"
    title = "CoraNet: certain where a greedy and a careful head agree"
    terms = {  # noqa: RUF012
        "supervised": "labelled slices", "certain": "certain pseudo-labels",
        "uncertain": "student and teacher elsewhere", "total": "total",
    }  # fmt: skip
    needs = frozenset({"unlabelled"})
    grows = False
    warm = False
    options: CoranetOptions

    def network(self) -> nn.Module:  # noqa: D102
        width = self.plan.width
        trunk = self.plan.backbone(channels_out=width)
        return ThreeHeads(trunk, width, self.plan.targets.channels)

    def build(self) -> dict[str, nn.Module]:  # noqa: D102
        networks = super().build()
        labeller = self.network().requires_grad_(False)
        labeller.load_state_dict(networks["student"].state_dict())
        return {**networks, "labeller": labeller}

    def begin(self, course: Course) -> None:  # noqa: D102
        super().begin(course)
        self._renewed = torch.full((), -1, dtype=torch.int64)

    def state(self) -> dict[str, Tensor]:  # noqa: D102
        return {"renewed": self._renewed}

    def load_state(self, state: Mapping[str, Tensor]) -> None:  # noqa: D102
        if set(state) != {"renewed"}:
            raise ValueError("it does not say when its labels were renewed")
        self._renewed.copy_(state["renewed"])

    def stage(self, progress: float, step: int) -> Stage:  # noqa: D102
        part = BOTH if progress >= self.options.warm_up else ALONE
        return Stage(part == BOTH, part, self.course.climbs(progress, step))

    def pace(self, progress: float, step: int) -> Pace:  # noqa: D102
        warm_up = self.options.warm_up
        second = max(0.0, (progress - warm_up) / (1 - warm_up))
        return {**super().pace(progress, step), "weight": 0.1 * squared_ramp(second, 0.2)}

    def prepare(self, stage: Stage, progress: float, step: int) -> None:
        """The teacher begins as the student of the first stage; labels are renewed in turn."""
        if stage.part == ALONE:
            return
        turn = math.floor((progress - self.options.warm_up) / self.options.refresh)
        if self._renewed < 0:
            follow(self.networks["teacher"], self.networks["student"], 0.0)
        if turn > self._renewed:
            follow(self.networks["labeller"], self.networks["student"], 0.0)
            self._renewed.fill_(turn)

    def _heads(self, network: str, x: Tensor) -> dict[str, Tensor]:
        said: dict[str, Tensor] = self.passed(self.networks[network].all, x)  # type: ignore[arg-type]
        return said

    @torch.no_grad()
    def guide(self, batch: Batch, stage: Stage, pace: Pace) -> Labelled | None:  # noqa: D102
        x = batch.unlabelled
        if x is None or stage.part == ALONE:
            return None
        hard = {
            name: self.targets.harden(self.targets.probability(logits))[0]
            for name, logits in self._heads("labeller", x).items()
        }
        certain = (hard["greedy"] == hard["careful"]).float()
        if self.targets.exclusive:
            certain = certain.amin(1, keepdim=True)
        teacher = {
            name: self.targets.probability(logits)
            for name, logits in self._heads("teacher", x).items()
        }
        return Labelled(hard["main"], certain, teacher)

    def losses(  # noqa: D102
        self, batch: Batch, guide: Labelled | None, stage: Stage, pace: Pace
    ) -> dict[str, Tensor]:
        target, weight = self.targets.encode(batch.index)
        said = self._heads("student", batch.labelled_strong)
        parts = {"supervised": self._costly(said, target, weight, swap=False)}
        if guide is None or batch.unlabelled is None:
            return {**parts, "total": parts["supervised"]}
        said = self._heads("student", batch.unlabelled)
        swap = self.options.swap_costs
        parts["certain"] = self._costly(said, guide.label, guide.certain, swap=swap)
        open_ = 1 - guide.certain
        apart = [
            masked_square(self.targets.probability(said[name]), guide.teacher[name], open_)
            for name in HEADS
        ]
        parts["uncertain"] = pace["weight"] * torch.stack(apart).mean()
        total = parts["supervised"] + 0.5 * (parts["certain"] + parts["uncertain"])
        return {**parts, "total": total}

    def _costly(
        self, said: dict[str, Tensor], target: Tensor, weight: Tensor, *, swap: bool
    ) -> Tensor:
        """``¼ (CE + Dice + CE greedy + CE careful)``, each head's CE with its costs."""
        object_ = 1 - target[:, :1] if self.targets.exclusive else target
        dear = self.options.cost - 1
        costs = {"greedy": 1 + dear * object_, "careful": 1 + dear * (1 - object_)}
        if swap:
            costs = {"greedy": costs["careful"], "careful": costs["greedy"]}
        loss = weighted_cross_entropy(self.targets, said["main"], target, weight)
        loss = loss + sample_dice(self.targets.probability(said["main"]), target, weight)
        for name, cost in costs.items():
            loss = loss + weighted_cross_entropy(self.targets, said[name], target, weight * cost)
        return loss / 4
