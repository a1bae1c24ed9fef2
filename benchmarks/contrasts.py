"""Another contrast and a wider field of view than the labels': Dice on the test split.

    python benchmarks/contrasts.py DATA [--methods dim supervised] [--steps 400] [--seeds 0]
        [--views "as it is"] [--task cardiac_c0_lge] [--jobs 1] [--out FOLDER]

`cardiac_c0_lge`: bSSFP crops with a few labels, whole fields of late enhancement without any.
`cardiac_c0_lge_true_size`: the same, hearts of both as large (see `tasks.build`).
All rows make the same number of steps, one thread each. Runs that are there already are not
repeated; the table is printed.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from runs import cell, machine, run, site_dice
from tasks import CONTRASTS, TRUE_SIZE

OUT = Path(__file__).parent.parent / "docs" / "results" / "contrasts"
VIEWS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "sizes as they are": {"closer": 1.0},
    "no neighbours": {"context": 0},
    "random contrasts": {"random_contrast": 0.5},
    "the whole field": {"focus": False},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--methods", nargs="+", default=["dim", "supervised"])
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--views", nargs="+", default=[*VIEWS], choices=[*VIEWS])
    parser.add_argument("--task", default=CONTRASTS, choices=[CONTRASTS, TRUE_SIZE])
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    wanted = [
        {
            "task": args.task, "method": method, "seed": seed, "steps": args.steps,
            "settings": VIEWS[name],
            "label": f"{method}-{args.steps}-{name.replace(' ', '_')}",
        }
        for seed in args.seeds
        for method in args.methods
        for name in args.views
    ]  # fmt: skip
    with ThreadPoolExecutor(args.jobs) as pool:
        results = list(pool.map(lambda spec: run(args.data, args.out / "runs", spec), wanted))
    found: dict[str, dict[str, list[float]]] = {}
    for result in results:
        for site, dice in site_dice(result).items():
            found.setdefault(result["label"], {}).setdefault(site, []).append(dice)
    sites = sorted({site for each in found.values() for site in each})
    print(f"{machine()}; {args.steps} steps. Mean (each seed).\n")
    print("| method, steps, views | " + " | ".join(sites) + " |")
    print("|---" * (1 + len(sites)) + "|")
    for label, each in found.items():
        print(f"| {label} | " + " | ".join(cell(each[site]) for site in sites) + " |")


if __name__ == "__main__":
    main()
