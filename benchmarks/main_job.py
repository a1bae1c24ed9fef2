"""The main job on real cohorts: fit, predict and evaluate from the command line.

Every cohort folder under DATA with a ``cohort.csv`` is trained with each method and seed for
the same budget, one run after the other, and scored on its test split by site.

    python benchmarks/main_job.py DATA [--budget 180s] [--seeds 0 1] [--out FOLDER]

Writes ``main_job.json`` and ``main_job.md`` into OUT. Runs that are already there are not
repeated.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
from pathlib import Path

import torch

METRICS = ("dice", "jaccard", "hd95_mm", "asd_mm")
MERGE = {"fundus_disc": ["--merge", "1,2=1"]}  # one centre labels rim and cup, the other the disc


def run(*words: str) -> None:
    """One call of the command line; its failure ends the benchmark."""
    subprocess.run([sys.executable, "-m", "napari_dim.cli", *words], check=True)


def one(cohort: Path, method: str, seed: int, budget: str, out: Path) -> dict:
    """Fit, predict and evaluate once; the report of `evaluate`."""
    name = f"{cohort.parent.name}-{method}-{seed}"
    report = out / f"{name}.json"
    if not report.exists():
        fit = ("--method", method, "--seed", str(seed), "--budget", budget, "--device", "cpu")
        run("fit", str(cohort), "--out", str(out / name), "--overwrite", *fit)
        run("predict", str(out / name), str(cohort), "--out", str(out / f"{name}-masks"))
        merge = MERGE.get(cohort.parent.name, [])
        run("evaluate", str(cohort), str(out / f"{name}-masks"), *merge, "--json", str(report))
    return json.loads(report.read_text())


def rows(reports: dict[tuple[str, str], list[dict]]) -> list[dict]:
    """Mean and spread over seeds, for each cohort, site, class and method."""
    made = []
    for (cohort, method), several in reports.items():
        for site in several[0]["by_site"]:
            for class_id in several[0]["by_site"][site]["classes"]:
                row = {"cohort": cohort, "site": site, "class": class_id, "method": method}
                for metric in METRICS:
                    values = [r["by_site"][site]["classes"][class_id][metric] for r in several]
                    row[metric] = [v for v in values if v is not None]
                made.append(row)
    return sorted(made, key=lambda r: (r["cohort"], r["site"], r["class"], r["method"]))


def cell(values: list[float], digits: int) -> str:
    """Mean, and what every seed gave."""
    if not values:
        return "-"
    each = ", ".join(f"{v:.{digits}f}" for v in values)
    return f"{statistics.mean(values):.{digits}f} ({each})"


def table(made: list[dict]) -> str:
    """The rows as Markdown."""
    lines = [
        "| cohort | site | class | method | Dice | Jaccard | HD95 | ASD |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for r in made:
        lines.append(
            f"| {r['cohort']} | {r['site']} | {r['class']} | {r['method']} "
            f"| {cell(r['dice'], 3)} | {cell(r['jaccard'], 3)} "
            f"| {cell(r['hd95_mm'], 2)} | {cell(r['asd_mm'], 2)} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--budget", default="180s")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--out", type=Path, default=Path("runs/main_job"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    reports: dict[tuple[str, str], list[dict]] = {}
    for seed in args.seeds:
        for cohort in sorted(args.data.glob("*/cohort.csv")):
            for method in ("dim", "supervised"):
                report = one(cohort, method, seed, args.budget, args.out)
                reports.setdefault((cohort.parent.name, method), []).append(report)
                made = rows(reports)
                (args.out / "main_job.json").write_text(json.dumps(made, indent=2))
    text = (
        f"Test split, {args.budget} of training, seeds {args.seeds}: mean (each seed). "
        f"Distances in mm, in pixels for `fundus_disc`, whose classes 1 and 2 are scored as "
        f"their union.\n{platform.machine()}, {torch.get_num_threads()} CPU threads, "
        f"torch {torch.__version__}, no GPU.\n\n{table(made)}\n"
    )
    (args.out / "main_job.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
