"""Where a training stands, on the disk: all that it needs to go on to the same result.

One file holds it all, so that none can be of another moment; the one before is kept.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from napari_dim.config import read_settings_file
from napari_dim.engine.inference.trained_model import RECORD, Model, make_run_folder
from napari_dim.engine.tensor_file import Spec, read_about, write_tensors
from napari_dim.errors import InputError
from napari_dim.nets.class_channels import carried

LATEST, PREVIOUS = "latest.safetensors", "previous.safetensors"

_MOMENTS = {"adamw": ("step", "exp_avg", "exp_avg_sq"), "sgd": ("momentum_buffer",)}
_GENERATOR = "generator"
_LARGEST_GENERATOR = 65536


@dataclass(frozen=True)
class Checkpoint:
    """A moment of a training.

    Attributes
    ----------
    model
        The networks.
    step
        Steps done.
    seconds
        Time of training so far.
    skipped
        Where the schedule began; see `engine.training.clock.Clock`.
    rate
        What the learning rate is multiplied by.
    batches
        Labelled and unlabelled slices a step.
    experienced
        Whether the networks were trained before this training.
    device
        What the generator draws on.
    moments
        The optimiser's state: ``"3.exp_avg"`` is that of the fourth parameter.
    generator
        State of the source of random draws, ``(bytes,)`` uint8.
    """

    model: Model
    step: int
    seconds: float
    skipped: float
    rate: float
    batches: tuple[int, int]
    experienced: bool
    device: str
    moments: Mapping[str, Tensor]
    generator: Tensor

    def save(self, run: Path) -> None:
        """Make this the folder's latest checkpoint; the latest one becomes the previous.

        Raises
        ------
        InputError
            If it can't be written; both old ones stand then.
        """
        make_run_folder(run)
        about = {
            **self.model.description(),
            "training": {
                "step": self.step,
                "seconds": self.seconds,
                "skipped": self.skipped,
                "rate": self.rate,
                "batches": self.batches,
                "experienced": self.experienced,
                "device": self.device,
                "moments": bool(self.moments),
                "generator": len(self.generator),
            },
        }
        moments = {f"moments.{name}": tensor for name, tensor in self.moments.items()}
        tensors = {**self.model.tensors(), **moments, _GENERATOR: self.generator}
        _keep_as_previous(run)
        write_tensors(run / LATEST, tensors, about)

    @classmethod
    def load(cls, run: Path) -> Checkpoint:
        """The latest checkpoint of a folder, or the previous one if that can't be read.

        Raises
        ------
        InputError
            If there is none, or none can be read.
        """
        faults = []
        for path in (run / LATEST, run / PREVIOUS):
            if path.exists():
                try:
                    return cls._read(path, run)
                except InputError as error:
                    faults.append(error)
        if faults:
            raise faults[0]
        raise InputError(
            "there is no checkpoint to go on from",
            where=run,
            hint="A training that came to its end keeps none: go on from its weights instead",
        )

    @classmethod
    def _read(cls, path: Path, run: Path) -> Checkpoint:
        record = read_settings_file(run / RECORD) if (run / RECORD).is_file() else {}
        record.pop("model", None)
        about = read_about(path)
        try:
            training = about["training"]
            step = _number(training["step"], 10**9, whole=True)
            length = _number(training["generator"], _LARGEST_GENERATOR, whole=True)
            shell = Model.described(about, record, path, "meta")
            others = {_GENERATOR: Spec((int(length),), torch.uint8)}
            if training["moments"]:
                others |= _moment_specs(shell)
            found: dict[str, Tensor] = {}
            model = Model.from_file(path, about, record, others, found)
            labelled, unlabelled = training["batches"]
            return cls(
                model,
                int(step),
                _number(training["seconds"], 1e9),
                _number(training["skipped"], 1.0),
                _number(training["rate"], 1.0),
                (
                    int(_number(labelled, 256, whole=True)),
                    int(_number(unlabelled, 256, whole=True)),
                ),
                bool(training["experienced"]),
                str(training["device"])[:10],
                {k.removeprefix("moments."): v for k, v in found.items() if k != _GENERATOR},
                found[_GENERATOR],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"the checkpoint is damaged: {error}", where=path) from error


def has_checkpoint(run: Path) -> bool:
    """Whether a training can go on from a folder."""
    return (run / LATEST).is_file() or (run / PREVIOUS).is_file()


def forget_checkpoints(run: Path) -> None:
    """Remove them: the training has come to its end, or another one begins here."""
    for name in (LATEST, PREVIOUS):
        with suppress(OSError):
            (run / name).unlink(missing_ok=True)


def moments_of(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's state, as `Checkpoint.moments` holds it; empty before the first step."""
    state = optimiser.state_dict()["state"]
    return {
        f"{index}.{name}": tensor
        for index, values in state.items()
        for name, tensor in values.items()
        if isinstance(tensor, Tensor)
    }


@torch.no_grad()
def restore_moments(optimiser: torch.optim.Optimizer, moments: Mapping[str, Tensor]) -> None:
    """Put back what `moments_of` gave, in the layout of the parameters.

    Moments that are there are written over, so that a recorded step finds them; what was not
    there yet is 0, as before the first step.
    """
    if optimiser.state:
        for name, tensor in moments_of(optimiser).items():
            if name in moments:
                tensor.copy_(moments[name])
            else:
                tensor.zero_()
        return
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    state: dict[int, dict[str, Any]] = {}
    for name, tensor in moments.items():
        index, _, kind = name.partition(".")
        parameter = parameters[int(index)]
        if tensor.shape == parameter.shape:  # Bit for bit needs the same order in memory, too.
            tensor = torch.empty_like(parameter).copy_(tensor)
        state.setdefault(int(index), {})[kind] = tensor.detach().clone()
    optimiser.load_state_dict(
        {"state": state, "param_groups": optimiser.state_dict()["param_groups"]}
    )


def moments_for(model: Model, old: Model, moments: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The optimiser's state for a model that has other classes than the one it is of.

    The mean gradient of a new class begins at 0, its mean square as the background's.
    """
    axes, origin = model.class_axes(), model.origin(old)
    names = [name for name, _ in old.student.named_parameters()]
    found = {}
    for name, tensor in moments.items():
        index, _, kind = name.partition(".")
        found[name] = tensor
        if kind == "step" or not (grown := axes.get(names[int(index)])):
            continue
        found[name] = carried(tensor, grown, origin)
        if kind != "exp_avg_sq":
            still = [(axis, False) for axis, _ in grown]
            found[name] = carried(tensor, still, origin)
    return found


def _moment_specs(shell: Model) -> dict[str, Spec]:
    return {
        f"moments.{index}.{name}": Spec(
            () if name == "step" else tuple(parameter.shape), torch.float32
        )
        for index, parameter in enumerate(shell.student.parameters())
        for name in _MOMENTS[shell.settings.optimiser]
    }


def _number(value: Any, most: float, *, whole: bool = False) -> float:
    kind = int if whole else int | float
    if isinstance(value, bool) or not isinstance(value, kind) or not 0 <= value <= most:
        raise ValueError(f"{str(value)[:40]} is not between 0 and {most:g}")
    return float(value)


def _keep_as_previous(run: Path) -> None:
    """Give the latest checkpoint its second name; it keeps the first one until replaced."""
    latest = run / LATEST
    if not latest.is_file():
        return
    other = run / f".{secrets.token_hex(6)}.{PREVIOUS}"
    try:
        try:
            os.link(latest, other)
        except OSError:  # No links here, as on exFAT.
            shutil.copyfile(latest, other)
        other.replace(run / PREVIOUS)
    except OSError as error:
        raise InputError(
            f"the checkpoint can't be kept: {error.strerror or error}", where=run
        ) from error
    finally:
        with suppress(OSError):
            other.unlink(missing_ok=True)
