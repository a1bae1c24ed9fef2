"""SIFA v2 (Chen et al., TMI 2020): looks and features aligned by adversaries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from napari_dim.method.adversary import ImagePool, fools, tells_apart
from napari_dim.nets.translation import Decoder, PatchCritic, Segmenter, Translator
from napari_dim.systems.system import Batch, Course, Pace, Stage, System, cycled

if TYPE_CHECKING:
    from napari_dim.options import SifaOptions

CRITICS = ("critic_unlabelled", "critic_labelled", "critic_masks", "critic_lower_masks")
POOL = 50
"""Past fakes that the two image critics may be shown."""


class SIFA(System):
    """Labelled slices are translated to the unlabelled look, and back from shared features.

    A step: critics on detached images, then translator and decoder, then, passed anew, the
    encoder with its two classifiers. Slices are brought to [-1, 1] first, by their own least
    and largest values. Needs one class a pixel: its task loss weighs classes by their share.
    """

    name = "sifa"
    title = "SIFA: looks and features aligned by adversaries"
    terms = {  # noqa: RUF012
        "task": "labelled slices, translated", "cycle": "there and back",
        "look": "translated look", "masks": "masks told apart", "critics": "critics",
        "total": "encoder's total",
    }  # fmt: skip
    needs = frozenset({"unlabelled"})
    exclusive = True
    alone = False
    grows = False
    recordable = False  # the pools are on the host
    options: SifaOptions

    def build(self) -> dict[str, nn.Module]:  # noqa: D102
        channels, classes = self.plan.channels, self.plan.targets.channels
        width = max(1, self.plan.width // 4)  # 16 in the paper
        return {
            "student": Scaled(Segmenter(channels, classes, width)),
            "translator": Translator(channels, width),
            "decoder": Decoder(channels, width),
            "critic_unlabelled": PatchCritic(channels, width),
            "critic_labelled": PatchCritic(channels, width, maps=2),
            "critic_masks": PatchCritic(classes, width),
            "critic_lower_masks": PatchCritic(classes, width),
        }

    def begin(self, course: Course) -> None:  # noqa: D102
        super().begin(course)
        self._pools = {name: ImagePool(POOL, course.generator) for name in CRITICS[:2]}

    def end(self) -> None:  # noqa: D102
        super().end()
        self.__dict__.pop("_pools", None)

    def make_optimisers(self) -> dict[str, Optimizer]:  # noqa: D102
        options, adam = self.options, self.course.adam
        found = {
            name: adam(net.parameters(), lr=options.look_rate, betas=(0.5, 0.999))
            for name, net in self.networks.items()
            if name != "student"
        }
        student = adam(self.networks["student"].parameters(), lr=options.rate)
        return {"student": student, **found}

    def rates(self, progress: float) -> dict[str, float]:
        """Constant, as in the public code."""
        return dict.fromkeys(self.optimisers, 1.0)

    def state(self) -> dict[str, Tensor]:  # noqa: D102
        return {k: v for n, pool in self._pools.items() for k, v in pool.state(n).items()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:  # noqa: D102
        if not set(state) <= set(self._pools):
            raise ValueError("it keeps pools of other critics")
        for name, pool in self._pools.items():
            pool.load(name, state)

    def _net(self, name: str) -> Callable[..., Any]:
        """A network as it is called on a batch."""
        return partial(self.passed, self.networks[name])

    def _seen(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What the student sees in slices, and its two masks' logits."""
        student: Any = self.networks["student"]
        found: tuple[Tensor, Tensor, Tensor] = self.passed(student.all, x)
        return found

    def take(self, batch: Batch, stage: Stage, pace: Pace) -> dict[str, Tensor]:  # noqa: D102
        assert batch.unlabelled is not None
        source = unit_range(batch.labelled_strong)
        target = unit_range(cycled(batch.unlabelled, len(source)))
        with self.course.autocast():
            looks = self._looks(source, target)
            critics = self._critics(source, target, looks)
        self._update(CRITICS, critics)
        with self.course.autocast():
            cycle, forth, back = self._translation(source, target, looks)
            total = cycle + forth + back
        self._update(("translator", "decoder"), total)
        with self.course.autocast():
            parts = self._encoder(batch, source, target)
        self._update(("student",), parts["total"])
        parts |= {"cycle": cycle, "look": forth + back, "critics": critics}
        return {name: part.detach() for name, part in parts.items()}

    def _update(self, names: tuple[str, ...], loss: Tensor) -> None:
        """Step on a loss with some networks; no other keeps a gradient."""
        parameters = [p for name in names for p in self.networks[name].parameters()]
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        self.course.ranks.average(parameters)
        for name in names:
            self.optimisers[name].step()
            self.optimisers[name].zero_grad(set_to_none=True)

    def _looks(self, source: Tensor, target: Tensor) -> dict[str, Tensor]:
        """All translated images and the masks' logits of a pass."""
        there = self._net("translator")(source)
        seen, masks, lower = self._seen(target)
        seen_there, masks_there, lower_there = self._seen(there)
        back = self._net("decoder")(seen, target)
        return {
            "there": there,
            "back": back,
            "source_again": self._net("decoder")(seen_there, there),
            "target_again": self._net("translator")(back),
            "masks": masks, "lower": lower,
            "masks_there": masks_there, "lower_there": lower_there,
        }  # fmt: skip

    def _critics(self, source: Tensor, target: Tensor, looks: dict[str, Tensor]) -> Tensor:
        """All critics' losses, on images and masks that carry no gradient."""
        fixed = {name: image.detach().float() for name, image in looks.items()}
        there = self._pools["critic_unlabelled"](fixed["there"])
        back = self._pools["critic_labelled"](fixed["back"])
        image, own = self._net("critic_unlabelled"), self._net("critic_labelled")
        real, fake, again = own(source), own(back), own(fixed["source_again"])
        masks, lower = self._net("critic_masks"), self._net("critic_lower_masks")
        return (
            tells_apart(image(target), image(there))
            + tells_apart(real[:, :1], fake[:, :1])
            + tells_apart(again[:, 1:], fake[:, 1:])  # made of a real slice, or of a translated
            + tells_apart(masks(fixed["masks_there"]), masks(fixed["masks"]))
            + tells_apart(lower(fixed["lower_there"]), lower(fixed["lower"]))
        )

    def _translation(
        self, source: Tensor, target: Tensor, looks: dict[str, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The cycle, and how well each way's look passes for real."""
        cycle = self.options.cycle * (
            (looks["source_again"] - source).abs().mean()
            + (looks["target_again"] - target).abs().mean()
        )
        forth = fools(self._net("critic_unlabelled")(looks["there"]))
        back = fools(self._net("critic_labelled")(looks["back"])[:, :1])
        return cycle, forth, back

    def _encoder(self, batch: Batch, source: Tensor, target: Tensor) -> dict[str, Tensor]:
        looks = self._looks(source, target)
        label, weight = self.targets.encode(batch.index)
        task = task_loss(looks["masks_there"], label, weight)
        task = task + 0.1 * task_loss(looks["lower_there"], label, weight)
        cycle, _, back = self._translation(source, target, looks)
        masks = 0.1 * fools(self._net("critic_masks")(looks["masks"]))
        masks = masks + 0.01 * fools(self._net("critic_lower_masks")(looks["lower"]))
        masks = masks + 0.1 * fools(self._net("critic_labelled")(looks["back"])[:, 1:])
        size = sum(p.square().sum() for p in self.networks["student"].parameters())
        total = task + 0.1 * (cycle + back) + masks + 0.5e-4 * size
        return {"task": task, "masks": masks, "total": total}


class Scaled(nn.Module):
    """A segmenter of slices of any range."""

    def __init__(self, segmenter: Segmenter) -> None:
        super().__init__()
        self.segmenter = segmenter

    def all(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As `Segmenter.all`; `x` is in [-1, 1] already."""
        return self.segmenter.all(x)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, ``(batch, class, row, column)``."""
        logits: Tensor = self.segmenter(unit_range(x))
        return logits


def unit_range(x: Tensor) -> Tensor:
    """Each slice in [-1, 1]."""
    low, high = x.amin((1, 2, 3), keepdim=True), x.amax((1, 2, 3), keepdim=True)
    return 2 * (x - low) / (high - low).clamp_min(1e-6) - 1


def task_loss(logits: Tensor, label: Tensor, weight: Tensor) -> Tensor:
    """Cross-entropy weighted by ``1 - share of the class``, and Dice with squared predictions.

    Parameters
    ----------
    logits, label
        ``(batch, class, row, column)``; classes exclude each other.
    weight
        ``(batch, 1, row, column)``: pixels that count.
    """
    label = label * weight
    share = label.sum((0, 2, 3)) / label.sum().clamp_min(1)
    p = F.softmax(logits.float(), 1)
    dear = (label * (1 - share).view(1, -1, 1, 1)).sum(1)
    entropy = -(dear * (p * label).sum(1).clamp(0.005, 1).log()).mean()
    across = (0, 2, 3)
    size = (p.square() * weight).sum(across) + label.sum(across)
    dice = (2 * (p * label).sum(across) + 1e-7) / (size + 1e-7)
    return entropy + 1 - dice.mean()
