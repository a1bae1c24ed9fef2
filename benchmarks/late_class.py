"""Does a class that is added late cost what was learnt of the others?

``python benchmarks/late_class.py COHORT.csv --first 1 --late 2 --steps 300 300``, or without
a cohort for the phantom. A model learns the first class from labelled slices in which the late
one was not painted. Then some of the slices get the late class, too, and the training goes on,
with the other slices left open for it, or taken as complete as they are. The Dice of the first
class over all slices that no label was ever given for is told before and after.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cohort", type=Path, nargs="?")
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--late", type=int, default=2)
    parser.add_argument("--steps", type=int, nargs=2, default=(300, 300))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--cases", type=int, default=6, help="training cases used")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cohort = args.cohort
        if cohort is None:
            from napari_dim.data.phantom import make_phantom

            cohort = make_phantom(Path(folder))
        rows = [row for seed in args.seeds for row in measure(cohort, args, seed)]
    print("\n| seed | what | first class | late class |\n|---|---|---|---|")
    for row in rows:
        print(f"| {row['seed']} | {row['what']} | {row['first']:.3f} | {row['late']:.3f} |")
    if args.json:
        args.json.write_text(json.dumps(rows, indent=2) + "\n")


def measure(cohort: Path, args: Any, seed: int) -> list[dict[str, Any]]:
    """One row a way of going on."""
    from napari_dim.config import Settings

    cases, truths = load(cohort, args.cases, (args.first, args.late))
    labelled = [(p, int(n)) for p, case in enumerate(cases) for n in case.labelled]
    shown = [(p, n) for p, n in labelled if (truths[p][n] == args.late).any()]
    again = set(shown[::2]) or set(shown)  # half of those that show it get the late class
    alone = [without(case, args.late, set(), p) for p, case in enumerate(cases)]
    both = [without(case, args.late, again, p) for p, case in enumerate(cases)]
    open_ = [
        replace(
            case, searched={n: (args.first,) for q, n in labelled if q == p and (p, n) not in again}
        )
        for p, case in enumerate(both)
    ]
    how = {"budget": None, "seed": seed}
    old = fit(alone, Settings.make(**how, steps=args.steps[0]))
    later = Settings.make(**how, steps=args.steps[1])
    ways = {
        "before": old,
        "went on as long without it": fit(alone, later, old),
        "class added, old slices left open": fit(open_, later, old),
        "class added, old slices taken as complete": fit(both, later, old),
    }
    rows = []
    for what, model in ways.items():
        first, late = scores(model, cases, truths, (args.first, args.late))
        rows.append({"seed": seed, "what": what, "first": first, "late": late})
        print(json.dumps(rows[-1]), flush=True)
    return rows


def load(cohort: Path, most: int, ids: tuple[int, int]) -> tuple[list[Any], list[np.ndarray]]:
    """Training cases with and without labels, and the whole masks of them."""
    from napari_dim.data.cohort import read_cohort
    from napari_dim.data.load import load_case, load_reference

    rows = [row for row in read_cohort(cohort).cases if row.split == "train" and row.labels][:most]
    truths = [only(load_reference(row)[1], ids) for row in rows]
    cases = [load_case(row) for row in rows]
    return [
        case if case.mask is None else replace(case, mask=only(case.mask, ids)) for case in cases
    ], truths


def only(mask: np.ndarray, ids: tuple[int, int]) -> np.ndarray:
    """A mask with some classes alone."""
    return np.where(np.isin(mask, ids), mask, 0)


def without(case: Any, late: int, kept: set[tuple[int, int]], place: int) -> Any:
    """A case whose late class is painted in the slices `kept` alone."""
    if case.mask is None:
        return case
    mask = case.mask.copy()
    for number in range(len(mask)):
        if (place, number) not in kept:
            mask[number][mask[number] == late] = 0
    return replace(case, mask=mask)


def fit(cases: list[Any], settings: Any, start: Any = None) -> Any:
    """The model of a training."""
    from napari_dim.engine.training.events import Finished
    from napari_dim.engine.training.job import Job
    from napari_dim.engine.training.loop import train

    *_, last = train(Job(cases, settings, start=start))
    assert isinstance(last, Finished), last
    return last.model


def scores(
    model: Any, cases: list[Any], truths: list[np.ndarray], ids: tuple[int, ...]
) -> list[float]:
    """Dice of some classes over all slices without labels, mean of the cases."""
    from napari_dim.engine.inference.predictor import predict

    found: dict[int, list[float]] = {class_id: [] for class_id in ids}
    for case, truth in zip(cases, truths, strict=True):
        free = np.setdiff1d(np.arange(len(truth)), case.labelled)
        mask = predict(model, case.volume, device="cpu").mask[free]
        for class_id in ids:
            a, b = mask == class_id, truth[free] == class_id
            found[class_id].append(2 * np.sum(a & b) / max(1, a.sum() + b.sum()))
    return [float(np.mean(values)) for values in found.values()]


if __name__ == "__main__":
    main()
