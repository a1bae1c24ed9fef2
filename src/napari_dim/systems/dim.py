"""DiM, and with flags off its frame: MiDSS, FixMatch, the upper bound (equations 8 to 11)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_dim.method.divergence import alignment_loss
from napari_dim.method.entropy import sample_entropy, select, selective_entropy
from napari_dim.method.losses import total_loss, weighted_cross_entropy
from napari_dim.method.mean_teacher import decay_at, follow
from napari_dim.method.mixing import box_masks, linear_box_masks, mix_amplitude, paste
from napari_dim.method.ramps import in_levels, ramp, squared_ramp
from napari_dim.method.sharpness import held_statistics
from napari_dim.systems.system import Batch, Pace, SingleLoss, Stage, cycled, foreign

if TYPE_CHECKING:
    from napari_dim.options import DimOptions

DIRECT, SYMMETRIC = 0, 1
"""`Stage.part`: without and with L_sym."""
TERMS = ("supervised", "inner", "outer", "symmetric", "align")
"""Those of equation (10), in its order."""


@dataclass(frozen=True)
class Guidance:
    """What the teacher and the boxes give a step; constant over SAM's two passes."""

    labelled: Tensor  # x_l as L_s sees it
    truth: tuple[Tensor, Tensor]  # its target and weight
    pasted: Pasted | None  # None while the unlabelled terms don't run


@dataclass(frozen=True)
class Pasted:
    """What the unlabelled terms are made of."""

    inner: Tensor | None  # u_in; None without pastes
    outer: Tensor | None  # u_out
    strong: Tensor  # x_u, changed in its intensities
    box: Tensor  # M
    true: Tensor  # target of x_l
    true_weight: Tensor
    pseudo: Tensor  # target of x_u
    sure: Tensor  # where it counts in L_in and L_out
    agreed: Tensor | None  # where it counts in L_sym; None while that does not run


class DiM(SingleLoss):
    """Student and teacher; ``L_s + λ (L_in + L_out + λ L_sym) + L_align``."""

    name = "dim"
    title = "DiM: pastes, symmetric guidance, f-divergence alignment, sharpness-aware"
    terms = {  # noqa: RUF012
        "supervised": "labelled slices",
        "inner": "labelled pasted into unlabelled",
        "outer": "unlabelled pasted into labelled",
        "symmetric": "agreement of both pastes",
        "direct": "strong view of unlabelled slices",
        "align": "f-divergence",
        "entropy": "entropy of unlabelled slices",
        "total": "total",
    }
    needs = frozenset({"unlabelled", "strong"})
    options: DimOptions

    def build(self) -> dict[str, nn.Module]:  # noqa: D102
        student, teacher = self.plan.backbone(), self.plan.backbone()
        teacher.load_state_dict(student.state_dict())
        return {"student": student, "teacher": teacher.requires_grad_(False)}

    def mask_network(self) -> nn.Module:  # noqa: D102
        return self.networks[self.options.final]

    def second_opinion(self) -> nn.Module:  # noqa: D102
        return self.networks["student" if self.options.final == "teacher" else "teacher"]

    def stage(self, progress: float, step: int) -> Stage:  # noqa: D102
        weight, least = self._weight(progress), self.options.least_weight
        part = SYMMETRIC if self.options.symmetric and weight**2 >= least else DIRECT
        runs = weight >= least and self._worth_it(progress, step)
        return Stage(runs, part, self.course.climbs(progress, step))

    def _worth_it(self, progress: float, step: int) -> bool:
        """Whether the budget will hold enough steps for the unlabelled terms.

        They make a step dearer and begin as guesses: a short training learns more from labels.
        """
        return self.course.experienced or step >= self.options.least_steps * progress

    def pace(self, progress: float, step: int) -> Pace:  # noqa: D102
        decay = self.options.teacher_decay
        if not self.course.experienced:
            decay = decay_at(step, decay, self.options.teacher_memory)
        return {"progress": progress, "weight": self._weight(progress), "decay": decay}

    def _weight(self, progress: float) -> float:
        """λ, equation (11), or as public code runs it."""
        progress = in_levels(progress, self.options.ramp_levels)
        return squared_ramp(progress) if self.options.ramp == "squared" else ramp(progress)

    def strong(self, stage: Stage) -> bool:  # noqa: D102
        return stage.unlabelled

    def guide(self, batch: Batch, stage: Stage, pace: Pace) -> Guidance:  # noqa: D102
        labelled = self._restyled(batch)
        truth = self.targets.encode(batch.index)
        pasted = None
        if batch.unlabelled is not None and stage.unlabelled:
            pasted = self._paste(batch, truth, stage, pace)
        return Guidance(labelled, truth, pasted)

    def after(self, batch: Batch, guide: Guidance, stage: Stage, pace: Pace) -> None:  # noqa: D102
        averaged = self.options.teacher_statistics == "averaged"
        student, teacher = self.networks["student"], self.networks["teacher"]
        follow(teacher, student, pace["decay"], statistics=averaged)

    def _restyled(self, batch: Batch) -> Tensor:
        """The labelled slices in the look of unlabelled ones, for a share of them.

        Our addition: the paper mixes amplitudes for the pasted slices only. It costs no
        pass of the network and teaches the other scanners' looks from the first step. Slices
        of one scan differ in anatomy alone, so they don't lend each other their look.
        """
        x = batch.labelled_strong
        if batch.unlabelled is None or self.options.mix_labelled <= 0:
            return x
        draw = self.uniform(2, len(x))
        ratio = draw[0] * (draw[1] < self.options.mix_labelled)
        ratio = ratio * foreign(batch, len(x))
        return mix_amplitude(x, cycled(batch.unlabelled, len(x)), ratio, self.options.mixing_area)

    @torch.no_grad()
    def _paste(
        self, batch: Batch, truth: tuple[Tensor, Tensor], stage: Stage, pace: Pace
    ) -> Pasted:
        assert batch.unlabelled is not None
        assert batch.unlabelled_strong is not None
        options = self.options
        weak, strong = batch.unlabelled, batch.unlabelled_strong
        count = len(weak)
        true, true_weight = (cycled(each, count) for each in truth)
        plain = moved = cycled(batch.labelled, count)
        if options.amplitude:
            ratio = pace["progress"] * self.uniform(count)
            if not options.mix_same_scan:
                ratio = ratio * foreign(batch, count)
            moved = mix_amplitude(plain, weak, ratio, options.mixing_area)
        box = self._boxes(weak)

        stitches = stage.part == SYMMETRIC or options.agreement
        views = [weak]
        if stitches:
            pasted = plain if options.teacher_paste == "unmoved" else moved
            views += [paste(pasted, weak, box), paste(weak, pasted, box)]
        predicted = self._said(views)
        pseudo, confidence = self.targets.harden(predicted[0])
        sure = (confidence >= options.confidence).float()
        agreed = sure
        if stitches:
            stitched, other = self.targets.harden(paste(predicted[2], predicted[1], box))
            same = stitched == pseudo
            if options.agreement_of == "pixel" or self.targets.exclusive:
                same = same.all(1, keepdim=True)
            agreed = sure * same * (other >= options.confidence)
        if options.cutmix:  # boxes of the next unlabelled slice, with its label
            strong, pseudo, sure = (
                paste(each.roll(1, 0), each, box) for each in (strong, pseudo, sure)
            )
        return Pasted(
            inner=paste(moved, strong, box) if options.paste else None,
            outer=paste(strong, moved, box) if options.paste else None,
            strong=strong,
            box=box,
            true=true,
            true_weight=true_weight,
            pseudo=pseudo,
            sure=agreed if options.agreement else sure,
            agreed=agreed if stage.part == SYMMETRIC else None,
        )

    def _boxes(self, weak: Tensor) -> Tensor:
        rows, columns = weak.shape[-2:]
        draw = linear_box_masks if self.options.box == "linear" else box_masks
        return draw(len(weak), rows, columns, generator=self.course.generator, device=weak.device)

    def _said(self, views: list[Tensor]) -> list[Tensor]:
        """Probabilities by which pseudo-labels are made."""
        if self.options.labeller == "self":
            with held_statistics(self.networks["student"]):
                logits = self._passed("student", views)
        else:
            logits = self._passed("teacher", views)
        return [self.targets.probability(each) for each in logits]

    def _passed(self, network: str, views: list[Tensor]) -> tuple[Tensor, ...]:
        """Logits of views, in one batch or each with the statistics of its own."""
        if self.options.passes == "joint":
            return self.forward(network, *views)
        return tuple(self.forward(network, view)[0] for view in views)

    def losses(  # noqa: D102
        self, batch: Batch, guide: Guidance, stage: Stage, pace: Pace
    ) -> dict[str, Tensor]:
        targets, options, g = self.targets, self.options, guide.pasted
        if g is None:
            (labelled,) = self.forward("student", guide.labelled)
            supervised = self.loss(labelled, *guide.truth)
            return {"supervised": supervised, "total": supervised}

        direct = not options.symmetric
        views = {"labelled": guide.labelled}
        if g.inner is not None and g.outer is not None:
            views |= {"inner": g.inner, "outer": g.outer}
        if g.agreed is not None or direct:
            views["strong"] = g.strong
        said = dict(zip(views, self._passed("student", [*views.values()]), strict=True))

        box, weight = g.box, pace["weight"]
        zero = said["labelled"].new_zeros(())
        parts = {"supervised": self.loss(said["labelled"], *guide.truth)}
        if options.paste:
            parts["inner"] = self._judged(  # equation (8)
                said["inner"], paste(g.true, g.pseudo, box), paste(g.true_weight, g.sure, box)
            )
            parts["outer"] = self._judged(  # equation (9)
                said["outer"], paste(g.pseudo, g.true, box), paste(g.sure, g.true_weight, box)
            )
        if g.agreed is not None:  # where they agree, direct and stitched labels are the same
            parts["symmetric"] = (
                self._judged(said["strong"], g.pseudo, g.agreed)
                if options.symmetric_dice
                else self._entropy(said["strong"], g.pseudo, g.agreed)
            )
        # The unlabelled slices' own logits, stitched from both pastes: no further pass.
        unlabelled = (
            paste(said["outer"], said["inner"], box) if options.paste else said.get("strong")
        )
        if options.align_weight > 0 and unlabelled is not None:
            parts["align"] = options.align_weight * alignment_loss(
                cycled(said["labelled"], len(unlabelled)),
                unlabelled,
                options.divergence,
                options.estimator,
                exclusive=targets.exclusive,
            )
        supervised, inner, outer, symmetric, align = (parts.get(name, zero) for name in TERMS)
        total = total_loss(supervised, inner, outer, symmetric, align, weight)
        if direct:
            parts["direct"] = self._judged(said["strong"], g.pseudo, g.sure)
            total = total + weight * parts["direct"]
        if options.entropy_weight > 0 and unlabelled is not None:  # our addition: (10) has it not
            entropy = sample_entropy(targets, unlabelled)
            chosen = select(entropy, options.entropy_threshold)
            parts["entropy"] = selective_entropy(entropy, chosen)
            total = total + options.entropy_weight * parts["entropy"]
        return {**parts, "total": total}

    def _judged(self, logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """``CE + Dice`` where pseudo-labels count."""
        if self.options.background_dice == "masked" or not self.targets.exclusive:
            return self.loss(logits, target, weight)
        first = torch.arange(target.shape[1], device=target.device).view(1, -1, 1, 1) == 0
        return self.loss(logits, target, weight, dice_weight=torch.where(first, 1.0, weight))

    def _entropy(self, logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        if self.course.form.cross_entropy == "all":
            return (self.targets.cross_entropy(logits, target) * weight).mean()
        return weighted_cross_entropy(self.targets, logits, target, weight)
