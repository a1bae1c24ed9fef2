"""Each training system's own settings, beside those that all share (`config.Settings`)."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

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


class Checked(BaseModel):
    """Settings that are frozen and checked: true and false are no numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _no_truth(cls, values: Any) -> Any:
        faults = []
        for name, value in values.items() if isinstance(values, dict) else ():
            kind = cls.model_fields[name].annotation if name in cls.model_fields else None
            kinds = {kind, *get_args(kind)}
            if isinstance(value, bool) and kinds & {int, float}:
                whole = "a number" if float in kinds else "a whole number"
                faults.append(f"{name} is {value}, it must be {whole}")
        if faults:
            raise ValueError("; ".join(faults))
        return values


class Options(Checked):
    """Settings of one system."""


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
    least_steps: int = setting(
        0, "Unlabelled terms run only in a training that will hold this many steps, by its pace "
        "so far; 0: in any", group="method", ge=0, le=10**6,
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

    paste: bool = setting(
        True, "Boxes of labelled slices are pasted into unlabelled ones, and back (L_in, L_out)",
        group="frame",
    )  # fmt: skip
    symmetric: bool = setting(
        True, "The strong view learns where both pastes agree (L_sym); else all sure "
        "pseudo-labels, with the weight λ", group="frame",
    )  # fmt: skip
    amplitude: bool = setting(
        True, "Pasted labelled slices are moved towards the unlabelled one's look", group="frame"
    )
    cutmix: bool = setting(
        False, "Boxes of one unlabelled slice are pasted into another's strong view", group="frame"
    )
    labeller: Literal["teacher", "self"] = setting(
        "teacher", "Whose predictions are the pseudo-labels: the teacher's or the student's own",
        group="frame",
    )  # fmt: skip
    ramp: Literal["printed", "squared"] = setting(
        "printed", "λ: exp(-5 (1 - t/T)) as printed, or with (1 - t/T)² as public code runs it",
        group="published", symbol="λ",
    )  # fmt: skip
    ramp_levels: int = setting(
        0, "λ rises in so many equal steps, as public code lets it; 0: with every step",
        group="published", ge=0, le=10_000,
    )  # fmt: skip
    passes: Literal["joint", "separate"] = setting(
        "joint", "All views in one batch, or one by one with batch statistics of their own",
        group="published",
    )  # fmt: skip
    teacher_paste: Literal["moved", "unmoved"] = setting(
        "moved", "Whether the teacher's pastes show the labelled slice in the other's look",
        group="published",
    )  # fmt: skip
    symmetric_dice: bool = setting(
        False, "L_sym is cross-entropy and Dice, not cross-entropy alone", group="published"
    )
    background_dice: Literal["masked", "whole"] = setting(
        "masked", "Whether the background's Dice leaves unsure pixels out, as that of the others",
        group="published",
    )  # fmt: skip
    teacher_statistics: Literal["averaged", "own"] = setting(
        "averaged", "The teacher's batch statistics: the student's averaged, or of its own passes",
        group="published",
    )  # fmt: skip
    box: Literal["log", "linear"] = setting(
        "log", "How a box's aspect is drawn between 0.3 and 3.3: log-uniform or uniform",
        group="published",
    )  # fmt: skip
    agreement_of: Literal["pixel", "channel"] = setting(
        "pixel", "Pastes agree on a pixel where all its regions do, or region by region",
        group="published",
    )  # fmt: skip


def again(name: str, default: Any) -> Any:
    """DiM's field of this name, with another default."""
    field = DimOptions.model_fields[name]
    extra: Any = field.json_schema_extra
    made = Field(default, description=field.description, json_schema_extra=extra)
    made.metadata = list(field.metadata)
    return made


class FrameOptions(DimOptions):
    """The frame without DiM's own parts, as its baseline publishes it."""

    name: Literal["frame"] = "frame"  # type: ignore[assignment]
    least_weight: float = again("least_weight", 0.0)
    align_weight: float = again("align_weight", 0.0)
    teacher_memory: float = again("teacher_memory", 1.0)
    final: Final = again("final", "student")
    mix_labelled: float = again("mix_labelled", 0.0)
    mix_same_scan: bool = again("mix_same_scan", True)
    ramp: Literal["printed", "squared"] = again("ramp", "squared")
    ramp_levels: int = again("ramp_levels", 200)
    passes: Literal["joint", "separate"] = again("passes", "separate")


class MidssOptions(FrameOptions):
    """MiDSS: pastes, symmetric guidance and amplitude mixing, without alignment."""

    name: Literal["midss"] = "midss"  # type: ignore[assignment]
    teacher_paste: Literal["moved", "unmoved"] = again("teacher_paste", "unmoved")
    symmetric_dice: bool = again("symmetric_dice", True)


class FixMatchOptions(FrameOptions):
    """FixMatch: the strong view learns the sure pseudo-labels of the weak one."""

    name: Literal["fixmatch"] = "fixmatch"  # type: ignore[assignment]
    paste: bool = again("paste", False)
    symmetric: bool = again("symmetric", False)
    amplitude: bool = again("amplitude", False)


class FixMatchCutMixOptions(FixMatchOptions):
    """FixMatch whose strong views are pasted into each other."""

    name: Literal["fixmatch-cutmix"] = "fixmatch-cutmix"  # type: ignore[assignment]
    cutmix: bool = again("cutmix", True)


class UpperBoundOptions(FixMatchOptions):
    """Pastes within FixMatch; the caller labels all of a domain."""

    name: Literal["upper-bound"] = "upper-bound"  # type: ignore[assignment]
    paste: bool = again("paste", True)


class UamtOptions(Options):
    """UA-MT: the student follows the teacher where that is sure over noisy passes."""

    name: Literal["uamt"] = "uamt"
    weight: float = setting(0.1, "Weight of the consistency", group="method", ge=0, le=100)
    noise: float = setting(
        0.1, "Noise of the teacher's input, cut at twice as much", group="method", ge=0, le=1
    )
    passes: int = setting(8, "Noisy passes of the teacher", group="method", ge=2, le=64)
    teacher_decay: float = setting(0.99, "The teacher keeps this much of itself a step",
                                   group="method", ge=0, le=1)  # fmt: skip
    dropout: bool = setting(True, "Networks drop values in training", group="method")


class FdaOptions(Options):
    """FDA: labelled slices in the look of unlabelled ones, and entropy of those."""

    name: Literal["fda"] = "fda"
    area: float = setting(
        0.01, "Half-width of the replaced amplitudes, as a share of the spectrum's",
        group="method", symbol="β", ge=0, le=0.5,
    )  # fmt: skip
    ratio: float = setting(1.0, "How far amplitudes are replaced", group="method", ge=0, le=1)
    entropy_weight: float = setting(0.005, "Weight of the entropy", group="method", ge=0, le=100)
    entropy_power: float = setting(2.0, "Its power", group="method", symbol="η", ge=0.5, le=4)
    entropy_from: float = setting(
        1 / 3, "The entropy joins at this share of the schedule", group="method", ge=0, le=1
    )


class CpsOptions(Options):
    """CPS: two networks teach each other."""

    name: Literal["cps"] = "cps"
    weight: float = setting(0.1, "Weight of the other's labels", group="method", ge=0, le=100)
    cutmix: bool = setting(
        False, "Boxes of one unlabelled slice are pasted into another, labels with them",
        group="method",
    )  # fmt: skip


class CausslOptions(Options):
    """CauSSL: two networks teach each other, and are kept independent."""

    name: Literal["caussl"] = "caussl"
    weight: float = setting(0.03, "Weight of the other's labels", group="method", ge=0, le=100)
    teach_from: float = setting(0.08, "They teach each other from here on", group="method",
                                ge=0, le=1)  # fmt: skip
    independence: float = setting(3.0, "Weight of their dependence", group="method", ge=0, le=100)
    independent_from: float = setting(0.1, "It counts from here on", group="method", ge=0, le=1)
    inner_every: int = setting(60, "Steps between two searches for the dependence",
                               group="method", ge=1, le=10**6)  # fmt: skip
    inner_steps: int = setting(60, "Steps of a search", group="method", ge=1, le=1000)
    inner_rate: float = setting(2e-2, "Rate of a search", group="method", gt=0, le=1)


class CoranetOptions(Options):
    """CoraNet: pixels on which a greedy and a careful head agree are certain."""

    name: Literal["coranet"] = "coranet"
    cost: float = setting(5.0, "How much dearer one kind of mistake is", group="method",
                          ge=1, le=100)  # fmt: skip
    swap_costs: bool = setting(
        False, "On pseudo-labels each head takes the other's costs, as public code does",
        group="method",
    )  # fmt: skip
    warm_up: float = setting(0.23, "Share of the schedule on labelled slices alone",
                             group="method", ge=0, lt=1)  # fmt: skip
    refresh: float = setting(0.02, "Share of the schedule after which pseudo-labels are renewed",
                             group="method", gt=0, le=1)  # fmt: skip
    teacher_decay: float = setting(0.99, "The teacher keeps this much of itself a step",
                                   group="method", ge=0, le=1)  # fmt: skip


class SsnetOptions(Options):
    """SS-Net: smooth predictions, and classes apart in feature space."""

    name: Literal["ssnet"] = "ssnet"
    weight: float = setting(0.1, "Weight of both terms", group="method", ge=0, le=100)
    separation: float = setting(0.1, "Weight of the separation in it", group="method",
                                ge=0, le=100)  # fmt: skip
    length: float = setting(12.0, "Length of the adversary on a 256 x 256 slice",
                            group="method", symbol="ε", ge=0, le=1000)  # fmt: skip
    probe: float = setting(20.0, "Length at which its direction is found", group="method",
                           symbol="ξ", gt=0, le=1000)  # fmt: skip
    memory: int = setting(32, "Vectors kept a class", group="method", ge=1, le=4096)
    pixels: int = setting(4096, "Most pixels a class that are compared", group="method",
                          ge=1, le=2**20)  # fmt: skip
    with_entropy: bool = setting(
        True, "The supervised loss has cross-entropy (public code: Dice alone)", group="method"
    )


class BcpOptions(Options):
    """BCP: labelled and unlabelled slices pasted into each other both ways."""

    name: Literal["bcp"] = "bcp"
    side: float = setting(2 / 3, "Side of the pasted rectangle", group="method", gt=0, lt=1)
    weight: float = setting(0.5, "Weight of pseudo-labelled parts", group="method", ge=0, le=100)
    warm_up: float = setting(0.25, "Share of the schedule on labelled slices alone",
                             group="method", ge=0, lt=1)  # fmt: skip
    teacher_decay: float = setting(0.99, "The teacher keeps this much of itself a step",
                                   group="method", ge=0, le=1)  # fmt: skip


class SifaOptions(Options):
    """SIFA: looks and features aligned by adversaries."""

    name: Literal["sifa"] = "sifa"
    cycle: float = setting(10.0, "Weight of the cycle", group="method", ge=0, le=1000)
    rate: float = setting(1e-3, "Rate of encoder and classifiers", group="method", gt=0, le=1)
    look_rate: float = setting(2e-4, "Rate of translators and critics", group="method",
                               gt=0, le=1)  # fmt: skip


class UdaVaeOptions(Options):
    """UDA-VAE++: latents of both domains made alike."""

    name: Literal["uda-vae"] = "uda-vae"
    rate: float = setting(1e-4, "Learning rate, of Adam", group="method", gt=0, le=1)
    scale: float = setting(1e-3, "All weights times this; Adam does not care", group="method",
                           gt=0, le=1)  # fmt: skip


SystemOptions = Annotated[
    DimOptions | SupervisedOptions | MidssOptions | FixMatchOptions | FixMatchCutMixOptions
    | UpperBoundOptions | UamtOptions | FdaOptions | CpsOptions | CausslOptions | CoranetOptions
    | SsnetOptions | BcpOptions | SifaOptions | UdaVaeOptions,
    Field(discriminator="name"),
]  # fmt: skip
SystemName = Literal[
    "dim", "supervised", "midss", "fixmatch", "fixmatch-cutmix", "upper-bound", "uamt", "fda",
    "cps", "caussl", "coranet", "ssnet", "bcp", "sifa", "uda-vae",
]  # fmt: skip

OPTIONS: dict[str, type[Options]] = {
    kind.model_fields["name"].default: kind for kind in get_args(get_args(SystemOptions)[0])
}
"""The options of each system, by its name."""
assert set(OPTIONS) == set(get_args(SystemName))
