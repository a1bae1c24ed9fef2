"""A trained model: networks, what their channels mean, and the grid they see."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from napari_dim.config import Settings, read_settings_file
from napari_dim.data.working_grid import WorkingGrid
from napari_dim.engine.tensor_file import Spec, read_about, read_tensors, write_tensors
from napari_dim.errors import InputError
from napari_dim.io.atomic import make_folder, write_text_atomically
from napari_dim.method.targets import Targets
from napari_dim.nets.class_channels import Axes, Origin, carry_over, class_axes
from napari_dim.systems import SYSTEMS, System
from napari_dim.systems.system import Plan
from napari_dim.volume import Volume

MOST_CLASSES, MOST_CHANNELS = 250, 64
"""More are no classes or channels of an image."""

WEIGHTS = "weights.safetensors"
SETTINGS = "settings.json"
RECORD = "run.json"


_RUN_HINT = "Give the folder that `napari-dim fit --out` wrote"


def check_run(run: Path) -> None:
    """Refuse what can't be a run folder.

    Raises
    ------
    InputError
        If it is not there, or a file.
    """
    if not run.is_dir():
        problem = "this is a file, not a run folder" if run.exists() else "there is no such folder"
        raise InputError(problem, where=run, hint=_RUN_HINT)


@dataclass(frozen=True, repr=False)
class Model:
    """What `predict` needs.

    Attributes
    ----------
    system
        Its networks, and which of them gives the masks.
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
        Ids of the classes that come in one piece; see `engine.inference.components`.
    """

    system: System
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
        device: str = "cpu",
    ) -> Self:
        """A model with fresh weights, the same for the same seed.

        On the device ``"meta"`` it has shapes and takes no memory.
        """
        plan = _plan(settings, make_targets(settings, classes), channels, context)
        with torch.random.fork_rng(), torch.device(device):
            torch.manual_seed(settings.seed)
            system = SYSTEMS[settings.system.name](plan, settings.system)
        return cls(system, settings, classes, channels, context, grid, record)

    def __repr__(self) -> str:
        """One line: a notebook shows it, and all the weights would fill it."""
        settings = self.settings
        classes = ", ".join(str(one) for one in self.classes)
        steps = f", {self.record['steps']:,} steps" if "steps" in self.record else ""
        return f"<Model {settings.system.name}, {settings.network}, classes {classes}{steps}>"

    @property
    def networks(self) -> nn.ModuleDict:
        """The system's networks, by name."""
        return self.system.networks

    @property
    def net(self) -> nn.Module:
        """The network that gives the masks."""
        return self.system.mask_network()

    def check_fits(self, volume: Volume) -> None:
        """Refuse a volume that the networks can't take.

        Raises
        ------
        InputError
            If it has another number of channels.
        """
        if volume.channels != self.channels:
            raise InputError(
                f"the image has {volume.channels} channels, "
                f"the model was trained on {self.channels}",
                where=volume.path,
            )

    def misfit(self, other: Model) -> str:
        """Why training can't go on from the weights of `other`; empty if it can.

        The classes may differ; see `nets.class_channels.carry_over`.
        """
        pairs = {
            "network": (other.settings.network, self.settings.network),
            "width": (other.settings.width, self.settings.width),
            "local contrast": (other.settings.local_contrast, self.settings.local_contrast),
            "number of channels": (other.channels, self.channels),
            "number of neighbouring slices": (other.context, self.context),
        }
        changed = [what for what, (old, new) in pairs.items() if old != new]
        if not changed and any(
            _names(net) != _names(self._source(other, name)) for name, net in self.networks.items()
        ):
            changed = ["training system"]
        if not changed and self.origin(other) != list(range(self.targets.channels)):
            changed = [] if self.system.grows else ["set of classes"]
        return f"another {changed[0]}" if changed else ""

    def take_weights(self, other: Model) -> None:
        """Start from the weights of `other`; of classes that it has not, from its background.

        A network that the other has not takes those of its main one.
        """
        origin = self.origin(other)
        for name, net in self.networks.items():
            axes = self.class_axes(name)
            source = self._source(other, name)
            carry_over(net, source, axes, origin, exclusive=self.targets.exclusive)

    def _source(self, other: Model, name: str) -> nn.Module:
        """The network of `other` that one of this model's starts from."""
        networks = other.networks
        return networks[name] if name in networks else networks[next(iter(networks))]

    def class_axes(self, name: str) -> Axes:
        """Which tensors of a network have an entry a class, or a region."""

        def build(channels: int) -> nn.Module:
            with torch.device("cpu"):  # asked for on none
                plan = replace(self.system.plan, targets=Targets(channels))
            return type(self.system)(plan, self.system.options).networks[name]

        return class_axes(build, self.targets.channels) if self.system.grows else {}

    def origin(self, other: Model) -> Origin:
        """For each channel of the logits, the channel of `other` of the same meaning."""
        own, given = self._meanings(), other._meanings()
        return [given.index(meaning) if meaning in given else None for meaning in own]

    def _meanings(self) -> list[tuple[int, ...]]:
        """The ids that each channel of the logits stands for; of the background none."""
        if not self.targets.exclusive:
            return [tuple(sorted(region)) for region in self.settings.regions]
        return [(), *((class_id,) for class_id in self.classes)]

    @property
    def targets(self) -> Targets:
        """Meaning of the networks' channels."""
        return make_targets(self.settings, self.classes)

    def save(self, run: Path) -> None:
        """Write weights, settings and record into a run folder, each whole or not at all.

        The weights alone make the model again; settings and record are for people, so a
        moment in which the three are of different checkpoints does no harm.
        """
        make_folder(run)
        write_tensors(run / WEIGHTS, self.tensors(), self.description())
        self.save_record(run)

    def save_record(self, run: Path) -> None:
        """Write settings and record alone."""
        make_folder(run)
        settings = self.settings.model_dump_json(indent=2)
        write_text_atomically(run / SETTINGS, settings + "\n")
        record = {**self.record, "model": self._shape()}
        write_text_atomically(run / RECORD, json.dumps(record, indent=2) + "\n")

    @classmethod
    def load(cls, run: Path) -> Self:
        """Read a run folder; shapes and types are checked before a tensor is read.

        Raises
        ------
        InputError
            If it is not a whole run folder of napari-dim.
        """
        check_run(run)
        for name in (WEIGHTS, SETTINGS, RECORD):
            if not (run / name).is_file():
                hint = _RUN_HINT
                if name == WEIGHTS and (run / RECORD).is_file():
                    hint = "The training ended before its first checkpoint; train again"
                raise InputError(f"not a run folder: {name} is missing", where=run, hint=hint)
        record = read_settings_file(run / RECORD)
        shape = record.pop("model", None)
        # A run of before 0.3 has no description beside its weights.
        about = read_about(run / WEIGHTS) or {
            "settings": read_settings_file(run / SETTINGS), "model": shape,
        }  # fmt: skip
        return cls.from_file(run / WEIGHTS, about, record)

    @classmethod
    def from_file(
        cls,
        path: Path,
        about: Mapping[str, Any],
        record: Mapping[str, Any],
        others: Mapping[str, Spec] | None = None,
        into: dict[str, Tensor] | None = None,
    ) -> Self:
        """The model that a file of tensors holds.

        Parameters
        ----------
        path
            The file.
        about
            What `description` gave; from a file, so nothing of it is trusted.
        record
            The run's record.
        others
            Further tensors that the file must hold.
        into
            Takes those.

        Raises
        ------
        InputError
            If the description or a tensor is not as it must be.
        """
        # Shapes without memory: they are only claimed so far.
        shell = cls.described(about, record, path, "meta")
        tensors = read_tensors(path, {**shell.specs(), **(others or {})})
        model = cls.described(about, record, path)
        if not all(bool(torch.isfinite(t).all()) for t in tensors.values()):
            raise InputError("it holds weights that are not numbers", where=path)
        for name in others or {}:
            assert into is not None
            into[name] = tensors.pop(name)
        model.networks.load_state_dict(tensors)
        return model

    def description(self) -> dict[str, Any]:
        """What makes a model of its tensors again, as plain values."""
        return {"settings": self.settings.model_dump(mode="json"), "model": self._shape()}

    def tensors(self) -> dict[str, Tensor]:
        """All tensors of the networks, by name."""
        return dict(self.networks.state_dict())

    def fingerprint(self) -> str:
        """What tells this model from any other: SHA-256 of its weights and its shape."""
        digest = hashlib.sha256(json.dumps(self._shape(), sort_keys=True).encode())
        for name, tensor in sorted(self.tensors().items()):
            digest.update(f"{name} {tensor.dtype}".encode())
            values = tensor.detach().cpu().contiguous().reshape(-1)
            digest.update(values.view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()

    def specs(self) -> dict[str, Spec]:
        """Their shapes and types."""
        return {name: Spec.of(tensor) for name, tensor in self.tensors().items()}

    def _shape(self) -> dict[str, Any]:
        return {
            "classes": self.classes,
            "channels": self.channels,
            "context": self.context,
            "grid": self.grid.to_dict(),
            "pieces": self.pieces,
        }

    @classmethod
    def described(
        cls, about: Mapping[str, Any], record: Mapping[str, Any], where: Path, device: str = "cpu"
    ) -> Self:
        """A model of the shape that `description` told, with fresh weights.

        Raises
        ------
        InputError
            If that is no shape of a model.
        """
        try:
            settings, shape = about["settings"], about["model"]
            classes = tuple(_whole(i, 1, 2**31) for i in shape["classes"])
            pieces = tuple(_whole(i, 1, 2**31) for i in shape["pieces"])
            channels = _whole(shape["channels"], 1, MOST_CHANNELS)
            context = _whole(shape["context"], 0, 2)
            grid = WorkingGrid.from_dict(shape["grid"])
            if not 0 < len(classes) <= MOST_CLASSES or len({*classes}) != len(classes):
                raise ValueError("the classes are not 1 to 250 ids")
            if not {*pieces} <= {*classes}:
                raise ValueError("a class is named that it does not have")
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise InputError(
                f"what describes the model is damaged: {error}", where=where, hint="Train again"
            ) from error
        if not isinstance(settings, dict):
            raise InputError("what describes the model is damaged", where=where)
        model = cls.new(Settings.kept(settings), classes, channels, context, grid, record, device)
        return replace(model, pieces=pieces)


def _plan(settings: Settings, targets: Targets, channels: int, context: int) -> Plan:
    """What the networks are made from."""
    return Plan(
        targets,
        channels * (2 * context + 1),
        settings.network,
        settings.width,
        settings.local_contrast,
    )


def _names(net: nn.Module) -> set[str]:
    """Names of a network's tensors: those of another architecture differ."""
    return set(net.state_dict())


def _whole(value: Any, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ValueError(f"{str(value)[:40]} is not between {low} and {high}")
    return value


def make_targets(settings: Settings, classes: tuple[int, ...]) -> Targets:
    """The meaning of the channels for class ids, regions included.

    Raises
    ------
    InputError
        If a region names an id that no labelled slice holds, or can't tell classes apart.
    """
    if SYSTEMS[settings.system.name].exclusive:
        return Targets(len(classes) + 1)
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
