"""U-Net: labelled slices alone, the tables' first row."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from napari_dim.systems.system import Batch, Pace, SingleLoss, Stage


class Supervised(SingleLoss):
    """``L_s`` on labelled slices; in the strong view with `config.Settings.strong_labelled`."""

    name = "supervised"
    title = "U-Net: labelled slices alone"
    terms = {"supervised": "labelled slices", "total": "total"}  # noqa: RUF012

    def build(self) -> dict[str, nn.Module]:  # noqa: D102
        return {"student": self.plan.backbone()}

    def losses(  # noqa: D102
        self, batch: Batch, guide: Any, stage: Stage, pace: Pace
    ) -> dict[str, Tensor]:
        (logits,) = self.forward("student", batch.labelled_strong)
        loss = self.loss(logits, *self.targets.encode(batch.index))
        return {"supervised": loss, "total": loss}
