"""A student and the moving average of it."""

from __future__ import annotations

from torch import nn

from napari_dim.method.mean_teacher import decay_at, follow
from napari_dim.systems.system import Batch, Pace, SingleLoss, Stage


class MeanTeacher(SingleLoss):
    """Systems whose student is followed by a teacher; the student gives the masks.

    Attributes
    ----------
    warm
        Whether the teacher follows closely at first: ``min(1 - 1/(t + 1), decay)``.
    statistics
        Whether running statistics are averaged, too; else the teacher has those of its own
        passes.
    """

    warm = True
    statistics = False

    def network(self) -> nn.Module:
        """A fresh network; student and teacher are of its kind."""
        return self.plan.backbone()

    def build(self) -> dict[str, nn.Module]:  # noqa: D102
        student, teacher = self.network(), self.network()
        teacher.load_state_dict(student.state_dict())
        return {"student": student, "teacher": teacher.requires_grad_(False)}

    def second_opinion(self) -> nn.Module:  # noqa: D102
        return self.networks["teacher"]

    def pace(self, progress: float, step: int) -> Pace:  # noqa: D102
        decay: float = self.options.teacher_decay
        if self.warm and not self.course.experienced:
            decay = decay_at(step, decay)
        return {"progress": progress, "decay": decay}

    def after(self, batch: Batch, guide: object, stage: Stage, pace: Pace) -> None:  # noqa: D102
        student, teacher = self.networks["student"], self.networks["teacher"]
        follow(teacher, student, pace["decay"], statistics=self.statistics)
