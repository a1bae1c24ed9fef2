"""Adaptation to one new scan: Dice and seconds with and without, on unseen scanners and not.

A model is trained once for each method and seed; then every test scan is predicted both
ways. ``left_atrium``: the training site, and the same scans as another scanner might show
them. ``fundus_disc_one_centre``: the training centre, and one that training never saw.

    python benchmarks/adapt.py DATA [--steps 900] [--seeds 0 1]

All goes on one thread, training by steps, so that what else runs changes the seconds alone.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
from runs import cell, dice_of, machine
from tasks import Test, build

from napari_dim.config import Settings
from napari_dim.engine.inference.predictor import predict
from napari_dim.engine.training.loop import Job, train


def tests(data: Path, task: str) -> dict[str, list[Test]]:
    """Scans to predict, by what they are."""
    if task == "left_atrium":
        return {
            "training site": build(data, task).tests,
            "another scanner": build(data, "left_atrium_new_scanner").tests,
        }
    by_site: dict[str, list[Test]] = defaultdict(list)
    for test in build(data, task).tests:
        by_site[test.site].append(test)
    return dict(by_site)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    args = parser.parse_args()
    print(f"{machine()}; trained {args.steps} steps; mean (each seed)\n")
    print("| trained on | tested on | method | without | adapted | change | seconds a scan |")
    print("|---|---|---|---|---|---|---|")
    for task in ("left_atrium", "fundus_disc_one_centre"):
        made = build(args.data, task)
        groups = tests(args.data, task)
        found: dict[tuple[str, str], list[tuple[float, float, float, float]]] = defaultdict(list)
        for method in ("dim", "supervised"):
            for seed in args.seeds:
                settings = Settings.make(
                    method=method, seed=seed, budget=None, steps=args.steps, threads=1
                )
                model = list(train(Job(made.cases, settings)))[-1].model
                for group, several in groups.items():
                    scores = []
                    for test in several:
                        row: list[float] = []
                        for adapt in (False, True):
                            start = time.perf_counter()
                            mask = predict(model, test.volume, adapt=adapt, threads=1).mask
                            seconds = time.perf_counter() - start
                            row += [
                                np.mean(list(dice_of(mask, test, made.merge).values())),
                                seconds,
                            ]
                        scores.append(row)
                    found[group, method].append(tuple(np.mean(scores, axis=0)))
        for (group, method), each in found.items():
            without, seconds, adapted, longer = ([run[i] for run in each] for i in range(4))
            print(
                f"| {task} | {group} | {method} | {cell(without)} | {cell(adapted)} "
                f"| {np.mean(adapted) - np.mean(without):+.3f} "
                f"| {np.mean(seconds):.1f} / {np.mean(longer):.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
