"""DiM: equation (10) under the sharpness-aware optimiser (5), (6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_dim.method.divergence import alignment_loss
from napari_dim.method.entropy import sample_entropy, select, selective_entropy
from napari_dim.method.losses import segmentation_loss, total_loss, weighted_cross_entropy
from napari_dim.method.mean_teacher import decay_at, follow
from napari_dim.method.mixing import box_masks, mix_amplitude, paste
from napari_dim.method.ramps import ramp
from napari_dim.systems.system import Batch, Pace, SingleLoss, Stage, cycled, foreign

if TYPE_CHECKING:
    from napari_dim.options import DimOptions

DIRECT, SYMMETRIC = 0, 1
"""`Stage.part`: without and with L_sym."""


@dataclass(frozen=True)
class Guidance:
    """What the teacher and the boxes give a step; constant over SAM's two passes."""

    labelled: Tensor  # x_l as L_s sees it
    truth: tuple[Tensor, Tensor]  # its target and weight
    pasted: Pasted | None  # None while the unlabelled terms don't run


@dataclass(frozen=True)
class Pasted:
    """What the unlabelled terms are made of."""

    inner: Tensor  # u_in
    outer: Tensor  # u_out
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
        weight, least = ramp(progress), self.options.least_weight
        part = SYMMETRIC if weight**2 >= least else DIRECT
        return Stage(weight >= least, part, self.course.climbs(progress, step))

    def pace(self, progress: float, step: int) -> Pace:  # noqa: D102
        decay = self.options.teacher_decay
        if not self.course.experienced:
            decay = decay_at(step, decay, self.options.teacher_memory)
        return {"progress": progress, "weight": ramp(progress), "decay": decay}

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
        follow(self.networks["teacher"], self.networks["student"], pace["decay"])

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
        ratio = pace["progress"] * self.uniform(count)
        if not options.mix_same_scan:
            ratio = ratio * foreign(batch, count)
        moved = mix_amplitude(cycled(batch.labelled, count), weak, ratio, options.mixing_area)
        box = box_masks(
            count, *weak.shape[-2:], generator=self.course.generator, device=weak.device
        )

        stitches = stage.part == SYMMETRIC or options.agreement
        views = [weak]
        if stitches:
            views += [paste(moved, weak, box), paste(weak, moved, box)]
        with self.course.autocast():
            logits = self.networks["teacher"](torch.cat(views))
        predicted = self.targets.probability(logits).split_with_sizes([count] * len(views))
        pseudo, confidence = self.targets.harden(predicted[0])
        sure = (confidence >= options.confidence).float()
        agreed = sure
        if stitches:
            stitched, other = self.targets.harden(paste(predicted[2], predicted[1], box))
            same = (stitched == pseudo).all(1, keepdim=True)
            agreed = sure * same * (other >= options.confidence)
        return Pasted(
            inner=paste(moved, strong, box),
            outer=paste(strong, moved, box),
            box=box,
            true=true,
            true_weight=true_weight,
            pseudo=pseudo,
            sure=agreed if options.agreement else sure,
            agreed=agreed if stage.part == SYMMETRIC else None,
        )

    def losses(  # noqa: D102
        self, batch: Batch, guide: Guidance, stage: Stage, pace: Pace
    ) -> dict[str, Tensor]:
        targets, options, g = self.targets, self.options, guide.pasted
        views = [guide.labelled]
        if g is not None:
            views += [g.inner, g.outer]
            if g.agreed is not None:
                assert batch.unlabelled_strong is not None
                views.append(batch.unlabelled_strong)
        outputs = self.forward("student", *views)

        parts = {"supervised": segmentation_loss(targets, outputs[0], *guide.truth)}
        if g is None:
            return {**parts, "total": parts["supervised"]}

        box = g.box
        zero = outputs[0].new_zeros(())
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
                cycled(outputs[0], len(unlabelled)),
                unlabelled,
                options.divergence,
                options.estimator,  # type: ignore[arg-type]
                exclusive=targets.exclusive,
            )
            parts["align"] = align
        total = total_loss(
            parts["supervised"], parts["inner"], parts["outer"], symmetric, align, pace["weight"]
        )
        if options.entropy_weight > 0:  # our addition: (10) leaves the term out
            entropy = sample_entropy(targets, unlabelled)
            chosen = select(entropy, options.entropy_threshold)
            parts["entropy"] = selective_entropy(entropy, chosen)
            total = total + options.entropy_weight * parts["entropy"]
        return {**parts, "total": total}
