"""The project's own Tables 4 and 5: what each part of DiM brings, and which divergence.

    python benchmarks/ablation.py DATA [--seeds 0 1] [--budget 60] [--out FOLDER]

Dice on the test split. Runs that are there already are not repeated.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path
from typing import Any

from runs import cell, machine, run, site_dice

BARE = {"sharpness": 0.0, "align_weight": 0.0}
SAM = {"sharpness": 0.05, "sharpness_every": 4}
PARTS: dict[str, dict[str, Any]] = {
    "unlabelled terms": BARE,
    "and SAM": {**BARE, **SAM},
    "and divergence": {"sharpness": 0.0},
    "and both": SAM,
}
DIVERGENCES = ("js", "jeffrey", "pearson", "forward-kl", "reverse-kl")
ESTIMATORS = ("marginal", "pixel", "histogram")


def variants() -> dict[str, dict[str, tuple[str, dict[str, Any]]]]:
    """By table and row: the method and what it changes."""
    return {
        "Parts (Table 4)": {
            "supervised": ("supervised", {}),
            **{name: ("dim", changes) for name, changes in PARTS.items()},
        },
        "Divergences (Table 5), estimator `marginal`": {
            name: ("dim", {"divergence": name}) for name in DIVERGENCES
        },
        "Estimators of the distributions, `js`": {
            name: ("dim", {"estimator": name}) for name in ESTIMATORS
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--tasks", nargs="+", default=["fundus_disc", "left_atrium"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--budget", type=int, default=60)
    parser.add_argument("--out", type=Path, default=Path("runs/ablation"))
    args = parser.parse_args()
    text = [f"{machine()}; {args.budget} s; mean (each seed).", ""]
    for title, rows in variants().items():
        found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        for seed in args.seeds:
            for name, (method, changes) in rows.items():
                for task in args.tasks:
                    spec = {
                        "task": task, "method": method, "seed": seed, "budget": args.budget,
                        "settings": changes, "label": name.replace(" ", "_"),
                    }  # fmt: skip
                    for site, dice in site_dice(run(args.data, args.out, spec)).items():
                        found[name][f"{task}, {site}"].append(dice)
        columns = sorted({column for each in found.values() for column in each})
        text += [f"## {title}", "", "| | " + " | ".join(columns) + " |"]
        text += ["|---" * (1 + len(columns)) + "|"]
        for name, each in found.items():
            text += [f"| {name} | " + " | ".join(cell(each[c]) for c in columns) + " |"]
        text += [""]
    (args.out / "ablation.md").write_text("\n".join(text))
    print("\n".join(text))


if __name__ == "__main__":
    main()
