"""Each training system's own settings, beside those that all share (`config.Settings`)."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

Divergence = Literal["js", "jeffrey", "pearson", "forward-kl", "reverse-kl"]
Estimator = Literal["marginal", "pixel", "histogram"]
Final = Literal["student", "teacher"]


def setting(
    default: Any, help: str, *, group: str, unit: str = "", symbol: str = "", **limits: Any
) -> Any:
    """A field that explains itself: help, unit, the paper's symbol, limits."""
    return Field(
        default,
        description=help,
        json_schema_extra={"group": group, "unit": unit, "symbol": symbol},
        **limits,
    )


class Options(BaseModel):
    """Settings of one system; frozen and checked."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SupervisedOptions(Options):
    """U-Net of the tables: it learns from labelled slices alone."""

    name: Literal["supervised"] = "supervised"


class DimOptions(Options):
    """DiM: intermediate samples, symmetric guidance and f-divergence alignment."""

    name: Literal["dim"] = "dim"
    least_weight: float = setting(
        0.1, "An unlabelled term runs only once its weight (λ, λ²) has reached this",
        group="method", ge=0, le=1,
    )  # fmt: skip
    divergence: Divergence = setting(
        "js", "f-divergence that aligns labelled and unlabelled slices",
        group="method", symbol="D_f",
    )  # fmt: skip
    estimator: Estimator = setting(
        "marginal", "Over which set the distributions of logits are taken",
        group="method", symbol="X",
    )  # fmt: skip
    align_weight: float = setting(
        1.0, "Weight of the alignment", group="method", symbol="L_align", ge=0, le=100
    )
    entropy_weight: float = setting(
        0.0, "Weight of selective entropy minimisation in training (equation 10 leaves it out)",
        group="method", symbol="S(x)E(x)", ge=0, le=100,
    )  # fmt: skip
    entropy_threshold: float = setting(
        0.4, "Samples above this share of the largest entropy are left out of that term",
        group="method", symbol="E_0", gt=0, le=1,
    )  # fmt: skip
    confidence: float = setting(
        0.95, "Pseudo-labels below this confidence don't count", group="method", ge=0.5, le=1
    )
    agreement: bool = setting(
        False, "Pseudo-labels count only where the teacher says the same of the slice and of its "
        "pasted pieces: for very few labelled slices (the paper: in L_sym alone)",
        group="method",
    )  # fmt: skip
    teacher_decay: float = setting(
        0.99, "The teacher keeps this much of itself a step", group="method", ge=0, le=1
    )
    teacher_memory: float = setting(
        0.1, "At first the teacher averages over this share of the steps so far (the paper: all)",
        group="method", gt=0, le=1,
    )  # fmt: skip
    final: Final = setting(
        "teacher", "Which network gives the masks (the paper: the student)", group="method"
    )
    mixing_area: float = setting(
        0.01, "Share of the spectrum's width whose amplitudes are mixed",
        group="method", ge=0, le=0.5,
    )  # fmt: skip
    mix_labelled: float = setting(
        0.5, "Share of the labelled slices shown in the look of unlabelled ones (our addition)",
        group="method", ge=0, le=1,
    )  # fmt: skip
    mix_same_scan: bool = setting(
        False, "Mix amplitudes of two slices of one scan too (the paper: yes). They differ in "
        "anatomy, not in look", group="method",
    )  # fmt: skip


SystemOptions = Annotated[DimOptions | SupervisedOptions, Field(discriminator="name")]
SystemName = Literal["dim", "supervised"]

OPTIONS: dict[str, type[Options]] = {
    kind.model_fields["name"].default: kind for kind in get_args(get_args(SystemOptions)[0])
}
"""The options of each system, by its name."""
assert set(OPTIONS) == set(get_args(SystemName))
