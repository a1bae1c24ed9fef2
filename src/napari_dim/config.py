"""Every setting once: default, range, unit, what it does, and the paper's symbol.

The command line, the plugin's form, the settings page and the record in a run folder are
all made from these fields.
"""

from __future__ import annotations

import json
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from napari_dim.errors import InputError

Method = Literal["dim", "supervised"]
Preset = Literal["interactive", "paper"]
Divergence = Literal["js", "jeffrey", "pearson", "forward-kl", "reverse-kl"]
Estimator = Literal["marginal", "pixel", "histogram"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Network = Literal["resunet", "unet"]
Optimiser = Literal["sgd", "adamw"]
Subset = Literal["norm", "all"]
Final = Literal["student", "teacher"]


def _setting(
    default: Any, help: str, *, group: str, unit: str = "", symbol: str = "", **limits: Any
) -> Any:
    return Field(
        default,
        description=help,
        json_schema_extra={"group": group, "unit": unit, "symbol": symbol},
        **limits,
    )


class Settings(BaseModel):
    """All settings of one training; frozen, checked, saved with every run."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    preset: Preset = _setting(
        "interactive",
        "interactive: made for an annotator who waits. paper: the paper's network and schedule.",
        group="run",
    )
    method: Method = _setting(
        "dim",
        "dim: learn from labelled and unlabelled slices. supervised: from labelled ones alone.",
        group="run",
    )
    budget: float | None = _setting(
        180.0,
        "How long to train, from the first step on",
        group="run",
        unit="s",
        symbol="T",
        gt=0,
        le=7 * 24 * 3600,
    )
    steps: int | None = _setting(
        None, "Train this many steps instead of a time", group="run", symbol="T", ge=1, le=10**7
    )
    until_stopped: bool = _setting(
        False, "Train until it is stopped, in rounds: the time or steps above are the first one's "
        "length", group="run",
    )  # fmt: skip
    apart: bool = _setting(
        False, "Train in a process of its own: a crash in it takes nothing else down, and it "
        "learns more while you paint, where no graphics card draws the window", group="run",
    )  # fmt: skip
    seed: int = _setting(0, "Same seed, same CPU: same result", group="run", ge=0, lt=2**31)
    device: Device = _setting("auto", "Where to train", group="run")
    threads: int = _setting(
        0, "CPU threads for training; 0 takes all there are", group="run", ge=0, le=1024
    )
    mixed_precision: bool = _setting(
        True, "Compute in bfloat16 where the device gains from it", group="run"
    )

    labelled_batch: int = _setting(4, "Labelled slices a step", group="data", ge=1, le=256)
    unlabelled_batch: int = _setting(2, "Unlabelled slices a step", group="data", ge=1, le=256)
    context: int = _setting(
        1, "Neighbouring slices on each side that the network also sees", group="data", ge=0, le=2
    )
    min_size: int = _setting(
        96, "Smaller slices than this are enlarged", group="data", unit="pixels", ge=16, le=1024
    )
    usual_size: int = _setting(
        128, "Larger slices are reduced to this, unless the labelled structures need more",
        group="data", unit="pixels", ge=32, le=2048,
    )  # fmt: skip
    max_size: int = _setting(
        256, "Largest slice the network sees, whatever the structures need", group="data",
        unit="pixels", ge=32, le=2048,
    )  # fmt: skip
    detail: float = _setting(
        0.97, "Dice that the labels must keep when they are reduced", group="data",
        ge=0, le=1,
    )  # fmt: skip
    slice_memory: float = _setting(
        0.0, "Memory for slices on the device; 0: a quarter of what is free. What doesn't fit "
        "is read as it is needed", group="data", unit="MiB", ge=0, le=2**20,
    )  # fmt: skip
    regions: tuple[tuple[int, ...], ...] = _setting(
        (),
        "Overlapping targets as groups of class ids, largest first, such as disc = rim + cup: "
        "[[1, 2], [2]]. Empty: one class a pixel.",
        group="data",
    )

    network: Network = _setting("resunet", "Which network", group="network")
    width: int = _setting(
        16, "Channels of the network's first level", group="network", ge=4, le=256
    )

    optimiser: Optimiser = _setting("adamw", "Base optimiser", group="optimiser")
    learning_rate: float = _setting(2e-3, "Learning rate", group="optimiser", gt=0, le=1)
    momentum: float = _setting(0.9, "Momentum of SGD", group="optimiser", ge=0, lt=1)
    weight_decay: float = _setting(1e-4, "Weight decay", group="optimiser", ge=0, le=1)
    decay_power: float = _setting(
        0.9, "Learning rate falls as (1 - t/T) to this power", group="optimiser", ge=0, le=4
    )
    resume_at: float = _setting(
        0.4, "Where in the schedule a training begins that goes on from earlier weights",
        group="optimiser", symbol="t/T", ge=0, lt=1,
    )  # fmt: skip
    sharpness: float = _setting(
        0.05, "Radius of the sharpness-aware perturbation; 0 switches it off",
        group="optimiser", symbol="ρ", ge=0, le=10,
    )  # fmt: skip
    sharpness_every: int = _setting(
        4, "Perturb on every k-th step only", group="optimiser", ge=1, le=1000
    )
    sharpness_from: float = _setting(
        0.8, "Perturb only after this share of the schedule", group="optimiser", ge=0, le=1
    )

    least_weight: float = _setting(
        0.1, "An unlabelled term runs only once its weight (λ, λ²) has reached this",
        group="method", ge=0, le=1,
    )  # fmt: skip
    divergence: Divergence = _setting(
        "js", "f-divergence that aligns labelled and unlabelled slices",
        group="method", symbol="D_f",
    )  # fmt: skip
    estimator: Estimator = _setting(
        "marginal", "Over which set the distributions of logits are taken",
        group="method", symbol="X",
    )  # fmt: skip
    align_weight: float = _setting(
        1.0, "Weight of the alignment", group="method", symbol="L_align", ge=0, le=100
    )
    entropy_weight: float = _setting(
        0.0, "Weight of selective entropy minimisation in training (equation 10 leaves it out)",
        group="method", symbol="S(x)E(x)", ge=0, le=100,
    )  # fmt: skip
    entropy_threshold: float = _setting(
        0.4, "Samples above this share of the largest entropy are left out",
        group="method", symbol="E_0", gt=0, le=1,
    )  # fmt: skip
    confidence: float = _setting(
        0.95, "Pseudo-labels below this confidence don't count", group="method", ge=0.5, le=1
    )
    agreement: bool = _setting(
        False, "Pseudo-labels count only where the teacher says the same of the slice and of its "
        "pasted pieces: for very few labelled slices (the paper: in L_sym alone)",
        group="method",
    )  # fmt: skip
    teacher_decay: float = _setting(
        0.99, "The teacher keeps this much of itself a step", group="method", ge=0, le=1
    )
    teacher_memory: float = _setting(
        0.1, "At first the teacher averages over this share of the steps so far (the paper: all)",
        group="method", gt=0, le=1,
    )  # fmt: skip
    final: Final = _setting(
        "teacher", "Which network gives the masks (the paper: the student)", group="method"
    )
    mixing_area: float = _setting(
        0.01, "Share of the spectrum's width whose amplitudes are mixed",
        group="method", ge=0, le=0.5,
    )  # fmt: skip
    mix_labelled: float = _setting(
        0.5, "Share of the labelled slices shown in the look of unlabelled ones (our addition)",
        group="method", ge=0, le=1,
    )  # fmt: skip

    mix_same_scan: bool = _setting(
        False, "Mix amplitudes of two slices of one scan too (the paper: yes). They differ in "
        "anatomy, not in look", group="method",
    )  # fmt: skip

    mirror: float = _setting(
        0.0, "Chance that columns are mirrored (left and right)", group="views", ge=0, le=1
    )
    flip: float = _setting(
        0.0, "Chance that rows are turned upside down", group="views", ge=0, le=1
    )
    rotation: float = _setting(
        20.0, "Largest rotation", group="views", unit="degrees", ge=0, le=180
    )
    zoom: float = _setting(0.2, "Largest relative change of size", group="views", ge=0, le=0.9)
    elastic: float = _setting(
        0.02, "Size of elastic deformation, of the slice's width", group="views", ge=0, le=0.2
    )
    strength: float = _setting(
        1.0, "How strong the changes of brightness, contrast, blur and noise are",
        group="views", ge=0, le=3,
    )  # fmt: skip

    strong_labelled: bool = _setting(
        True, "Labelled slices are shown in the strong view too (the paper: weak)", group="views"
    )

    smooth: float = _setting(
        2.0, "Masks are smoothed across slices over this distance", group="views",
        unit="pixels of the working grid", ge=0, le=10,
    )  # fmt: skip

    adapt_steps: int = _setting(
        20, "Steps of adaptation to one new scan", group="adapt", ge=1, le=10000
    )
    adapt_rate: float = _setting(1e-3, "Learning rate of adaptation", group="adapt", gt=0, le=1)
    adapt_subset: Subset = _setting(
        "norm", "Which parameters adapt: norm (those of the normalisation layers) or all",
        group="adapt", symbol="θ~",
    )  # fmt: skip

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.steps is None and self.budget is None:
            raise ValueError("give a budget in seconds or a number of steps")
        for region in self.regions:
            if not region or any(not 0 < i < 2**31 for i in region):
                raise ValueError("a region is a group of class ids above 0")
        return self

    @classmethod
    def make(cls, **changes: Any) -> Settings:
        """Settings of the preset and method named in `changes`, then `changes`.

        Raises
        ------
        InputError
            If a name is unknown or a value is outside its range.
        """
        # str(): what comes from a file may be no name at all; it is refused below.
        preset = PRESETS.get(str(changes.get("preset", "interactive")), {})
        method = METHODS.get(str(changes.get("method", "dim")), {})
        values = {**preset, **method, **changes}
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            message = first["msg"].removeprefix("Value error, ")
            raise InputError(f"{name}: {message}" if name else message, where="settings") from error

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
        "network": "unet",
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
        "align_weight": 1.0,
        "entropy_weight": 0.0,
        "confidence": 0.95,
        "teacher_decay": 0.99,
        "teacher_memory": 1.0,
        "final": "student",
        "smooth": 0.0,
        "mirror": 0.5,
        "flip": 0.5,
        "mixed_precision": False,
    },
}
"""What each preset changes. The interactive preset is the defaults above."""

METHODS: dict[str, dict[str, Any]] = {
    "dim": {},
    # Sharpness-aware optimisation is DiM's; the honest baseline spends no time on it.
    "supervised": {"sharpness": 0.0},
}
"""What each method changes."""


LARGEST_FILE = 16 * 2**20
"""Bytes of a settings file or record."""


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
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise InputError(f"the settings can't be read: {error}", where=path) from error
    if not isinstance(values, dict):
        raise InputError("the settings are not a table of names and values", where=path)
    return values
