"""UDA-VAE++ (Lu et al., CVPR W 2022): latents of both domains made alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from napari_dim.method.variational import (
    balanced_entropy,
    divergence_to_normal,
    domain_distance,
    information,
)
from napari_dim.nets.variational_networks import (
    LEVELS,
    InformationEstimator,
    Latent,
    VariationalUNet,
    image_decoder,
)
from napari_dim.systems.sifa import unit_range
from napari_dim.systems.system import Batch, Pace, SingleLoss, Stage, cycled

if TYPE_CHECKING:
    from napari_dim.options import UdaVaeOptions

SCALE = {"at_full": 1, "at_half": 2, "at_quarter": 4}
DISTANCE = {"at_full": 14_700.0, "at_half": 7_400.0, "at_quarter": 370.0}
"""Weights of the published sums, for means over pairs and elements."""
DOMAINS = ("labelled", "unlabelled")


class UDAVAE(SingleLoss):
    """Segmentation, image reconstruction, latents of both domains alike, and information.

    ``1000 task + 10 reconstruction + KL + distance + 100 information``, all times `scale`.
    Slices are brought to [0, 1] for the decoders. The target's estimator gets its own
    reconstruction (the public code gives it the source's by a slip). Needs one class a pixel.
    """

    name = "uda-vae"
    title = "UDA-VAE++: latents of both domains made alike"
    terms = {  # noqa: RUF012
        "task": "labelled slices", "reconstruction": "images made again",
        "divergence": "latents to normal", "distance": "domains' latents apart",
        "information": "masks and images", "total": "total",
    }  # fmt: skip
    needs = frozenset({"unlabelled"})
    exclusive = True
    alone = False
    grows = False
    recordable = False
    options: UdaVaeOptions

    def build(self) -> dict[str, nn.Module]:  # noqa: D102
        channels, classes = self.plan.channels, self.plan.targets.channels
        student = VariationalUNet(channels, classes, self.plan.width)
        decoders = {
            f"{domain}_{level}": image_decoder(
                student.widths[level], classes, channels, self.plan.width
            )
            for domain in DOMAINS
            for level in LEVELS
        }
        estimators = {name: InformationEstimator(classes, channels) for name in DOMAINS}
        return {
            "student": student,
            "decoders": nn.ModuleDict(decoders),
            "estimators": nn.ModuleDict(estimators),
        }

    def features(self, x: Tensor) -> Tensor:
        """Mean over the pixels of the last latent map, ``(batch, channel)``."""
        student: Any = self.networks["student"]
        mean: Tensor = student.all(x)[0]["at_full"].mean
        return mean.float().mean((2, 3))

    def make_optimisers(self) -> dict[str, Optimizer]:  # noqa: D102
        rate, decay = self.options.rate, 1e-5
        main = [p for n in ("student", "decoders") for p in self.networks[n].parameters()]
        estimators = self.networks["estimators"].parameters()
        return {
            "student": self.course.adam(main, lr=rate, weight_decay=decay),
            "estimators": self.course.adam(estimators, lr=rate, weight_decay=decay),
        }

    def rates(self, progress: float) -> dict[str, float]:
        """Nine tenths a thirtieth of the schedule, as 30 epochs of the public code."""
        return dict.fromkeys(self.optimisers, 0.9 ** (30 * progress))

    def guide(self, batch: Batch, stage: Stage, pace: Pace) -> dict[str, dict[str, Tensor]]:
        """The noise of both domains' latents, and that which the prior is."""
        x, draws = batch.labelled_strong, self.course.generator
        student: Any = self.networks["student"]
        shapes = {
            level: (
                len(x),
                student.widths[level],
                x.shape[-2] // SCALE[level],
                x.shape[-1] // SCALE[level],
            )
            for level in LEVELS
        }
        return {
            domain: {
                **{n: torch.randn(s, generator=draws, device=x.device) for n, s in shapes.items()},
                "prior": self.uniform(len(x), InformationEstimator.SIDE**2),
            }
            for domain in DOMAINS
        }

    def losses(  # noqa: D102
        self, batch: Batch, guide: Any, stage: Stage, pace: Pace
    ) -> dict[str, Tensor]:
        assert batch.unlabelled is not None
        student: Any = self.networks["student"]
        label, weight = self.targets.encode(batch.index)
        views = (batch.labelled_strong, cycled(batch.unlabelled, len(batch.labelled_strong)))
        sums = {name: label.new_zeros(()) for name in self.terms}
        latents: list[dict[str, Latent]] = []
        for domain, x in zip(DOMAINS, views, strict=True):
            found, logits, fused = self.passed(student.all, x, guide[domain])
            latents.append(found)
            if domain == "labelled":
                sums["task"] = self._task(logits, fused, label, weight)
            made = self._reconstruct(domain, x, found, logits, label)
            sums["reconstruction"] = sums["reconstruction"] + made[0]
            for level in LEVELS:
                sums["divergence"] = sums["divergence"] + divergence_to_normal(
                    found[level].mean.float(), found[level].log_variance.float()
                )
            sums["information"] = sums["information"] - self._information(
                domain, logits, made[1], guide[domain]["prior"]
            )
        for level in LEVELS:
            a, b = ((of[level].mean.float(), of[level].log_variance.float()) for of in latents)
            sums["distance"] = sums["distance"] + DISTANCE[level] * domain_distance(a, b)
        total = (
            1000 * sums["task"]
            + 10 * sums["reconstruction"]
            + sums["divergence"]
            + sums["distance"]
            + 100 * sums["information"]
        )
        return {**sums, "total": self.options.scale * total}

    def _task(
        self, logits: dict[str, Tensor], fused: Tensor, label: Tensor, weight: Tensor
    ) -> Tensor:
        """Class-balanced cross-entropy at each level, and of the fused masks."""
        loss = balanced_entropy(fused, label, weight)
        for level, said in logits.items():
            every = slice(None, None, SCALE[level])
            loss = loss + balanced_entropy(
                said, label[..., every, every], weight[..., every, every]
            )
        return loss

    def _reconstruct(
        self,
        domain: str,
        x: Tensor,
        latents: dict[str, Latent],
        logits: dict[str, Tensor],
        label: Tensor,
    ) -> tuple[Tensor, list[Tensor]]:
        """Cross-entropy of the images made again, and those images."""
        decoders: Any = self.networks["decoders"]
        image = (unit_range(x) + 1) / 2
        loss = x.new_zeros(())
        made = []
        for level in LEVELS:
            step = SCALE[level]
            shown = logits[level].softmax(1)
            if domain == "labelled":
                shown = label[..., ::step, ::step]
            seen = torch.cat([latents[level].draw, shown], 1)
            again = self.passed(decoders[f"{domain}_{level}"], seen)
            true = image
            if step > 1:
                size = (x.shape[-2] // step, x.shape[-1] // step)
                true = F.interpolate(image, size=size, mode="bicubic", align_corners=False)
            again = again.float().clamp(1e-6, 1 - 1e-6)
            true = true.clamp(0, 1)
            loss = loss - (true * again.log() + (1 - true) * (1 - again).log()).mean()
            made.append(again)
        return loss, made

    def _information(
        self, domain: str, logits: dict[str, Tensor], made: list[Tensor], noise: Tensor
    ) -> Tensor:
        """``0.5 whole + local + 0.1 prior``; pairs that don't belong are the batch rolled."""
        estimator: Any = self.networks["estimators"][domain]  # type: ignore[index]
        masks = torch.cat([estimator.pooled(logits[level]) for level in LEVELS], 1)
        images = torch.cat([estimator.pooled(each) for each in made], 1)
        whole, local = estimator.scores(masks, images)
        other_whole, other_local = estimator.scores(masks, images.roll(1, 0))
        real, fake = estimator.prior_scores(masks, noise)
        prior = F.logsigmoid(real).mean() + F.logsigmoid(-fake).mean()
        return 0.5 * information(whole, other_whole) + information(local, other_local) + 0.1 * prior
