"""A trained model: networks, what their channels mean, and the grid they see."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from napari_dim import nets
from napari_dim.config import Settings, read_settings_file
from napari_dim.data.working import WorkingGrid
from napari_dim.errors import InputError
from napari_dim.io.atomic import atomic_path, write_text_atomically
from napari_dim.method.targets import Targets

WEIGHTS = "weights.safetensors"
SETTINGS = "settings.json"
RECORD = "run.json"


@dataclass(frozen=True)
class Model:
    """What `predict` needs.

    Attributes
    ----------
    student
        The network that is optimised.
    teacher
        Its moving average; None after supervised training.
    settings
        What it was trained with.
    classes
        Class ids by class index - 1: ``classes[0]`` is the id of index 1.
    channels
        Channels of an image.
    context
        Neighbouring slices on each side that the network sees.
    grid
        The working grid.
    record
        What is needed to reproduce the run: seed, versions, inputs.
    pieces
        Ids of the classes that come in one piece; see `engine.pieces`.
    """

    student: nn.Module
    teacher: nn.Module | None
    settings: Settings
    classes: tuple[int, ...]
    channels: int
    context: int
    grid: WorkingGrid
    record: Mapping[str, Any]
    pieces: tuple[int, ...] = ()

    @classmethod
    def new(
        cls,
        settings: Settings,
        classes: tuple[int, ...],
        channels: int,
        context: int,
        grid: WorkingGrid,
        record: Mapping[str, Any],
    ) -> Self:
        """A model with fresh weights, the same for the same seed; the teacher starts as a copy."""
        targets = make_targets(settings, classes)

        def build() -> nn.Module:
            return nets.build(
                settings.network,
                channels_in=channels * (2 * context + 1),
                channels_out=targets.channels,
                width=settings.width,
            )

        with torch.random.fork_rng():
            torch.manual_seed(settings.seed)
            student = build()
            teacher = build() if settings.method == "dim" else None
        if teacher is not None:
            teacher.load_state_dict(student.state_dict())
            teacher.requires_grad_(False)
        return cls(student, teacher, settings, classes, channels, context, grid, record)

    @property
    def net(self) -> nn.Module:
        """The network that gives the masks."""
        if self.settings.final == "teacher" and self.teacher is not None:
            return self.teacher
        return self.student

    def misfit(self, other: Model) -> str:
        """Why training can't go on from the weights of `other`; empty if it can.

        The classes may differ: what depends on their number starts anew then.
        """
        pairs = {
            "network": (other.settings.network, self.settings.network),
            "width": (other.settings.width, self.settings.width),
            "number of channels": (other.channels, self.channels),
            "number of neighbouring slices": (other.context, self.context),
        }
        changed = [what for what, (old, new) in pairs.items() if old != new]
        return f"another {changed[0]}" if changed else ""

    def take_weights(self, other: Model) -> None:
        """Start from the weights of `other`, as far as their shapes agree.

        The teacher takes those of the other's teacher, or of its student if it has none.
        """
        for net, source in (
            (self.student, other.student),
            (self.teacher, other.teacher or other.student),
        ):
            if net is not None:
                own = net.state_dict()
                given = source.state_dict()
                net.load_state_dict(
                    {
                        name: given[name] if given[name].shape == tensor.shape else tensor
                        for name, tensor in own.items()
                    }
                )

    @property
    def targets(self) -> Targets:
        """Meaning of the networks' channels."""
        return make_targets(self.settings, self.classes)

    def save(self, run: Path) -> None:
        """Write weights, settings and record into a run folder, each whole or not at all."""
        from safetensors.torch import save

        run.mkdir(parents=True, exist_ok=True)
        with atomic_path(run / WEIGHTS) as temporary:
            temporary.write_bytes(save(self._tensors()))
        settings = self.settings.model_dump_json(indent=2)
        write_text_atomically(run / SETTINGS, settings + "\n")
        record = {
            **self.record,
            "model": {
                "classes": self.classes,
                "channels": self.channels,
                "context": self.context,
                "grid": self.grid.to_dict(),
                "pieces": self.pieces,
            },
        }
        write_text_atomically(run / RECORD, json.dumps(record, indent=2) + "\n")

    @classmethod
    def load(cls, run: Path) -> Self:
        """Read a run folder.

        Raises
        ------
        InputError
            If it is not a whole run folder of napari-dim.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        for name in (WEIGHTS, SETTINGS, RECORD):
            if not (run / name).is_file():
                raise InputError(
                    f"not a run folder: {name} is missing",
                    where=run,
                    hint="Give the folder that `napari-dim fit --out` wrote",
                )
        settings = Settings.from_file(run / SETTINGS)
        record = read_settings_file(run / RECORD)
        try:
            shape = record.pop("model")
            model = cls.new(
                settings,
                tuple(int(i) for i in shape["classes"]),
                int(shape["channels"]),
                int(shape["context"]),
                WorkingGrid.from_dict(shape["grid"]),
                record,
            )
            model._fill(load_file(run / WEIGHTS))
            pieces = tuple(int(i) for i in shape["pieces"])
        except (
            KeyError, TypeError, ValueError, OverflowError, RuntimeError, OSError, SafetensorError,
        ) as error:  # fmt: skip
            raise InputError(
                f"the run can't be read: {error}", where=run, hint="Train again"
            ) from error
        return replace(model, pieces=pieces)

    def _tensors(self) -> dict[str, Tensor]:
        parts = {"student": self.student, "teacher": self.teacher}
        return {
            f"{part}.{name}": tensor.detach().cpu().contiguous()
            for part, net in parts.items()
            if net is not None
            for name, tensor in net.state_dict().items()
        }

    def _fill(self, tensors: Mapping[str, Tensor]) -> None:
        for part, net in (("student", self.student), ("teacher", self.teacher)):
            if net is None:
                continue
            start = f"{part}."
            net.load_state_dict(
                {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}
            )


def make_targets(settings: Settings, classes: tuple[int, ...]) -> Targets:
    """The meaning of the channels for class ids, regions included.

    Raises
    ------
    InputError
        If a region names an id that no labelled slice holds, or can't tell classes apart.
    """
    index = {class_id: place + 1 for place, class_id in enumerate(classes)}
    missing = sorted({i for region in settings.regions for i in region} - set(index))
    if missing:
        raise InputError(
            f"the regions name class {missing[0]}, which no labelled slice holds",
            where="settings",
            hint="Label it in at least one slice, or leave it out of the regions",
        )
    try:
        return Targets(
            len(classes) + 1, [[index[i] for i in region] for region in settings.regions]
        )
    except ValueError as error:
        raise InputError(f"regions: {error}", where="settings") from error
