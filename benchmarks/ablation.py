"""The project's own Tables 4 and 5: what each part of DiM brings, and which divergence.

    python benchmarks/ablation.py DATA [--seeds 0 1] [--budget 60] [--jobs 2] [--out FOLDER]
        [--table]

Dice on the test split. All rows of DiM make the steps that DiM as it is (*and both*) makes in
the budget (`runs.at_pace`). Runs that are there already are not repeated; ``--table`` writes
the table of those.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from runs import at_pace, cell, machine, site_dice

OUT = Path(__file__).parent.parent / "docs" / "results" / "ablation"
BARE = {"sharpness": 0.0, "align_weight": 0.0}
PARTS: dict[str, dict[str, Any]] = {
    "unlabelled terms": BARE,
    "and SAM": {"align_weight": 0.0},
    "and divergence": {"sharpness": 0.0},
    "and both": {},
    "and agreement": {"agreement": True},
}
DIVERGENCES = ("js", "jeffrey", "pearson", "forward-kl", "reverse-kl")
ESTIMATORS = ("marginal", "pixel", "histogram")
LABELS = {"and both": "dim", "js": "dim", "marginal": "dim"}
"""DiM as it is: one run for a row in each table."""


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


def _key(spec: dict[str, Any]) -> tuple[object, ...]:
    return spec["task"], spec["label"], spec["seed"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--tasks", nargs="+", default=["fundus_disc", "left_atrium"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--budget", type=int, default=60)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--table", action="store_true", help="only of the runs that are there")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    wanted = [
        {
            "task": task, "method": method, "seed": seed, "budget": args.budget,
            "settings": changes, "label": LABELS.get(name, name.replace(" ", "_")),
        }
        for seed in args.seeds
        for rows in variants().values()
        for name, (method, changes) in rows.items()
        for task in args.tasks
    ]  # fmt: skip
    wanted = list({_key(spec): spec for spec in wanted}.values())
    if args.table:
        results = [
            json.loads(path.read_text()) for path in sorted((args.out / "runs").glob("*.json"))
        ]
    else:
        results = at_pace(args.data, args.out / "runs", wanted, args.jobs)
    text = [f"{machine()}; the steps of {args.budget} s; mean (each seed).", ""]
    for title, rows in variants().items():
        found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        for name in rows:
            for result in results:
                if result.get("label") == LABELS.get(name, name.replace(" ", "_")):
                    for site, dice in site_dice(result).items():
                        found[name][f"{result['task']}, {site}"].append(dice)
        columns = sorted({column for each in found.values() for column in each})
        text += [f"## {title}", "", "| | " + " | ".join(columns) + " |"]
        text += ["|---" * (1 + len(columns)) + "|"]
        for name, each in found.items():
            text += [f"| {name} | " + " | ".join(cell(each[c]) for c in columns) + " |"]
        text += [""]
    (args.out / "tables.md").write_text("\n".join(text))
    print("\n".join(text))


if __name__ == "__main__":
    main()
