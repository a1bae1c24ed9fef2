"""Steps a second of two processes with a core each, beside one process with two threads.

Both take the same steps of the same training, in turns; each is timed from its tenth step on, by
its own `losses.csv`. With --apart: how far the weights are apart after the steps, as a share of
the way from the first step's, of two processes and of one with another number of threads, each
beside one process with one thread (a small network, SGD at --rate, every second step sharp).

    python benchmarks/ranks.py [--steps 60] [--turns 3] [--system dim] [--json FILE]
    python benchmarks/ranks.py --apart [--steps 50] [--rate 0.001]
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file

from napari_dim.data.phantom import make_phantom

FIRST = 10
"""The step that is timed from."""
LAUNCH = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
KINDS = {"one process, two threads": (2, ["-m"]), "two processes, a thread each": (1, LAUNCH)}


def rate(cohort: Path, run: Path, kind: str, steps: int, system: str) -> float:
    """Steps a second of one training."""
    threads, start = KINDS[kind]
    config = run.with_suffix(".json")
    config.write_text(json.dumps({"threads": threads, "device": "cpu"}), encoding="utf-8")
    command = [
        sys.executable, *start, "napari_dim", "fit", str(cohort), "--out", str(run),
        "--steps", str(steps), "--system", system, "--config", str(config),
    ]  # fmt: skip
    env = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    subprocess.run(command, check=True, env=env, capture_output=True)
    with (run / "losses.csv").open(encoding="utf-8") as file:
        rows = [(int(row["step"]), float(row["seconds"])) for row in csv.DictReader(file)]
    first = next(row for row in rows if row[0] >= FIRST)
    return (rows[-1][0] - first[0]) / (rows[-1][1] - first[1])


def apart(cohort: Path, folder: Path, steps: int, system: str, learning_rate: float) -> None:
    """Print how far other processes and other threads bring the weights apart."""
    settings = {
        "width": 4, "min_size": 32, "max_size": 64, "labelled_batch": 2, "unlabelled_batch": 2,
        "optimiser": "sgd", "learning_rate": learning_rate, "sharpness_every": 2,
        "sharpness_from": 0.0, "mixed_precision": False, "device": "cpu",
    }  # fmt: skip

    def weights(name: str, number: int, threads: int, start: list[str]) -> torch.Tensor:
        run = folder / name
        run.with_suffix(".json").write_text(json.dumps({**settings, "threads": threads}))
        command = [
            sys.executable, *start, "napari_dim", "fit", str(cohort), "--out", str(run),
            "--steps", str(number), "--system", system, "--config", str(run.with_suffix(".json")),
        ]  # fmt: skip
        env = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        subprocess.run(command, check=True, env=env, capture_output=True)
        found = load_file(run / "weights.safetensors")
        return torch.cat([found[key].flatten().double() for key in sorted(found)])

    first, one = (weights(f"one-{n}", n, 1, ["-m"]) for n in (1, steps))
    way = (one - first).norm()
    for name, threads, start in (("two processes", 1, LAUNCH), ("two threads", 2, ["-m"])):
        share = float((weights(name.replace(" ", "-"), steps, threads, start) - one).norm() / way)
        print(f"{name}: {share:.2g} of the way apart after {steps} steps", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--system", default="dim")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--apart", action="store_true")
    parser.add_argument("--rate", type=float, default=0.001)
    args = parser.parse_args()
    if args.apart:
        with tempfile.TemporaryDirectory() as folder:
            cohort = make_phantom(Path(folder) / "phantom")
            apart(cohort, Path(folder), args.steps, args.system, args.rate)
        return
    made: dict[str, list[float]] = {kind: [] for kind in KINDS}
    with tempfile.TemporaryDirectory() as folder:
        cohort = make_phantom(Path(folder) / "phantom")
        for turn in range(args.turns):
            for number, kind in enumerate(KINDS):
                run = Path(folder) / f"run-{turn}-{number}"
                made[kind].append(rate(cohort, run, kind, args.steps, args.system))
    for kind, found in made.items():
        each = ", ".join(f"{one:.2f}" for one in found)
        print(f"{kind}: {statistics.median(found):.2f} steps a second ({each})")
    if args.json is not None:
        args.json.write_text(json.dumps(made, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
