"""Another contrast and a wider field of view than the labels': Dice on the test split.

    python benchmarks/contrasts.py DATA [--methods dim supervised] [--steps 400] [--seeds 0]
        [--jobs 1] [--out FOLDER]

`cardiac_c0_lge`: bSSFP crops with a few labels, whole fields of late enhancement without any.
All rows make the same number of steps, one thread each. Runs that are there already are not
repeated; the table is printed.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from runs import cell, machine, run, site_dice
from tasks import CONTRASTS

OUT = Path(__file__).parent.parent / "docs" / "results" / "contrasts"
CONTRAST = {"random_contrast": 0.5, "context_reach": 2.5}
VIEWS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "random contrasts, no far neighbours": CONTRAST,
    "and local contrast": {**CONTRAST, "local_contrast": 16.0},
}
FIELDS: dict[str, dict[str, Any]] = {"whole": {"focus": False}, "focus": {"focus": True}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--methods", nargs="+", default=["dim", "supervised"])
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    wanted = [
        {
            "task": CONTRASTS, "method": method, "seed": seed, "steps": args.steps,
            "settings": {**views, **field},
            "label": f"{method}-{args.steps}-{name.replace(' ', '_')}-{where}",
        }
        for seed in args.seeds
        for method in args.methods
        for name, views in VIEWS.items()
        for where, field in FIELDS.items()
    ]  # fmt: skip
    with ThreadPoolExecutor(args.jobs) as pool:
        results = list(pool.map(lambda spec: run(args.data, args.out / "runs", spec), wanted))
    found: dict[str, dict[str, list[float]]] = {}
    for result in results:
        for site, dice in site_dice(result).items():
            found.setdefault(result["label"], {}).setdefault(site, []).append(dice)
    sites = sorted({site for each in found.values() for site in each})
    print(f"{machine()}; {args.steps} steps. Mean (each seed).\n")
    print("| method, steps, views, field | " + " | ".join(sites) + " |")
    print("|---" * (1 + len(sites)) + "|")
    for label, each in found.items():
        print(f"| {label} | " + " | ".join(cell(each[site]) for site in sites) + " |")


if __name__ == "__main__":
    main()
