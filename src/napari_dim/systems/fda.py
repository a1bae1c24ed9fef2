"""FDA (Yang & Soatto, CVPR 2020): labelled slices in the look of unlabelled ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from napari_dim.method.entropy import robust_entropy
from napari_dim.method.mixing import mix_amplitude
from napari_dim.systems.system import Batch, Pace, SingleLoss, Stage, cycled

if TYPE_CHECKING:
    from napari_dim.options import FdaOptions


class FDA(SingleLoss):
    """``L_s(x_l→u) + w R(x_u)``, R from a third of the schedule on; separate passes.

    The low amplitudes are replaced whole, on normalised intensities. The second stage of the
    paper, pseudo-labels of three networks, is not here: the table's row is its first.
    """

    name = "fda"
    title = "FDA: labelled slices in the look of unlabelled ones"
    terms = {  # noqa: RUF012
        "supervised": "labelled slices", "entropy": "entropy of unlabelled slices",
        "total": "total",
    }  # fmt: skip
    needs = frozenset({"unlabelled"})
    options: FdaOptions

    def build(self) -> dict[str, nn.Module]:  # noqa: D102
        return {"student": self.plan.backbone()}

    def stage(self, progress: float, step: int) -> Stage:  # noqa: D102
        entropy = progress >= self.options.entropy_from and self.options.entropy_weight > 0
        return Stage(entropy, climbs=self.course.climbs(progress, step))

    def guide(self, batch: Batch, stage: Stage, pace: Pace) -> Tensor:  # noqa: D102
        x = batch.labelled_strong
        if batch.unlabelled is None:
            return x
        style = cycled(batch.unlabelled, len(x))
        ratio = x.new_full((len(x),), self.options.ratio)
        return mix_amplitude(x, style, ratio, self.options.area)

    def losses(  # noqa: D102
        self, batch: Batch, guide: Tensor, stage: Stage, pace: Pace
    ) -> dict[str, Tensor]:
        (labelled,) = self.forward("student", guide)
        parts = {"supervised": self.loss(labelled, *self.targets.encode(batch.index))}
        if batch.unlabelled is None or not stage.unlabelled:
            return {**parts, "total": parts["supervised"]}
        (said,) = self.forward("student", batch.unlabelled)
        p = self.targets.probability(said)
        parts["entropy"] = robust_entropy(self.targets, p, self.options.entropy_power)
        total = parts["supervised"] + self.options.entropy_weight * parts["entropy"]
        return {**parts, "total": total}
