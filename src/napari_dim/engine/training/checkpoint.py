"""Where a training stands, on the disk: all that it needs to go on to the same result.

One file holds it all, so that none can be of another moment; the one before is kept.
"""

from __future__ import annotations

import math
import os
import secrets
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from napari_dim.config import read_settings_file
from napari_dim.engine.inference.trained_model import RECORD, Model, check_run
from napari_dim.engine.tensor_file import Spec, read_about, write_tensors
from napari_dim.engine.training.assembly import MOMENTS, begin
from napari_dim.errors import InputError
from napari_dim.io.atomic import make_folder
from napari_dim.nets.class_channels import carried

LATEST, PREVIOUS = "latest.safetensors", "previous.safetensors"

_GENERATOR = "generator"
_LARGEST_GENERATOR = 65536
_LARGEST_STATE = 2**28  # values that a system may keep beside its networks
_TYPES = {"float32": torch.float32, "int64": torch.int64, "uint8": torch.uint8}


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
        The optimisers' state: ``"3.exp_avg"`` is that of the fourth parameter; where there
        are several optimisers their name and a slash come first.
    generator
        State of the source of random draws, ``(bytes,)`` uint8.
    state
        What else the system keeps (`systems.system.System.state`).
    notes
        What was decided when it was read, for the user.
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
    state: Mapping[str, Tensor] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def save(self, run: Path, *, after_another: bool = False) -> None:
        """Make this the folder's latest checkpoint; the latest one becomes the previous.

        Those `after_another` training are its, and replaced at once.

        Raises
        ------
        InputError
            If it can't be written; both old ones stand then.
        """
        make_folder(run)
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
                "moments": list(self.moments),
                "generator": len(self.generator),
                "state": {
                    name: [list(tensor.shape), str(tensor.dtype).removeprefix("torch.")]
                    for name, tensor in self.state.items()
                },
            },
        }
        moments = {f"moments.{name}": tensor for name, tensor in self.moments.items()}
        state = {f"state.{name}": tensor for name, tensor in self.state.items()}
        tensors = {**self.model.tensors(), **moments, **state, _GENERATOR: self.generator}
        if not after_another:
            _keep_as_previous(run)
        write_tensors(run / LATEST, tensors, about)
        if after_another:
            with suppress(OSError):
                (run / PREVIOUS).unlink(missing_ok=True)

    @classmethod
    def load(cls, run: Path) -> Checkpoint:
        """The latest checkpoint of a folder, or the previous one if that can't be read.

        Raises
        ------
        InputError
            If there is none, or none can be read.
        """
        check_run(run)
        faults = []
        for path in (run / LATEST, run / PREVIOUS):
            if path.exists():
                try:
                    found = cls._read(path, run)
                except InputError as error:
                    faults.append(error)
                else:
                    told = "The newest checkpoint is damaged: the one before it is taken"
                    return replace(found, notes=(told,) if faults else ())
        if faults:
            raise faults[0]
        raise InputError(
            "there is no checkpoint to go on from",
            where=run,
            hint="A training that came to its end keeps none: go on from its weights in a new "
            "folder instead (--from)",
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
            others |= _moment_specs(shell, training["moments"])
            others |= _state_specs(training.get("state", {}))
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
                _below("moments.", found),
                found[_GENERATOR],
                _below("state.", found),
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


def moments_of(optimisers: Mapping[str, Optimizer]) -> dict[str, Tensor]:
    """The optimisers' state, as `Checkpoint.moments` holds it; empty before the first step."""
    return {
        f"{start}{index}.{kind}": tensor
        for start, optimiser in _named(optimisers)
        for index, values in optimiser.state_dict()["state"].items()
        for kind, tensor in values.items()
        if isinstance(tensor, Tensor)
    }


@torch.no_grad()
def restore_moments(optimisers: Mapping[str, Optimizer], moments: Mapping[str, Tensor]) -> None:
    """Put back what `moments_of` gave, in the layout of the parameters.

    Moments that are there are written over, so that a recorded step finds them; what was not
    there yet is 0, as before the first step.
    """
    for start, optimiser in _named(optimisers):
        own = {k.removeprefix(start): v for k, v in moments.items() if k.startswith(start)}
        if optimiser.state:
            for name, tensor in moments_of({"": optimiser}).items():
                if name in own:
                    tensor.copy_(own[name])
                else:
                    tensor.zero_()
            continue
        parameters = _parameters(optimiser)
        state: dict[int, dict[str, Any]] = {}
        for name, tensor in own.items():
            index, _, kind = name.partition(".")
            parameter = parameters[int(index)]
            if tensor.shape == parameter.shape:  # Bit for bit needs the same order in memory.
                tensor = torch.empty_like(parameter).copy_(tensor)
            state.setdefault(int(index), {})[kind] = tensor.detach().clone()
        optimiser.load_state_dict(
            {"state": state, "param_groups": optimiser.state_dict()["param_groups"]}
        )


def moments_for(
    model: Model,
    optimisers: Mapping[str, Optimizer],
    old: Model,
    moments: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """The optimisers' state for a model that has other classes than the one it is of.

    The mean gradient of a new class begins at 0, its mean square as the background's.
    """
    origin = model.origin(old)
    grown = {
        id(parameter): axes[tensor]
        for name, net in model.networks.items()
        for axes in (model.class_axes(name),)
        for tensor, parameter in net.named_parameters()
        if tensor in axes
    }
    places = {
        f"{start}{index}": id(parameter)
        for start, optimiser in _named(optimisers)
        for index, parameter in enumerate(_parameters(optimiser))
    }
    found = {}
    for name, tensor in moments.items():
        place, _, kind = name.rpartition(".")
        found[name] = tensor
        if kind == "step" or not (axes := grown.get(places[place])):
            continue
        found[name] = carried(tensor, axes, origin)
        if kind != "exp_avg_sq":
            found[name] = carried(tensor, [(axis, False) for axis, _ in axes], origin)
    return found


def _named(optimisers: Mapping[str, Optimizer]) -> list[tuple[str, Optimizer]]:
    """Each optimiser with what its moments' names begin with: nothing if it is the only one."""
    several = len(optimisers) > 1
    return [(f"{name}/" if several else "", each) for name, each in optimisers.items()]


def _parameters(optimiser: Optimizer) -> list[Tensor]:
    return [parameter for group in optimiser.param_groups for parameter in group["params"]]


def _moment_specs(shell: Model, names: Any) -> dict[str, Spec]:
    """What the moments must be; `names` is a file's claim, or (before) whether there are any."""
    begin(shell, torch.device("cpu"), torch.Generator(), moved=False)
    possible = {
        f"{start}{index}.{kind}": Spec(
            () if kind == "step" else tuple(parameter.shape), torch.float32
        )
        for start, optimiser in _named(shell.system.optimisers)
        for index, parameter in enumerate(_parameters(optimiser))
        for kind in MOMENTS[type(optimiser)]
    }
    shell.system.end()
    names = list(possible) if names is True else names or []
    return {f"moments.{name}": possible[name] for name in names}


def _state_specs(claimed: Mapping[str, Any]) -> dict[str, Spec]:
    specs = {}
    left = _LARGEST_STATE
    for name, (shape, dtype) in claimed.items():
        sizes = tuple(int(_number(size, left, whole=True)) for size in shape)
        left -= math.prod(sizes)
        if left < 0:
            raise ValueError("the system's state is too large")
        specs[f"state.{name}"] = Spec(sizes, _TYPES[dtype])
    return specs


def _below(start: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}


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
