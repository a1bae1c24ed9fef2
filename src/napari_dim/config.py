"""Every setting once: default, range, unit, what it does, and the paper's symbol.

The command line, the plugin's form, the settings page and the record in a run folder are
all made from these fields.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import ValidationError, model_validator
from pydantic.fields import FieldInfo

from napari_dim.errors import InputError
from napari_dim.fault_words import in_words, unknown
from napari_dim.options import OPTIONS, Checked, DimOptions, Options, SystemOptions, setting
from napari_dim.words import LONGEST, UNTIL_STOPPED, parse_time

Preset = Literal["interactive", "paper", "published"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Network = Literal["resunet-wide", "resunet", "unet", "published-unet"]
Optimiser = Literal["sgd", "adamw"]


class Settings(Checked):
    """All settings of one training; saved with every run."""

    preset: Preset = setting(
        "interactive",
        "interactive: made for an annotator who waits. paper: the paper's network and schedule, as "
        "printed. published: the same as the baseline's public loop runs it",
        group="run",
    )
    system: SystemOptions = setting(
        DimOptions(),
        "How to learn. dim: from labelled and unlabelled slices; supervised: from labelled ones "
        "alone; the others are those of the paper's tables",
        group="run",
    )
    budget: float | None = setting(
        180.0,
        "How long to train, from the first step on",
        group="run",
        unit="s",
        symbol="T",
        gt=0,
        le=LONGEST,
    )
    steps: int | None = setting(
        None, "Train this many steps instead of a time", group="run", symbol="T", ge=1, le=10**7
    )
    until_stopped: bool = setting(
        False, "Train until it is stopped, in rounds: the time or steps above are the first one's "
        "length", group="run",
    )  # fmt: skip
    apart: bool = setting(
        False, "Train in a process of its own: a crash in it takes nothing else down, and it "
        "learns more while you paint, where no graphics card draws the window", group="run",
    )  # fmt: skip
    seed: int = setting(
        0, "Same seed, same CPU, same number of steps: same result", group="run", ge=0, lt=2**31
    )
    device: Device = setting("auto", "Where to train", group="run")
    threads: int = setting(
        0, "CPU threads for training; 0: as many as other programs leave cores, and at most "
        "OMP_NUM_THREADS; by steps one a CPU, for the same result each time", group="run", ge=0,
        le=1024,
    )  # fmt: skip
    mixed_precision: bool = setting(
        True, "Compute in bfloat16 where the device gains from it", group="run"
    )

    labelled_batch: int = setting(
        0, "Labelled slices a step; 0: 4, and 8 on a graphics card", group="data", ge=0, le=256
    )
    unlabelled_batch: int = setting(
        0, "Unlabelled slices a step; 0: 2, and 8 on a graphics card", group="data", ge=0, le=256
    )
    context: int = setting(
        1, "Neighbouring slices on each side that the network also sees", group="data", ge=0, le=2
    )
    context_reach: float = setting(
        4.0, "No neighbours are shown where slices mostly lie farther apart; 0: however far",
        group="data", unit="pixels of the working grid", ge=0, le=100,
    )  # fmt: skip
    context_drop: float = setting(
        0.0, "Chance that a slice is shown without its neighbours in training, itself in their "
        "place", group="data", ge=0, le=1,
    )  # fmt: skip
    min_size: int = setting(
        96, "Smaller slices than this are enlarged", group="data", unit="pixels", ge=16, le=1024
    )
    usual_size: int = setting(
        128, "Larger slices are reduced to this, unless the labelled structures need more",
        group="data", unit="pixels", ge=32, le=2048,
    )  # fmt: skip
    max_size: int = setting(
        256, "Largest slice the network sees, whatever the structures or min_size need",
        group="data", unit="pixels", ge=32, le=2048,
    )  # fmt: skip
    detail: float = setting(
        0.97, "Dice that the labels must keep when they are reduced", group="data",
        ge=0, le=1,
    )  # fmt: skip
    slice_memory: float = setting(
        0.0, "Memory for slices on the device; 0: a quarter of what is free. What doesn't fit "
        "is read as it is needed", group="data", unit="MiB", ge=0, le=2**20,
    )  # fmt: skip
    regions: tuple[tuple[int, ...], ...] = setting(
        (),
        "Overlapping targets as groups of class ids, largest first, such as disc = rim + cup: "
        "[[1, 2], [2]]. Empty: one class a pixel.",
        group="data",
    )

    network: Network = setting("resunet-wide", "Which network", group="network")
    width: int = setting(16, "Channels of the network's first level", group="network", ge=4, le=256)

    local_contrast: float = setting(
        0.0, "The network also sees each pixel against its surroundings, so far around it: for "
        "scans with much air or very bright parts; 0: the image alone", group="network",
        unit="pixels of the working grid", ge=0, le=256,
    )  # fmt: skip

    optimiser: Optimiser = setting("adamw", "Base optimiser", group="optimiser")
    learning_rate: float = setting(2e-3, "Learning rate", group="optimiser", gt=0, le=1)
    momentum: float = setting(0.9, "Momentum of SGD", group="optimiser", ge=0, lt=1)
    weight_decay: float = setting(1e-4, "Weight decay", group="optimiser", ge=0, le=1)
    cross_entropy: Literal["counted", "all"] = setting(
        "counted", "Cross-entropy is the mean over the pixels that count, or over all of them",
        group="optimiser",
    )  # fmt: skip
    dice: Literal["present", "squared"] = setting(
        "present", "Dice with plain sums over the classes that are there, or with squared ones "
        "pooled over the batch", group="optimiser",
    )  # fmt: skip
    decay_power: float = setting(
        0.9, "Learning rate falls as (1 - t/T) to this power", group="optimiser", ge=0, le=4
    )
    resume_at: float = setting(
        0.4, "Where in the schedule a training begins that goes on from earlier weights",
        group="optimiser", symbol="t/T", ge=0, lt=1,
    )  # fmt: skip
    sharpness: float = setting(
        0.05, "Radius of the sharpness-aware perturbation; 0 switches it off",
        group="optimiser", symbol="ρ", ge=0, le=10,
    )  # fmt: skip
    sharpness_every: int = setting(
        4, "Perturb on every k-th step only", group="optimiser", ge=1, le=1000
    )
    sharpness_from: float = setting(
        0.8, "Perturb only after this share of the schedule", group="optimiser", ge=0, le=1
    )

    mirror: float = setting(
        0.0, "Chance that columns are mirrored (left and right)", group="views", ge=0, le=1
    )
    flip: float = setting(0.0, "Chance that rows are turned upside down", group="views", ge=0, le=1)
    rotation: float = setting(20.0, "Largest rotation", group="views", unit="degrees", ge=0, le=180)
    zoom: float = setting(0.2, "Largest relative change of size", group="views", ge=0, le=0.9)
    elastic: float = setting(
        0.02, "Size of elastic deformation, of the slice's width", group="views", ge=0, le=0.2
    )
    strength: float = setting(
        1.0, "How strong the changes of brightness, contrast, blur and noise are",
        group="views", ge=0, le=3,
    )  # fmt: skip

    strong_view: Literal["full", "published"] = setting(
        "full", "What the strong view changes: also gamma, bias field and noise, or always "
        "brightness, contrast and blur as the baseline's public code does", group="views",
    )  # fmt: skip
    strong_range: tuple[float, float] = setting(
        (0.5, 1.5), "Range of the published strong view's factors (prostate there: 0.1 to 2)",
        group="views",
    )  # fmt: skip
    random_contrast: float = setting(
        0.0, "Share of the slices whose strong view is in a random contrast: for scans of other "
        "sequences or scanners than the labelled ones", group="views", ge=0, le=1,
    )  # fmt: skip
    random_tones: Literal["never", "wide", "always"] = setting(
        "wide", "Strong views have random tone curves and a coil's uneven brightness: where some "
        "scans show much more around the structures than the patch does, for they come from "
        "another scanner or sequence, or always", group="views",
    )  # fmt: skip
    corrected: float = setting(
        3.0, "How often a slice whose mask a person corrected is drawn for each time of another "
        "labelled one", group="views", ge=1, le=100,
    )  # fmt: skip
    border: Literal["edge", "dark"] = setting(
        "edge", "What lies beyond a moved slice: its edge again, or the darkest value, labelled "
        "background, as in the baseline's public code", group="views",
    )  # fmt: skip
    strong_labelled: bool = setting(
        True, "Labelled slices are shown in the strong view too (the paper: weak)", group="views"
    )

    focus: bool = setting(
        True, "Slices much larger than a training's patch are predicted around the place that "
        "the labelled structures have in their field of view, if the patch holds them; everywhere "
        "where nothing shows there",
        group="views",
    )  # fmt: skip
    closer: float = setting(
        1.75, "In slices that are seen around that place, structures may look so many times "
        "smaller than the labelled ones: unlabelled ones are learnt from up to so much enlarged, "
        "and a scan is predicted at the size at which the network is surest; 1: as they are",
        group="views", ge=1, le=4,
    )  # fmt: skip
    smooth: float = setting(
        2.0, "Masks are smoothed across slices over this distance", group="views",
        unit="pixels of the working grid", ge=0, le=10,
    )  # fmt: skip
    lean: bool = setting(
        True, "The masks of the labelled scan lean on its labelled slices in those between them, "
        "the more, the worse the network does on the labelled ones; the weights are the same",
        group="views",
    )  # fmt: skip

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.steps is None and self.budget is None:
            raise ValueError("give a budget in seconds or a number of steps")
        low, high = self.strong_range
        if not 0 <= low <= high <= 10:
            raise ValueError("strong_range is two factors between 0 and 10, the smaller first")
        for region in self.regions:
            if not region or any(not 0 < i < 2**31 for i in region):
                raise ValueError("a region is a group of class ids above 0")
        return self

    @classmethod
    def make(cls, **changes: Any) -> Settings:
        """Settings of the preset and system named in `changes`, then `changes`.

        A system's own options may stand beside the others or in `system`, a table with its
        name. Those of before there were several systems, with `method`, are taken too. A
        `budget` may be written as at the command line: ``"3m"``, ``"until-stopped"``.

        Raises
        ------
        InputError
            If names are unknown, values are outside their range (all of them are named), or
            `budget` and `steps` are both given.
        """
        changes = with_length(changes)
        # str(): what comes from a file may be no name at all; it is refused below.
        preset = PRESETS.get(str(changes.get("preset", "interactive")), {})
        name, table, given = _parted(changes)
        own = OPTIONS[name].model_fields if name in OPTIONS else {}
        system = {
            **{key: value for key, value in preset.items() if key in own},
            **table,
            **{key: value for key, value in given.items() if key in own},
            "name": name,
        }
        values = {
            **{key: value for key, value in preset.items() if key in cls.model_fields},
            **SYSTEM_DEFAULTS.get(name, {}),
            **{key: value for key, value in given.items() if key not in own},
            "system": system,
        }
        try:
            return cls(**values)
        except ValidationError as error:
            faults = [_told(fault, name) for fault in error.errors(include_url=False)]
            raise InputError("; ".join(faults), where="settings") from error

    @classmethod
    def kept(cls, values: Mapping[str, Any]) -> Settings:
        """Settings as a run keeps them; earlier versions left a budget beside steps unused.

        Raises
        ------
        InputError
            As `make`.
        """
        dead = {"budget"} if values.get("steps") is not None else set()
        return cls.make(**{name: value for name, value in values.items() if name not in dead})

    def changed(self, **changes: Any) -> Settings:
        """These settings with `changes`; a preset is a whole of its own, so is a system.

        Raises
        ------
        InputError
            As `make`.
        """
        base = {} if "preset" in changes else self.model_dump()
        if {"system", "method"} & set(changes) and _parted(changes)[0] != self.system.name:
            base.pop("system", None)
        return Settings.make(**{**base, **with_length(changes)})

    @classmethod
    def from_file(cls, path: Path, **changes: Any) -> Settings:
        """Settings from a TOML or JSON file, then `changes`."""
        return cls.make(**{**read_settings_file(path), **changes})


PRESETS: dict[str, dict[str, Any]] = {
    "interactive": {},
    # Section 4.2 of the paper, and the network and schedule of its baseline.
    "paper": {
        "budget": None,
        "steps": 30_000,
        "labelled_batch": 4,
        "unlabelled_batch": 4,
        "context": 0,
        "usual_size": 256,
        "max_size": 256,
        "network": "published-unet",
        "width": 64,
        "optimiser": "sgd",
        "learning_rate": 0.03,
        "momentum": 0.9,
        "weight_decay": 1e-4,
        "decay_power": 0.9,
        "sharpness": 0.05,
        "sharpness_every": 1,
        "sharpness_from": 0.0,
        "least_weight": 0.0,
        "mix_labelled": 0.0,
        "mix_same_scan": True,
        "strong_labelled": False,
        "divergence": "js",
        "estimator": "marginal",
        "ramp": "printed",
        "ramp_levels": 0,
        "confidence": 0.95,
        "teacher_decay": 0.99,
        "teacher_memory": 1.0,
        "final": "student",
        "smooth": 0.0,
        "lean": False,
        "corrected": 1.0,
        "focus": False,
        "closer": 1.0,
        "random_tones": "never",
        "mirror": 0.5,
        "flip": 0.5,
        "mixed_precision": False,
    },
}
"""What each preset changes. The interactive preset is the defaults above."""
PRESETS["published"] = {
    **PRESETS["paper"],
    # What the baseline's public loop does otherwise than the paper prints, or leaves open.
    "ramp": "squared",
    "ramp_levels": 200,
    "passes": "separate",
    "teacher_paste": "unmoved",
    "symmetric_dice": True,
    "background_dice": "whole",
    "teacher_statistics": "own",
    "box": "linear",
    "agreement_of": "channel",
    "cross_entropy": "all",
    "dice": "squared",
    "flip": 0.0,
    "border": "dark",
    "strong_view": "published",
}

SYSTEM_DEFAULTS: dict[str, dict[str, Any]] = {
    # Sharpness-aware optimisation is DiM's; the others spend no time on it unless asked.
    name: {} if name == "dim" else {"sharpness": 0.0}
    for name in OPTIONS
}
"""What each system changes of the shared settings."""

RETIRED = frozenset({"adapt_threshold", "adapt_steps", "adapt_rate", "adapt_subset"})
"""Settings of earlier versions that are gone; runs and files that have them are still read."""

OPTION_NAMES = frozenset(name for kind in OPTIONS.values() for name in kind.model_fields)
"""Names of all systems' own settings."""


def with_length(changes: dict[str, Any]) -> dict[str, Any]:
    """Settings with either a budget, in seconds, or steps: the one given takes the other's place.

    Raises
    ------
    InputError
        If both are given, or the budget is a text and no length of time.
    """
    budget, steps = changes.get("budget"), changes.get("steps")
    if budget is not None and steps is not None:
        raise InputError("budget and steps exclude each other", where="settings",
                         hint="Give one of them")  # fmt: skip
    length = {"until_stopped": False} if {"budget", "steps"} & set(changes) else {}
    if steps is not None:
        return {**length, **changes, "budget": None}
    if budget is None:
        return changes
    if isinstance(budget, str):
        if budget.strip().lower() == UNTIL_STOPPED:
            others = {name: value for name, value in changes.items() if name != "budget"}
            return {**others, "until_stopped": True}
        budget = parse_time(budget, where="budget")
    return {**length, **changes, "budget": budget, "steps": None}


def setting_field(name: str) -> FieldInfo:
    """The field of a setting: one that all share, or else DiM's own."""
    return Settings.model_fields.get(name) or DimOptions.model_fields[name]


def _told(fault: Any, system: str) -> str:
    """One fault of the settings, in words."""
    name = str(fault["loc"][0]) if fault["loc"] else ""
    if fault["type"] != "extra_forbidden" or name == "system":
        return in_words(fault)
    if name in OPTION_NAMES:
        return f"{name}: the system {system} has no such option"
    return unknown(name, (*Settings.model_fields, *OPTION_NAMES))


def _parted(changes: dict[str, Any]) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """The system's name, the table of its options, and the changes that stand beside them."""
    given = {name: value for name, value in changes.items() if name not in RETIRED}
    before = str(given.pop("method", "dim"))
    legacy = "method" in changes and "system" not in changes
    chosen = given.pop("system", before)
    if isinstance(chosen, Options):
        chosen = chosen.model_dump()
    table = dict(chosen) if isinstance(chosen, dict) else {"name": chosen}
    name = str(table.pop("name", "dim"))
    if legacy and name in OPTIONS:  # All settings stood together, whatever the method.
        own, theirs = OPTIONS[name].model_fields, DimOptions.model_fields
        given = {key: v for key, v in given.items() if key in own or key not in theirs}
    return name, table, given


LARGEST_FILE = 16 * 2**20
"""Bytes of a settings file or record."""


def _place_in(error: ValueError) -> str:
    """Where a parser stopped, for people."""
    if isinstance(error, json.JSONDecodeError):
        return f"line {error.lineno}, column {error.colno}"
    found = re.search(r"line (\d+), column (\d+)", str(error))
    return f"line {found[1]}, column {found[2]}" if found else "its end"


def read_settings_file(path: Path) -> dict[str, Any]:
    """Read setting names and values from a TOML or JSON file.

    Raises
    ------
    InputError
        If the file can't be read or is not a table of settings.
    """
    with suppress(OSError):
        if path.stat().st_size > LARGEST_FILE:
            raise InputError("the settings are too large a file", where=path)
    try:
        text = path.read_text(encoding="utf-8")
        values = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except RecursionError as error:
        raise InputError("the settings are nested too deeply", where=path) from error
    except FileNotFoundError as error:
        raise InputError("there is no such file", where=path) from error
    except OSError as error:
        raise InputError(f"the settings can't be read: {error.strerror}", where=path) from error
    except UnicodeDecodeError as error:
        raise InputError("the settings are no text", where=path) from error
    except ValueError as error:
        form = "JSON" if path.suffix == ".json" else "TOML"
        raise InputError(f"this is no {form}: look at {_place_in(error)}", where=path) from error
    if not isinstance(values, dict):
        raise InputError("the settings are not a table of names and values", where=path)
    return values
