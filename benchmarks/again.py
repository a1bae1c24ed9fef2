"""Training again with two more labelled slices: from the last weights, and anew.

One left-atrium volume with 5 labelled slices is trained, then with 7. How long until the
preview is as good as the first training's end, on the slices that neither had labelled?

    python benchmarks/again.py DATA [--budget 60] [--seeds 0 1]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from runs import cell, machine
from tasks import WITHIN_LABELS, build

from napari_dim.config import Settings
from napari_dim.engine.inference.trained_model import Model
from napari_dim.engine.training.events import Finished, Preview
from napari_dim.engine.training.loop import Job, train

TASK = "left_atrium_within_shown"
EVERY = 2.0
"""Seconds between two previews."""


def previews(job: Job) -> Iterator[tuple[float, np.ndarray, Model | None]]:
    """Seconds since the first step, the mask then, and the model at the end."""
    count = len(job.cases[0].states)
    mask, seen = None, set()
    start = None
    for event in train(job):
        start = start or time.perf_counter()
        if isinstance(event, Preview):
            if mask is None:
                mask = np.zeros((count, *event.mask.shape[1:]), np.int64)
            mask[event.slices] = event.mask
            seen |= set(event.slices.tolist())
            if len(seen) == count:
                seen.clear()
                yield time.perf_counter() - start, mask.copy(), None
        elif isinstance(event, Finished):
            yield time.perf_counter() - start, mask, event.model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--budget", type=float, default=60.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--out", type=Path, default=Path("runs/again.json"))
    args = parser.parse_args()
    few = build(args.data, TASK, WITHIN_LABELS)
    more = build(args.data, TASK, WITHIN_LABELS + 2)
    (test,) = more.tests

    def dice(mask: np.ndarray) -> float:
        a, b = mask[test.counts] > 0, test.reference[test.counts] > 0
        return 2 * np.sum(a & b) / (a.sum() + b.sum())

    rows: dict[str, list] = {"reached": [], "go on": [], "anew": []}
    curves = []
    for seed in args.seeds:
        settings = Settings.make(seed=seed, budget=args.budget)
        job = Job(few.cases, settings, preview_case=0, preview_every=EVERY)
        first = list(previews(job))
        seconds, mask, model = first[-1]
        reached = dice(mask)
        rows["reached"].append(reached)
        print(f"seed {seed}: {reached:.3f} after {seconds:.0f} s with {WITHIN_LABELS} slices")
        for name, start in (("go on", model), ("anew", None)):
            again = replace(job, cases=more.cases, start=start)
            curve = [(t, dice(m)) for t, m, _ in previews(again)]
            when = next((t for t, d in curve if d >= reached), float("nan"))
            rows[name].append(when)
            curves.append({"seed": seed, "start": name, "curve": curve})
            print(f"  {name}: {reached:.3f} regained after {when:.1f} s, end {curve[-1][1]:.3f}")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps({"rows": rows, "curves": curves}, indent=1))
    print(f"\n{machine()}; budget {args.budget:.0f} s; mean (each seed)\n")
    print("| | seconds to regain the Dice |\n|---|---|")
    for name in ("go on", "anew"):
        print(f"| {name} | {cell(rows[name], 1)} |")
    print(f"\nDice to regain: {cell(rows['reached'])}")


if __name__ == "__main__":
    main()
