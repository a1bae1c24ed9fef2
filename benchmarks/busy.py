"""Steps of a training while another program takes a core, beside those of an idle machine.

The other program is a loop in a process of its own. Idle and busy take turns, each a training
by the clock; `fixed` keeps all threads, as a training did before it looked at what is left.

    python benchmarks/busy.py [--seconds 20] [--turns 3] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import torch
from step import cases

from napari_dim.config import Settings
from napari_dim.engine.precision import available_cpus
from napari_dim.engine.training.events import Finished
from napari_dim.engine.training.loop import Job, train


@contextmanager
def beside(programs: int):
    """So many busy loops meanwhile."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(programs)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def steps(seconds: float, threads: int) -> int:
    """Steps of a training of so many seconds; with 0 threads it chooses them itself."""
    settings = Settings.make(device="cpu", budget=seconds, threads=threads)
    last = list(train(Job(cases(160, 224), settings)))[-1]
    assert isinstance(last, Finished), last
    return last.steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    cpus = available_cpus()
    kinds = {"idle": (0, 0), "busy": (1, 0), "busy, fixed": (1, cpus)}
    made: dict[str, list[int]] = {name: [] for name in kinds}
    steps(3.0, 0)
    for _ in range(args.turns):
        for name, (programs, threads) in kinds.items():
            with beside(programs):
                made[name].append(steps(args.seconds, threads))
    print(f"{cpus} CPUs, torch {torch.__version__}, load before {os.getloadavg()[2]:.1f}\n")
    print("| | steps | share of idle |")
    print("|---|---|---|")
    for name, each in made.items():
        share = statistics.median(a / b for a, b in zip(each, made["idle"], strict=True))
        print(f"| {name} | {', '.join(map(str, each))} | {share:.2f} |")
    if args.json:
        args.json.write_text(json.dumps(made, indent=1))


if __name__ == "__main__":
    main()
