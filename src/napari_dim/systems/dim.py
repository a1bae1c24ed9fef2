"""One training step of DiM: equation (10) under the sharpness-aware optimiser (5), (6)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from napari_dim.method.divergence import alignment_loss
from napari_dim.method.entropy import sample_entropy, select, selective_entropy
from napari_dim.method.losses import segmentation_loss, total_loss, weighted_cross_entropy
from napari_dim.method.mean_teacher import decay_at, follow
from napari_dim.method.mixing import box_masks, mix_amplitude, paste
from napari_dim.method.ramps import ramp
from napari_dim.method.sharpness import perturbed
from napari_dim.method.targets import Targets


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
class Options:
    """The method's own settings; meaning, units and defaults in `config.Settings`."""

    divergence: str
    estimator: str
    align_weight: float
    entropy_weight: float
    entropy_threshold: float
    confidence: float
    agreement: bool
    teacher_decay: float
    teacher_memory: float
    mixing_area: float
    mix_labelled: float
    mix_same_scan: bool
    least_weight: float
    sharpness: float
    sharpness_every: int
    sharpness_from: float


class Stage(NamedTuple):
    """Which parts of a step run: with the batch's shapes, all that its code branches on."""

    unlabelled: bool
    """L_in, L_out and L_align."""
    symmetric: bool
    """L_sym."""
    climbs: bool
    """The sharpness-aware second pass."""


class Pace(NamedTuple):
    """The numbers that change from step to step: plain ones, or scalars on the device."""

    progress: float | Tensor
    """t / T."""
    weight: float | Tensor
    """λ(t)."""
    decay: float | Tensor
    """Of the teacher."""


@dataclass(frozen=True)
class _Guidance:
    """What the teacher and the boxes give a step; constant over SAM's two passes."""

    inner: Tensor  # u_in
    outer: Tensor  # u_out
    box: Tensor  # M
    true: Tensor  # target of x_l
    true_weight: Tensor
    pseudo: Tensor  # target of x_u
    sure: Tensor  # where it counts in L_in and L_out
    agreed: Tensor | None  # where it counts in L_sym; None while that does not run


class DiM:
    """Student, teacher and the step that trains them.

    Parameters
    ----------
    student, teacher
        Networks of one architecture; the teacher is None for supervised training.
    targets
        Meaning of the networks' channels.
    optimiser
        Base optimiser over the student's parameters.
    options
        The method's settings.
    generator
        Source of all random draws, on the networks' device.
    autocast
        Context in which the networks run.
    experienced
        Whether the networks were trained before: the teacher needs no warm-up then.
    """

    def __init__(
        self,
        student: nn.Module,
        teacher: nn.Module | None,
        targets: Targets,
        optimiser: torch.optim.Optimizer,
        options: Options,
        generator: torch.Generator,
        autocast: Callable[[], AbstractContextManager[object]],
        *,
        experienced: bool = False,
    ) -> None:
        self.student = student
        self.teacher = teacher
        self.targets = targets
        self.optimiser = optimiser
        self.options = options
        self.generator = generator
        self.autocast = autocast
        self.experienced = experienced

    def uses_unlabelled(self, progress: float) -> bool:
        """Whether the unlabelled terms run at t / T = `progress` (their weight counts)."""
        return self.teacher is not None and ramp(progress) >= self.options.least_weight

    def step(self, batch: Batch, progress: float, step: int) -> dict[str, Tensor]:
        """Train on one batch.

        Parameters
        ----------
        batch
            The views.
        progress
            t / T in [0, 1].
        step
            Number of this step, from 0.

        Returns
        -------
        dict
            The parts of equation (10) that ran and ``total``, detached scalars.
        """
        return self.take(batch, self.stage(progress, step), self.pace(progress, step))

    def stage(self, progress: float, step: int) -> Stage:
        """What runs at t / T = `progress`, in the step of this number."""
        options = self.options
        unlabelled = self.uses_unlabelled(progress)
        climbs = (
            options.sharpness > 0
            and progress >= options.sharpness_from
            and step % options.sharpness_every == 0
        )
        symmetric = unlabelled and ramp(progress) ** 2 >= options.least_weight
        return Stage(unlabelled, symmetric, climbs)

    def pace(self, progress: float, step: int) -> Pace:
        """The numbers of that step."""
        decay = self.options.teacher_decay
        if not self.experienced:
            decay = decay_at(step, decay, self.options.teacher_memory)
        return Pace(progress, ramp(progress), decay)

    def take(self, batch: Batch, stage: Stage, pace: Pace) -> dict[str, Tensor]:
        """`step`, with what it would work out of t: so it can be recorded and replayed.

        Nothing here waits for the device, and no branch depends on a number of `pace`.
        """
        labelled = self._restyled(batch)
        true = self.targets.encode(batch.index)
        guidance = None
        if batch.unlabelled is not None and stage.unlabelled:
            guidance = self._guide(batch, true, stage, pace)

        def backward() -> dict[str, Tensor]:
            self.optimiser.zero_grad(set_to_none=True)
            parts = self._losses(batch, labelled, true, guidance, pace.weight)
            parts["total"].backward()  # type: ignore[no-untyped-call]
            return {name: part.detach() for name, part in parts.items()}

        parts = backward()
        if stage.climbs:
            with perturbed(self.student, self.options.sharpness):
                backward()
        self.optimiser.step()
        if self.teacher is not None:
            follow(self.teacher, self.student, pace.decay)
        return parts

    def _restyled(self, batch: Batch) -> Tensor:
        """The labelled slices in the look of unlabelled ones, for a share of them.

        Our addition: the paper mixes amplitudes for the pasted slices only. It costs no
        pass of the network and teaches the other scanners' looks from the first step. Slices
        of one scan differ in anatomy alone, so they don't lend each other their look.
        """
        x = batch.labelled_strong
        if self.teacher is None or batch.unlabelled is None or self.options.mix_labelled <= 0:
            return x
        draw = self._uniform(2, len(x))
        ratio = draw[0] * (draw[1] < self.options.mix_labelled)
        ratio = ratio * _foreign(batch, len(x))
        return mix_amplitude(x, _cycle(batch.unlabelled, len(x)), ratio, self.options.mixing_area)

    @torch.no_grad()
    def _guide(
        self, batch: Batch, truth: tuple[Tensor, Tensor], stage: Stage, pace: Pace
    ) -> _Guidance:
        assert self.teacher is not None
        assert batch.unlabelled is not None
        assert batch.unlabelled_strong is not None
        options = self.options
        weak, strong = batch.unlabelled, batch.unlabelled_strong
        count = len(weak)
        true, true_weight = (_cycle(each, count) for each in truth)
        ratio = pace.progress * self._uniform(count)
        if not options.mix_same_scan:
            ratio = ratio * _foreign(batch, count)
        moved = mix_amplitude(_cycle(batch.labelled, count), weak, ratio, options.mixing_area)
        box = box_masks(count, *weak.shape[-2:], generator=self.generator, device=weak.device)

        stitches = stage.symmetric or options.agreement
        views = [weak]
        if stitches:
            views += [paste(moved, weak, box), paste(weak, moved, box)]
        with self.autocast():
            logits = self.teacher(torch.cat(views))
        predicted = self.targets.probability(logits).split_with_sizes([count] * len(views))
        pseudo, confidence = self.targets.harden(predicted[0])
        sure = (confidence >= options.confidence).float()
        agreed = sure
        if stitches:
            stitched, other = self.targets.harden(paste(predicted[2], predicted[1], box))
            same = (stitched == pseudo).all(1, keepdim=True)
            agreed = sure * same * (other >= options.confidence)
        return _Guidance(
            inner=paste(moved, strong, box),
            outer=paste(strong, moved, box),
            box=box,
            true=true,
            true_weight=true_weight,
            pseudo=pseudo,
            sure=agreed if options.agreement else sure,
            agreed=agreed if stage.symmetric else None,
        )

    def _losses(
        self,
        batch: Batch,
        labelled: Tensor,
        true: tuple[Tensor, Tensor],
        guidance: _Guidance | None,
        weight: float | Tensor,
    ) -> dict[str, Tensor]:
        targets, options = self.targets, self.options
        views = [labelled]
        if guidance is not None:
            views += [guidance.inner, guidance.outer]
            if guidance.agreed is not None:
                assert batch.unlabelled_strong is not None
                views.append(batch.unlabelled_strong)
        with self.autocast():
            logits: Tensor = self.student(torch.cat(views)).float()
        outputs = logits.split_with_sizes([len(view) for view in views])

        parts = {"supervised": segmentation_loss(targets, outputs[0], *true)}
        if guidance is None:
            return {**parts, "total": parts["supervised"]}

        g, box = guidance, guidance.box
        zero = logits.new_zeros(())
        parts["inner"] = segmentation_loss(  # equation (8)
            targets, outputs[1], paste(g.true, g.pseudo, box), paste(g.true_weight, g.sure, box)
        )
        parts["outer"] = segmentation_loss(  # equation (9)
            targets, outputs[2], paste(g.pseudo, g.true, box), paste(g.sure, g.true_weight, box)
        )
        symmetric = zero
        if g.agreed is not None:  # where they agree, direct and stitched labels are the same
            symmetric = weighted_cross_entropy(targets, outputs[3], g.pseudo, g.agreed)
            parts["symmetric"] = symmetric
        # The unlabelled slices' own logits, stitched from both pastes: no further pass.
        unlabelled = paste(outputs[2], outputs[1], box)
        align = zero
        if options.align_weight > 0:
            align = options.align_weight * alignment_loss(
                _cycle(outputs[0], len(unlabelled)),
                unlabelled,
                options.divergence,
                options.estimator,  # type: ignore[arg-type]
                exclusive=targets.exclusive,
            )
            parts["align"] = align
        total = total_loss(
            parts["supervised"], parts["inner"], parts["outer"], symmetric, align, weight
        )
        if options.entropy_weight > 0:  # our addition: (10) leaves the term out
            entropy = sample_entropy(targets, unlabelled)
            chosen = select(entropy, options.entropy_threshold)
            parts["entropy"] = selective_entropy(entropy, chosen)
            total = total + options.entropy_weight * parts["entropy"]
        return {**parts, "total": total}

    def _uniform(self, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=self.generator, device=self.generator.device)


def _foreign(batch: Batch, count: int) -> Tensor | float:
    """1 where labelled and unlabelled slices that stand side by side are of different scans."""
    if batch.scans is None:
        return 1.0
    labelled, unlabelled = batch.scans
    return (_cycle(labelled, count) != _cycle(unlabelled, count)).float()


def _cycle(x: Tensor, count: int) -> Tensor:
    """The first `count` samples of `x`, repeated as often as needed."""
    return x if len(x) == count else x.repeat(-(-count // len(x)), *[1] * (x.ndim - 1))[:count]
