"""What a training system provides; nothing else of the program knows one by its name."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from napari_dim import nets
from napari_dim.method.losses import OURS, LossForm, segmentation_loss
from napari_dim.method.sharpness import perturbed
from napari_dim.method.targets import Targets
from napari_dim.nets.batch_norm import share_batch_norm
from napari_dim.nets.ranks import Ranks

Pace = Mapping[str, "float | Tensor"]
"""The numbers that change from step to step: plain ones, or scalars on the device."""


class Batch(Protocol):
    """The views of one step's slices.

    Attributes
    ----------
    labelled, labelled_strong
        ``x_l``: weak view, and as the supervised loss sees it; ``(B_l, channel, row, column)``.
    index
        ``y``: class index a pixel, ``(B_l, row, column)``, `targets.IGNORE` where unknown.
    unlabelled, unlabelled_strong
        ``x_u``: weak view, and with changed intensities; ``(B_u, channel, row, column)``.
        None without unlabelled slices.
    scans
        Which scan each labelled and each unlabelled slice comes from, ``(B_l,)`` and
        ``(B_u,)``; None where that isn't known.
    """

    @property
    def labelled(self) -> Tensor: ...  # noqa: D102
    @property
    def labelled_strong(self) -> Tensor: ...  # noqa: D102
    @property
    def index(self) -> Tensor: ...  # noqa: D102
    @property
    def unlabelled(self) -> Tensor | None: ...  # noqa: D102
    @property
    def unlabelled_strong(self) -> Tensor | None: ...  # noqa: D102
    @property
    def scans(self) -> tuple[Tensor, Tensor] | None: ...  # noqa: D102


@dataclass(frozen=True)
class Plan:
    """What a system's networks are made from.

    Attributes
    ----------
    targets
        Meaning of the channels of the masks' logits.
    channels
        Channels that the networks see: an image's, for a slice and its neighbours.
    network, width
        The backbone's name, and the channels of its first level.
    local_contrast
        As in `nets.build`.
    """

    targets: Targets
    channels: int
    network: str
    width: int
    local_contrast: float = 0.0

    def backbone(self, **changes: Any) -> nn.Module:
        """A network from slices to logits; `changes` as in `nets.build`."""
        return nets.build(
            self.network,
            **{
                "channels_in": self.channels,
                "channels_out": self.targets.channels,
                "width": self.width,
                "local_contrast": self.local_contrast,
                **changes,
            },
        )


@dataclass(frozen=True)
class Course:
    """What a system is given to train with.

    Attributes
    ----------
    device
        Where it trains.
    generator
        Source of all random draws, there.
    autocast
        Context in which networks run.
    optimiser
        Makes the settings' optimiser for parameters.
    adam
        Makes Adam for parameters, with its own `lr`, `betas`, `weight_decay`.
    form
        How cross-entropy and Dice are averaged.
    decay_power
        The rate falls as ``(1 - t/T)`` to this power.
    sharpness, sharpness_every, sharpness_from
        ρ of the sharpness-aware second pass (0: none), every how many steps, and from which
        t/T on it is taken.
    experienced
        Whether the networks were trained before: a teacher needs no warm-up then.
    ranks
        The processes that share the work: all draw and judge the same batch, networks pass a
        part of it in each (`nets.ranks`).
    """

    device: torch.device
    generator: torch.Generator
    autocast: Callable[[], AbstractContextManager[object]]
    optimiser: Callable[[Iterable[nn.Parameter]], Optimizer]
    adam: Callable[..., Optimizer]
    form: LossForm = OURS
    decay_power: float = 0.9
    sharpness: float = 0.0
    sharpness_every: int = 1
    sharpness_from: float = 0.0
    experienced: bool = False
    ranks: Ranks = field(default_factory=Ranks)

    def climbs(self, progress: float, step: int) -> bool:
        """Whether the step of this number takes a sharpness-aware second pass."""
        return (
            self.sharpness > 0
            and progress >= self.sharpness_from
            and step % self.sharpness_every == 0
        )


class Stage(NamedTuple):
    """Which parts of a step run: with the batch's shapes, all that its code branches on."""

    unlabelled: bool = True
    """Whether terms of unlabelled slices run."""
    part: int = 0
    """What else runs, in numbers of the system's own."""
    climbs: bool = False
    """Whether the sharpness-aware second pass is taken."""


class System(ABC):
    """Networks, and the step that trains them.

    It has networks alone until `begin` gives it what it trains with; `end` lets go of that.
    A step is `prepare` (what must not be recorded for replay), then `take`.

    Parameters
    ----------
    plan
        What the networks are made from; they are drawn from torch's default generator.
    options
        The system's own settings.

    Attributes
    ----------
    name, title
        In the settings, and in one line for people.
    terms
        Its losses by name, and what each is: header of the CSV, legend of the curves.
    needs
        What it draws: ``"unlabelled"`` slices, their ``"strong"`` view.
    exclusive
        Whether it needs one class a pixel; regions are left out of its targets then.
    alone
        Whether it can learn where there are no unlabelled slices.
    recordable
        Whether its step can be recorded as a CUDA graph.
    grows
        Whether its networks can be given more classes (`nets.class_channels`).
    networks
        Moved, counted, saved, checked and restored by name; ``"student"`` is the main one.
    optimisers
        By name, once it has begun.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    terms: ClassVar[Mapping[str, str]]
    needs: ClassVar[frozenset[str]] = frozenset()
    exclusive: ClassVar[bool] = False
    alone: ClassVar[bool] = True
    recordable: ClassVar[bool] = True
    grows: ClassVar[bool] = True

    def __init__(self, plan: Plan, options: Any) -> None:
        self.plan = plan
        self.options = options
        self.networks = nn.ModuleDict(self.build())
        self.optimisers: dict[str, Optimizer] = {}

    @abstractmethod
    def build(self) -> dict[str, nn.Module]:
        """Fresh networks."""

    def begin(self, course: Course) -> None:
        """Move to the device, and make what training needs."""
        self.course = course
        self.targets = copy.copy(self.plan.targets).to(course.device)
        channels_last = torch.channels_last
        self.networks.to(course.device, memory_format=channels_last)  # type: ignore[call-overload]
        nets.seed_dropout(self.networks, course.generator, course.ranks)
        share_batch_norm(self.networks, course.ranks)
        self.optimisers = self.make_optimisers()

    def make_optimisers(self) -> dict[str, Optimizer]:
        """One over the student."""
        return {"student": self.course.optimiser(self.networks["student"].parameters())}

    def end(self) -> None:
        """Let go of what training needed."""
        self.optimisers = {}
        nets.seed_dropout(self.networks, None)
        self.__dict__.pop("course", None)

    def rates(self, progress: float) -> dict[str, float]:
        """What each optimiser's own rates are multiplied by at t / T = `progress`."""
        return dict.fromkeys(self.optimisers, (1 - progress) ** self.course.decay_power)

    def stage(self, progress: float, step: int) -> Stage:
        """What runs at t / T = `progress`, in the step of this number."""
        return Stage(climbs=self.course.climbs(progress, step))

    def pace(self, progress: float, step: int) -> Pace:
        """The numbers of that step."""
        return {"progress": progress}

    def strong(self, stage: Stage) -> bool:
        """Whether the unlabelled slices' strong view is looked at."""
        return "strong" in self.needs

    def prepare(self, stage: Stage, progress: float, step: int) -> None:  # noqa: B027
        """What comes before a step, now and then: copies of networks, inner optimisations."""

    @abstractmethod
    def take(self, batch: Batch, stage: Stage, pace: Pace) -> dict[str, Tensor]:
        """Train on one batch.

        No branch may depend on a number of `pace`, and nothing waits for the device: so it
        can be recorded and replayed.

        Returns
        -------
        dict
            The losses that ran, by their names in `terms`, ``"total"`` among them;
            detached scalars.
        """

    def step(self, batch: Batch, progress: float, step: int) -> dict[str, Tensor]:
        """Train on one batch at t / T = `progress`; `step` is its number, from 0."""
        stage = self.stage(progress, step)
        self.prepare(stage, progress, step)
        return self.take(batch, stage, self.pace(progress, step))

    def passed(self, call: Callable[..., Any], *given: Any) -> Any:
        """What a network makes of a batch, in the settings' precision, each process of its part.

        All that takes long is to go through here; `nets.ranks.Ranks.passed` says more.
        """
        with self.course.autocast():
            return self.course.ranks.passed(call, *given)

    def forward(self, network: str, *views: Tensor) -> tuple[Tensor, ...]:
        """The float32 logits of some views, passed as one batch: they share its statistics."""
        logits: Tensor = self.passed(self.networks[network], torch.cat(views))
        return logits.float().split_with_sizes([len(view) for view in views])

    def loss(self, logits: Tensor, target: Tensor, weight: Tensor, **how: Any) -> Tensor:
        """``CE + Dice`` in the form of the settings; see `method.losses.segmentation_loss`."""
        form = self.course.form
        return segmentation_loss(self.targets, logits, target, weight, form, **how)

    def uniform(self, *shape: int) -> Tensor:
        """Numbers in [0, 1), on the device."""
        return torch.rand(*shape, generator=self.course.generator, device=self.course.device)

    def mask_network(self) -> nn.Module:
        """The network from slices to the logits of the masks."""
        return self.networks["student"]

    def second_opinion(self) -> nn.Module | None:
        """A network whose masks differ from those where it pays to label; None if there is none."""
        return None

    def features(self, x: Tensor) -> Tensor:
        """Mean over the pixels of the last map before the logits, ``(batch, channel)``."""
        return nets.last_map(self.mask_network(), x).mean((2, 3))

    def state(self) -> dict[str, Tensor]:
        """What else a training needs to go on: counters, memory banks; empty for most."""
        return {}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Put back what `state` gave.

        Raises
        ------
        ValueError
            If it is not that.
        """
        if state:
            raise ValueError(f"{self.name} keeps no {next(iter(state))}")

    def __getstate__(self) -> dict[str, Any]:
        """Without what training needs: a generator and optimisers don't leave their process."""
        left_out = ("course", "optimisers")
        return {k: v for k, v in self.__dict__.items() if k not in left_out} | {"optimisers": {}}


class SingleLoss(System):
    """A system of one scalar loss: backward, the sharpness-aware second pass, the step."""

    def guide(self, batch: Batch, stage: Stage, pace: Pace) -> Any:
        """Everything that is drawn, or said by other networks, once a step."""
        return None

    @abstractmethod
    def losses(self, batch: Batch, guide: Any, stage: Stage, pace: Pace) -> dict[str, Tensor]:
        """The terms, with their sum as ``"total"``; the same if asked again."""

    def after(self, batch: Batch, guide: Any, stage: Stage, pace: Pace) -> None:
        """What follows the optimisers' step: the teacher, a memory."""

    def take(self, batch: Batch, stage: Stage, pace: Pace) -> dict[str, Tensor]:  # noqa: D102
        guide = self.guide(batch, stage, pace)

        def backward() -> dict[str, Tensor]:
            for optimiser in self.optimisers.values():
                optimiser.zero_grad(set_to_none=True)
            parts = self.losses(batch, guide, stage, pace)
            parts["total"].backward()  # type: ignore[no-untyped-call]
            self.course.ranks.average(self.networks.parameters())
            return {name: part.detach() for name, part in parts.items()}

        parts = backward()
        if stage.climbs:
            with perturbed(self.networks, self.course.sharpness):
                backward()
        for optimiser in self.optimisers.values():
            optimiser.step()
        self.after(batch, guide, stage, pace)
        return parts


def cycled(x: Tensor, count: int) -> Tensor:
    """The first `count` samples of `x`, repeated as often as needed."""
    return x if len(x) == count else x.repeat(-(-count // len(x)), *[1] * (x.ndim - 1))[:count]


def foreign(batch: Batch, count: int) -> Tensor | float:
    """1 where labelled and unlabelled slices that stand side by side are of different scans."""
    if batch.scans is None:
        return 1.0
    labelled, unlabelled = batch.scans
    return (cycled(labelled, count) != cycled(unlabelled, count)).float()
