"""What a minute and a labelled slice are worth: Dice on the test split.

Against the budget (labels as the cohort lists them), against the number of labelled slices
(60 s), within three volumes of which 5 slices are labelled, and with 3 labelled pictures
(180 s). DiM, supervised training with the same network and views, and what people use today:
a random forest on pixel features and, within one volume, shape interpolation.

    python benchmarks/label_economy.py DATA [--part budgets labels within few] [--seeds 0 1 2]
        [--jobs 2] [--out FOLDER] [--table]

With ``--jobs`` runs go on side by side, each with the number of steps that its time would
hold (`runs.at_pace`). Runs that are there already are not repeated; ``--table`` only writes
the tables and the plot of those: ``tables.md`` and ``plot.png`` in OUT, beside ``runs``.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path
from statistics import mean
from typing import Any

from runs import at_pace, cell, machine, run, site_dice
from tasks import COHORTS

NETWORKS = ("dim", "supervised")
COLOURS = {"dim": "#0072B2", "supervised": "#D55E00", "forest": "#009E73", "interpolation": "#777"}
OUT = Path(__file__).parent.parent / "docs" / "results" / "label_economy"
FEW = "fundus_disc"
WITHIN = tuple(f"left_atrium_within{row}" for row in ("", "_row2", "_row5"))
CHANGED = "left_atrium_changed"


def specs(args: argparse.Namespace) -> list[dict[str, Any]]:
    """The runs asked for; all methods of a seed before the next seed."""
    wanted: list[dict[str, Any]] = []
    for seed in args.seeds:
        for method in NETWORKS:
            if "budgets" in args.part:
                wanted += [
                    {"task": task, "method": method, "seed": seed, "budget": budget}
                    for budget in args.budgets
                    for task in args.tasks
                ]
            if "few" in args.part:
                wanted += [
                    {"task": FEW, "method": method, "seed": seed, "budget": 180, "labels": 3}
                ]
            if "labels" in args.part:
                wanted += [
                    {"task": t, "method": method, "seed": seed, "budget": 60, "labels": n}
                    for n in args.labels
                    for t in args.tasks
                ]
            if "within" in args.part:
                wanted += [
                    {"task": task, "method": method, "seed": seed, "budget": budget}
                    for budget in (30, 180)
                    for task in WITHIN
                ]
    if "labels" in args.part:
        wanted += [
            {"task": t, "method": "forest", "labels": n} for t in args.tasks for n in args.labels
        ]
    if "budgets" in args.part:
        wanted += [{"task": t, "method": "forest"} for t in args.tasks]
    if "within" in args.part:
        wanted += [{"task": t, "method": m} for t in WITHIN for m in ("interpolation", "forest")]
    return wanted


Found = dict[tuple[str, str], dict[tuple[str, Any], list[float]]]


def gathered(results: list[dict[str, Any]], key: str) -> Found:
    """Dice of each seed by (task, site), then by (method, value of `key`)."""
    found: Found = defaultdict(lambda: defaultdict(list))
    for result in results:
        for site, dice in site_dice(result).items():
            found[result["task"], site][result["method"], result.get(key)].append(dice)
    return found


def table(found: Found, unit: str) -> list[str]:
    """A row a site and method, a column a value, and DiM's lead below each pair."""
    values = sorted({v for each in found.values() for _, v in each if v is not None})
    lines = ["| cohort | site | method | " + " | ".join(f"{v} {unit}" for v in values) + " |"]
    lines.append("|---" * (3 + len(values)) + "|")
    for (task, site), each in sorted(found.items()):
        for method in sorted({m for m, _ in each}, key=list(COLOURS).index):
            free = each.get((method, None), [])  # takes no budget
            cells = [cell(each.get((method, v), free)) for v in values]
            lines.append(f"| {task} | {site} | {method} | " + " | ".join(cells) + " |")
        leads = [
            f"{mean(each['dim', v]) - mean(each['supervised', v]):+.3f}"
            if each.get(("dim", v)) and each.get(("supervised", v))
            else "-"
            for v in values
        ]
        lines.append(f"| {task} | {site} | *dim - supervised* | " + " | ".join(leads) + " |")
    return lines


def plot(parts: dict[str, tuple[Found, str]], path: Path) -> None:
    """A row a question, a panel a site: mean lines and every seed."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    parts = {title: part for title, part in parts.items() if part[0]}
    if not parts:
        return
    columns = max(len(found) for found, _ in parts.values())
    figure, axes = plt.subplots(
        len(parts), columns, figsize=(3.2 * columns, 3 * len(parts)), squeeze=False,
        layout="constrained",
    )  # fmt: skip
    for row, (found, label) in zip(axes, parts.values(), strict=True):
        for axis in row[len(found) :]:
            axis.set_visible(False)
        for axis, ((task, site), each) in zip(row, sorted(found.items()), strict=False):
            for method, colour in COLOURS.items():
                points = sorted((v, d) for (m, v), d in each.items() if m == method and v)
                if not points:
                    continue
                at = [v for v, _ in points]
                axis.plot(at, [mean(d) for _, d in points], color=colour, label=method, marker="o")
                low, high = [min(d) for _, d in points], [max(d) for _, d in points]
                axis.fill_between(at, low, high, color=colour, alpha=0.2, lw=0)
                axis.set_xscale("log")
                axis.set_xticks(at, [str(v) for v in at])
                axis.minorticks_off()
            bottom = axis.get_ylim()[0]
            for method, colour in COLOURS.items():
                level = mean(each.get((method, None), [-1.0]))
                if level > bottom - 0.1:
                    axis.axhline(level, color=colour, ls=":", label=method)
                elif level >= 0:  # far below: told, so that the others can be told apart
                    text = f"↓ {method} {level:.2f}"
                    where = {"transform": axis.transAxes, "ha": "right"}
                    axis.text(0.98, 0.09, text, color=colour, fontsize=8, **where)
            name = task.replace("_", " ").replace("row", "row ")
            axis.set_title(name if site in ("A", "inside") else f"{name}, {site}", fontsize=9)
            axis.set_xlabel(label)
            axis.grid(alpha=0.3)
        row[0].set_ylabel("Dice on the test split")
        row[0].legend(fontsize=8)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--part", nargs="+", default=["budgets", "labels", "within", "few"])
    parser.add_argument("--tasks", nargs="+", default=[*COHORTS, CHANGED])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--budgets", type=int, nargs="+", default=[30, 60, 180])
    parser.add_argument("--labels", type=int, nargs="+", default=[2, 4, 8, 16])
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--table", action="store_true", help="only of the runs that are there")
    args = parser.parse_args()
    if args.table:
        import json

        results = [
            json.loads(path.read_text()) for path in sorted((args.out / "runs").glob("*.json"))
        ]
    elif args.jobs > 1:
        results = at_pace(args.data, args.out / "runs", specs(args), args.jobs)
    else:
        results = [run(args.data, args.out / "runs", spec) for spec in specs(args)]
    within = [r for r in results if r["task"] in WITHIN]
    rest = [r for r in results if r["task"] not in WITHIN]
    budgets = gathered([r for r in rest if not r.get("labels")], "budget")
    labels = gathered([r for r in rest if r.get("labels") and r.get("budget") != 180], "labels")
    few = gathered([r for r in rest if r.get("labels") and r.get("budget") == 180], "labels")
    inside = gathered(within, "budget")
    text = [f"{machine()}. Mean (each seed).", ""]
    for title, found, unit in (
        ("Against the budget", budgets, "s"),
        ("Against the number of labelled slices, 60 s", labels, "slices"),
        ("Three labelled pictures, 180 s", few, "pictures"),
        ("Within one volume, 5 slices labelled; Dice on the others", inside, "s"),
    ):
        if found:
            text += [f"## {title}", "", *table(found, unit), ""]
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "tables.md").write_text("\n".join(text))
    parts = {"budget": (budgets, "seconds"), "labels": (labels, "labelled slices"),
             "within": (inside, "seconds")}  # fmt: skip
    plot(parts, args.out / "plot.png")
    print("\n".join(text))


if __name__ == "__main__":
    main()
