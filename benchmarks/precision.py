"""What bfloat16 costs in Dice: the fundus pictures trained in both kinds of numbers.

    python benchmarks/precision.py DATA [--steps 200] [--seeds 0 1 2] [--jobs 2] [--out FOLDER]

The interactive preset on the cohort's train split, Dice on its test split, a thread each. A
processor that has no bfloat16 itself computes it in float32 and rounds after each operation:
slower, and the same numbers. Runs that are there already are not repeated.
"""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean
from typing import Any

import runs

from napari_dim.engine import precision

NUMBERS = {"float32": False, "bfloat16": True}


def main() -> None:
    """Train what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("precision"))
    args = parser.parse_args()

    def one(spec: dict[str, Any]) -> dict[str, Any]:
        path = args.out / f"{spec['label']}-{spec['steps']}-{spec['seed']}.json"
        return runs.kept(Path(__file__), args.data, path, spec)

    specs = [
        {"task": "fundus_disc", "method": "dim", "label": name, "seed": seed,
         "steps": args.steps, "settings": {"mixed_precision": mixed}}
        for seed in args.seeds for name, mixed in NUMBERS.items()
    ]  # fmt: skip
    with ThreadPoolExecutor(args.jobs) as pool:
        found = list(pool.map(one, specs))
    sites = sorted(found[0]["dice"])
    print("| numbers |", " | ".join(sites), "|\n|---|" + "---|" * len(sites))
    for name in NUMBERS:
        dice = [runs.site_dice(each) for each in found if each["label"] == name]
        cells = [runs.cell([each[site] for each in dice]) for site in sites]
        print(f"| {name} |", " | ".join(cells), "|")
    pairs = [
        mean(runs.site_dice(b).values()) - mean(runs.site_dice(a).values())
        for a, b in zip(found[::2], found[1::2], strict=True)
    ]
    print(f"\nbfloat16 less float32, both sites, a seed each: {runs.cell(pairs, 4)}")


if __name__ == "__main__":
    if "--one" in sys.argv:
        precision._cpu_gains = lambda: True  # it does not, and is asked for nevertheless
        result = runs._one(Path(sys.argv[1]), json.loads(sys.argv[3]))
        Path(sys.argv[4]).write_text(json.dumps(result, indent=1))
    else:
        main()
