"""One training, tested, in a process of its own; its result kept as a file.

A benchmark asks for many runs; those that are there already are not repeated, so it can be
interrupted and continued.
"""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from peers import forest, interpolation
from tasks import Task, Test, build

from napari_dim.volume import Volume

PACE = 30
"""Seconds of the runs that tell the pace of a task and method."""


def run(data: Path, out: Path, spec: dict[str, Any]) -> dict[str, Any]:
    """The result of a run, from its file or else from a fresh process.

    Parameters
    ----------
    data
        Folder of the cohorts.
    out
        Folder of the results.
    spec
        ``task``, ``method`` (dim, supervised, forest, interpolation), and perhaps
        ``labels``, ``seed``, ``budget`` in seconds, ``steps`` (to be made in its place, on
        one thread), ``label`` (what the file is called by) and ``settings`` (changes to the
        defaults).
    """
    words = [spec["task"], spec.get("label", spec["method"])]
    words += [f"{spec[k]}{unit}" for k, unit in (("labels", "labels"), ("budget", "s"))
              if spec.get(k)]  # fmt: skip
    path = out / ("-".join([*words, str(spec.get("seed", 0))]) + ".json")
    return kept(Path(__file__), data, path, spec)


def kept(script: Path, data: Path, path: Path, spec: dict[str, Any]) -> dict[str, Any]:
    """A result, from its file or else from a process of its own.

    Parameters
    ----------
    script
        What works it out, called as ``script DATA --one SPEC PATH``.
    data, spec
        Folder of the cohorts, and what is wanted.
    path
        The file.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        print(path.stem, flush=True)
        words = [sys.executable, str(script), str(data), "--one", json.dumps(spec), str(path)]
        subprocess.run(words, check=True)
    return json.loads(path.read_text())


def at_pace(
    data: Path, out: Path, specs: Sequence[dict[str, Any]], jobs: int
) -> list[dict[str, Any]]:
    """The results of runs, all at the pace of the machine at rest.

    The first run of each task and method, `PACE` seconds with seed 0, has the machine for
    itself; it must be quiet. The others are given as many steps as their budget holds at
    that pace, a thread each, `jobs` at a time: what else runs then changes their time, not
    their result. Every share of the schedule is one of the budget, so that a run of twice
    the time makes twice the steps.
    """
    paces: dict[tuple[str, str], float] = {}
    for spec in specs:
        key = spec["task"].partition("_row")[0], spec["method"]  # volumes of a cohort are alike
        if spec.get("budget") and key not in paces:
            first = {"task": key[0], "method": key[1], "seed": 0, "budget": PACE}
            paces[key] = run(data, out, first)["steps"] / PACE

    def one(spec: dict[str, Any]) -> dict[str, Any]:
        if not spec.get("budget"):
            return run(data, out, spec)
        pace = paces[spec["task"].partition("_row")[0], spec["method"]]
        return run(data, out, {**spec, "steps": round(pace * spec["budget"])})

    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(one, specs))


def cell(values: Sequence[float], digits: int = 3) -> str:
    """Mean, and what every seed gave."""
    if not values:
        return "-"
    mean = f"{statistics.mean(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ({', '.join(f'{v:.{digits}f}' for v in values)})"


def version() -> str:
    """The commit that is measured."""
    words = ["git", "describe", "--always", "--dirty"]
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()


def machine() -> str:
    """What the figures come from, in a line."""
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return (
        f"{platform.system()} {platform.machine()}, {torch.get_num_threads()} CPU threads, {gpu}, "
        f"torch {torch.__version__}"
    )


def site_dice(result: dict[str, Any]) -> dict[str, float]:
    """Mean Dice over the classes, by site."""
    return {site: statistics.mean(each.values()) for site, each in result["dice"].items()}


def dice_of(mask: np.ndarray, test: Test, merge: dict[int, int]) -> dict[int, float]:
    """Dice of each class of a scan's reference, over the slices that count."""
    mask, reference = mask[test.counts], test.reference[test.counts]
    for old, new in merge.items():
        mask, reference = (np.where(x == old, new, x) for x in (mask, reference))
    return {
        int(i): float(
            2
            * np.sum((mask == i) & (reference == i))
            / (np.sum(mask == i) + np.sum(reference == i))
        )
        for i in np.unique(reference)
        if i
    }


def _one(data: Path, spec: dict[str, Any]) -> dict[str, Any]:
    task = build(data, spec["task"], spec.get("labels"))
    start = time.perf_counter()
    predict, told = _trained(task, spec)
    trained = time.perf_counter()
    dice: dict[str, dict[str, list[float]]] = {}
    for test in task.tests:
        mask = predict(test.volume)
        for class_id, value in dice_of(mask, test, task.merge).items():
            dice.setdefault(test.site, {}).setdefault(str(class_id), []).append(value)
    return {
        **spec,
        **told,
        "version": version(),
        "machine": machine(),
        "seconds": round(trained - start, 1),
        "predict_seconds": round(time.perf_counter() - trained, 1),
        "cases": {s: {c: np.round(v, 4).tolist() for c, v in d.items()} for s, d in dice.items()},
        "dice": {s: {c: float(np.mean(v)) for c, v in d.items()} for s, d in dice.items()},
    }


def _trained(
    task: Task, spec: dict[str, Any]
) -> tuple[Callable[[Volume], np.ndarray], dict[str, Any]]:
    """Something that gives masks, and what is to be told of its training."""
    seed = spec.get("seed", 0)
    if spec["method"] == "forest":
        return forest(task.cases, seed), {}
    if spec["method"] == "interpolation":
        return interpolation(task.cases), {}
    from napari_dim.config import Settings
    from napari_dim.engine.inference.predictor import predict
    from napari_dim.engine.training.events import Finished
    from napari_dim.engine.training.loop import Job, train

    changes = {"budget": spec.get("budget"), **spec.get("settings", {})}
    if spec.get("steps"):
        changes |= {"budget": None, "steps": spec["steps"], "threads": 1}
    settings = Settings.make(method=spec["method"], seed=seed, **changes)
    last = list(train(Job(task.cases, settings)))[-1]
    if not isinstance(last, Finished):
        raise SystemExit(str(last))
    model = last.model
    told = {"steps": last.steps, "patch": model.grid.patch}
    # As many threads as in training: two runs side by side must not wait for each other's.
    return lambda volume: predict(model, volume, threads=settings.threads).mask, told


if __name__ == "__main__":
    result = _one(Path(sys.argv[1]), json.loads(sys.argv[3]))
    Path(sys.argv[4]).write_text(json.dumps(result, indent=1))
