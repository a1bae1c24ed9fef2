"""The rows of the tables: a system and what is changed of it, at one of three scales."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from napari_dim.compare.benchmark import Benchmark
from napari_dim.config import Settings
from napari_dim.errors import InputError

TITLES = {
    "supervised": "U-Net",
    "uamt": "UA-MT",
    "fda": "FDA",
    "sifa": "SIFA",
    "fixmatch": "FixMatch",
    "fixmatch-cutmix": "FixMatch + CutMix",
    "cps": "CPS",
    "coranet": "CoraNet",
    "uda-vae": "UDA-VAE++",
    "ssnet": "SS-Net",
    "bcp": "BCP",
    "caussl": "CauSSL",
    "midss": "MiDSS",
    "dim": "DiM",
    "upper-bound": "Upper bound",
}
"""All systems, in the order of Tables 2 and 3."""
UPPER_BOUND = "upper-bound"
RADIUS = 0.05
"""ρ of the second pass where a row asks for it."""
CHANGES: dict[str, tuple[str, dict[str, Any]]] = {
    "sam": ("SAM", {"sharpness": RADIUS, "sharpness_every": 1, "sharpness_from": 0.0}),
    "no-sam": ("without SAM", {"sharpness": 0.0}),
    "strong": ("strong view", {"strong_labelled": True}),
    "js": ("JS", {"divergence": "js"}),
    "jeffrey": ("Jeffrey", {"divergence": "jeffrey"}),
    "pearson": ("Pearson", {"divergence": "pearson"}),
    "forward-kl": ("forward KL", {"divergence": "forward-kl"}),
    "reverse-kl": ("reverse KL", {"divergence": "reverse-kl"}),
}
"""What a row's name may add to a system's, each after a plus: title and settings."""
ABLATION = {"#1": "midss", "#2": "midss+sam", "#3": "dim+no-sam", "#4": "dim"}
"""Table 4."""
DIVERGENCES = {
    "baseline": "midss",
    "JS": "dim",
    "Jeffrey": "dim+jeffrey",
    "Pearson": "dim+pearson",
}
"""Table 5."""
GROUPS = {
    "all": tuple(TITLES),
    "ablation": tuple(ABLATION.values()),
    "divergences": tuple(DIVERGENCES.values()),
}


@dataclass(frozen=True)
class Scale:
    """How large a comparison is.

    Attributes
    ----------
    width
        Channels of the network's first level.
    steps
        Of the schedule; None: the paper's for these data.
    looks
        How often a run is tested on its way.
    options
        What systems change of themselves here, for what would not scale with the steps.
    """

    width: int
    steps: int | None
    looks: int
    options: dict[str, dict[str, Any]] = field(default_factory=dict)


SCALES = {
    "smoke": Scale(4, 6, 2, {
        "caussl": {"inner_every": 2, "inner_steps": 2}, "uamt": {"passes": 2},
        "ssnet": {"pixels": 64, "memory": 4},
    }),
    "bench": Scale(16, 2000, 20, {"caussl": {"inner_steps": 5}}),
    "paper": Scale(64, None, 60),
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes
    ----------
    name
        ``SYSTEM`` or ``SYSTEM+CHANGE``.
    system
        The system's name.
    changes
        Settings that it changes.
    """

    name: str
    system: str
    changes: dict[str, Any]

    @classmethod
    def named(cls, name: str) -> Row:
        """The row of a name.

        Raises
        ------
        InputError
            If there is no such system or change.
        """
        system, *others = name.split("+")
        unknown = [each for each in others if each not in CHANGES]
        if system not in TITLES or unknown:
            what = unknown[0] if unknown else system
            raise InputError(
                f"there is no system {what!r}" if not unknown else f"there is no change {what!r}",
                where="--systems",
                hint=f"Use {', '.join(GROUPS)}, or {', '.join(TITLES)}, each with a change if "
                f"wanted: {', '.join('+' + change for change in CHANGES)}",
            )
        changes: dict[str, Any] = {}
        for other in others:
            changes |= CHANGES[other][1]
        if "divergence" in changes and system != "dim":
            raise InputError(f"{system} has no divergence to change", where=f"--systems {name}")
        return cls(name, system, changes)

    @property
    def title(self) -> str:
        """What the tables call it."""
        system, *others = self.name.split("+")
        added = [CHANGES[other][0] for other in others]
        return TITLES[system] + "".join(
            f" {a}" if a.startswith("without") else f" + {a}" for a in added
        )

    def settings(
        self,
        benchmark: Benchmark,
        scale: str,
        *,
        side: int,
        steps: int,
        seed: int,
        device: str,
        threads: int,
    ) -> Settings:
        """What it trains with: the published recipe, the same for all but their own options.

        `side` is the largest slice, see `protocol.longest_side`.
        """
        own = {**SCALES[scale].options.get(self.system, {})}
        shared = dict(self.changes)
        if "divergence" in shared:
            own["divergence"] = shared.pop("divergence")
        return Settings.make(
            **{
                "preset": "published",
                "system": {"name": self.system, **own},
                "steps": steps,
                "seed": seed,
                "device": device,
                "threads": threads,
                "width": SCALES[scale].width,
                "min_size": 16,
                "usual_size": side,
                "max_size": side,
                "regions": benchmark.regions,
                "strong_range": benchmark.factors,
                "mixed_precision": True,  # as the public loop; it is not used where nothing gains
                **shared,
            }
        )


def rows_of(text: str) -> list[Row]:
    """The rows that ``--systems`` names, each once.

    Raises
    ------
    InputError
        If it names what there is not.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    every = [name for given in names for name in GROUPS.get(given, (given,))]
    if not every:
        raise InputError("no system is named", where="--systems")
    return [Row.named(name) for name in dict.fromkeys(every)]


def row_order(name: str) -> tuple[int, str]:
    """Sorts rows as the tables do, a changed system behind its own."""
    return [*TITLES].index(name.split("+")[0]), name
