"""SS-Net (Wu et al., MICCAI 2022): smooth predictions, and classes apart in feature space."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_dim.method.adversary import virtual_adversary
from napari_dim.method.losses import squared_dice
from napari_dim.method.ramps import squared_ramp
from napari_dim.method.sharpness import held_statistics
from napari_dim.method.targets import IGNORE
from napari_dim.systems.system import Batch, Course, Pace, SingleLoss, Stage

if TYPE_CHECKING:
    from napari_dim.options import SsnetOptions

SIZE = 32
"""Length of the features that are compared."""


class Projector(nn.Module):
    """A network, and small ones that compare the pixels of its last map; called, its logits."""

    def __init__(self, trunk: nn.Module, width: int, channels: int, classes: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = nn.Conv2d(width, channels, 1)
        self.projection = _perceptron(width, SIZE, nn.ReLU())
        self.prediction = _perceptron(SIZE, SIZE, nn.ReLU())
        self.scorers = nn.ModuleList(
            _perceptron(SIZE, 1, nn.LeakyReLU(0.2)) for _ in range(classes)
        )
        self.keepers = nn.ModuleList(
            _perceptron(SIZE, 1, nn.LeakyReLU(0.2)) for _ in range(classes)
        )

    def both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The last map and the logits."""
        found = F.relu(self.trunk(x))
        return found.float(), self.head(found).float()

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        return self.both(x)[1]


def separation(features: Tensor, memory: Tensor, own: Tensor, kept: Tensor) -> Tensor:
    """Mean over pairs of ``w_i w_j (1 - cos)``; 0 where the features are those of the memory.

    Parameters
    ----------
    features, memory
        ``(n, SIZE)`` and ``(m, SIZE)``.
    own, kept
        Their scores, ``(n,)`` and ``(m,)``, of any size; they are rescaled to a mean of 1.
    """
    apart = 1 - F.normalize(features, dim=1) @ F.normalize(memory, dim=1).T
    weights = rescaled(own)[:, None] * rescaled(kept)
    return (weights * apart).mean()


def rescaled(scores: Tensor) -> Tensor:
    """Scores with a mean of 1."""
    return scores / scores.mean().clamp_min(1e-16)


class SSNet(SingleLoss):
    """``L_s + w g(t) [L_v + s (L_c(x_l) + L_c(x_u))]``; all slices pass as one batch.

    L_v: the prediction under the change of a given length that alters it most. L_c: distance
    of a class's pixels from a memory of correctly predicted labelled ones, the best scored
    (the public code keeps the worst, and none of the background; ours follows the paper). At
    most `pixels` pixels a class are looked at.
    """

    name = "ssnet"
    title = "SS-Net: smooth predictions, classes apart in feature space"
    terms = {  # noqa: RUF012
        "supervised": "labelled slices", "smooth": "under the worst small change",
        "separate": "classes from their memory", "total": "total",
    }  # fmt: skip
    needs = frozenset({"unlabelled"})
    grows = False
    recordable = False  # how many pixels a class has is asked
    options: SsnetOptions

    def build(self) -> dict[str, nn.Module]:  # noqa: D102
        width, targets = self.plan.width, self.plan.targets
        trunk = self.plan.backbone(channels_out=width)
        return {"student": Projector(trunk, width, targets.channels, targets.classes)}

    def begin(self, course: Course) -> None:  # noqa: D102
        super().begin(course)
        classes = self.plan.targets.classes
        self._memory = torch.zeros(classes, self.options.memory, SIZE, device=course.device)
        self._held = torch.zeros(classes, dtype=torch.int64)

    def state(self) -> dict[str, Tensor]:  # noqa: D102
        return {"memory": self._memory, "held": self._held}

    def load_state(self, state: Mapping[str, Tensor]) -> None:  # noqa: D102
        own = self.state()
        if set(state) != set(own) or any(state[k].shape != own[k].shape for k in own):
            raise ValueError("the memory is of other classes")
        for name, tensor in own.items():
            tensor.copy_(state[name])

    def pace(self, progress: float, step: int) -> Pace:  # noqa: D102
        return {"progress": progress, "weight": self.options.weight * squared_ramp(progress)}

    def _both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        found, logits = self.passed(self.networks["student"].both, x)  # type: ignore[arg-type]
        return found, logits

    def guide(self, batch: Batch, stage: Stage, pace: Pace) -> dict[str, Any]:
        """The adversarial direction, and the draws of pixels."""
        views = [batch.labelled_strong] + ([] if batch.unlabelled is None else [batch.unlabelled])
        x = torch.cat(views)
        generator = self.course.generator
        size = math.sqrt(x[0].numel()) / 256
        start = torch.randn(x.shape, generator=generator, device=x.device)
        with held_statistics(self.networks["student"]):
            with torch.no_grad():
                clean = self.targets.probability(self._both(x)[1])
            d = virtual_adversary(
                lambda y: self.targets.probability(self._both(y)[1]),
                squared_dice,
                x,
                clean,
                start,
                self.options.probe * size,
            )
        draw = torch.rand(len(x) * x.shape[-2] * x.shape[-1], generator=generator, device=x.device)
        return {"x": x, "change": self.options.length * size * d, "draw": draw}

    def losses(  # noqa: D102
        self, batch: Batch, guide: dict[str, Any], stage: Stage, pace: Pace
    ) -> dict[str, Tensor]:
        x, count = guide["x"], len(batch.labelled_strong)
        found, logits = self._both(x)
        target, weight = self.targets.encode(batch.index)
        if self.options.with_entropy:
            supervised = self.loss(logits[:count], target, weight)
        else:
            supervised = squared_dice(self.targets.probability(logits[:count]), target, weight)
        p = self.targets.probability(logits)
        with held_statistics(self.networks["student"]):
            changed = self.targets.probability(self._both(x + guide["change"])[1])
        smooth = squared_dice(changed, p.detach())
        separate = self._separation(batch, found, p, guide["draw"])
        total = supervised + pace["weight"] * (smooth + self.options.separation * separate)
        return {"supervised": supervised, "smooth": smooth, "separate": separate, "total": total}

    def _separation(self, batch: Batch, found: Tensor, p: Tensor, draw: Tensor) -> Tensor:
        """``L_c(x_l) + L_c(x_u)``: labelled pixels by their labels, others by the prediction."""
        said = self.targets.class_probability(p).detach().argmax(1)
        count = len(batch.index)
        label = torch.cat([batch.index, said[count:]])
        label = torch.where(label < self.targets.classes, label, IGNORE)
        student: Any = self.networks["student"]
        draw = draw.view_as(label)
        total = found.new_zeros(())
        for part in (slice(count), slice(count, None)):
            for c in range(self.targets.classes):
                held = int(self._held[c])
                place = self._chosen(label[part] == c, draw[part])
                if held < 2 or len(place) < 2:  # batch statistics need two
                    continue
                z = student.projection(found[part].movedim(1, -1).flatten(0, 2)[place])
                z = student.prediction(z)
                memory = self._memory[c, :held]
                own = student.scorers[c](z.detach())[:, 0].sigmoid()
                kept = student.keepers[c](memory)[:, 0].sigmoid()
                total = total + separation(z, memory, own, kept) / self.targets.classes
        return total

    def _chosen(self, mask: Tensor, draw: Tensor) -> Tensor:
        """At most `pixels` places of a mask, those drawn lowest."""
        places = mask.flatten().nonzero()[:, 0]
        if len(places) <= self.options.pixels:
            return places
        return places[draw.flatten()[places].topk(self.options.pixels, largest=False).indices]

    @torch.no_grad()
    def after(self, batch: Batch, guide: dict[str, Any], stage: Stage, pace: Pace) -> None:
        """Refill the memory from correctly predicted labelled pixels, the best scored first."""
        count = len(batch.index)
        student: Any = self.networks["student"]
        with held_statistics(student):
            found, logits = self._both(batch.labelled_strong)
            said = self.targets.class_probability(self.targets.probability(logits)).argmax(1)
            flat = found.movedim(1, -1).flatten(0, 2)
            draw = guide["draw"].view(-1, *batch.index.shape[1:])[:count]
            for c in range(self.targets.classes):
                right = (batch.index == c) & (said == c)
                place = self._chosen(right, draw)
                if len(place) < 2:
                    continue
                z = student.projection(flat[place])
                score = student.scorers[c](z)[:, 0]
                best = z[score.topk(min(self.options.memory, len(z))).indices]
                self._memory[c, : len(best)] = best
                self._held[c] = len(best)


def _scorer() -> nn.Sequential:
    return _perceptron(SIZE, 1, nn.LeakyReLU(0.2))


def _perceptron(before: int, after: int, activation: nn.Module) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(before, SIZE), nn.BatchNorm1d(SIZE), activation, nn.Linear(SIZE, after)
    )
