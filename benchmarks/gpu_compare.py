"""DiM at the paper's scale for a while: steps a second, and how far the masks are by then.

The schedule is the paper's whole one, of which the time holds the beginning: λ is still small.

    python benchmarks/gpu_compare.py DATA [--seconds 240] [--scale paper] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from runs import machine

from napari_dim.compare.assessment import Assessor
from napari_dim.compare.layouts import read_benchmark
from napari_dim.compare.protocol import labellings, longest_side
from napari_dim.compare.table_rows import SCALES, Row
from napari_dim.engine.device import pick_device
from napari_dim.engine.training.control import Control
from napari_dim.engine.training.job import Job
from napari_dim.engine.training.trainer import Trainer

RECORDED = 20
"""Steps before the clock starts: the first ones are recorded as graphs."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--seconds", type=float, default=240)
    parser.add_argument("--scale", choices=SCALES, default="paper")
    parser.add_argument("--count", type=int, help="labelled slices; as published by default")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    benchmark = read_benchmark(args.data, args.scale)
    steps = SCALES[args.scale].steps or benchmark.steps
    labelling = labellings(benchmark, "each", args.count, None)[0]
    cases = labelling.cases(benchmark)
    settings = Row.named("dim").settings(
        benchmark, args.scale, side=longest_side(cases, benchmark.size), steps=steps, seed=0,
        device="auto", threads=0,
    )  # fmt: skip
    trainer = Trainer(Job(cases, settings), Control())
    trainer.networks(True)
    begun = start = time.monotonic()
    first = 0
    while trainer.step < steps and time.monotonic() - begun < args.seconds:
        trainer.learn(trainer.step / steps)
        if trainer.step == RECORDED:
            trainer.sound()  # waits for the device
            start, first = time.monotonic(), trainer.step
    sound = trainer.sound()
    taken = time.monotonic() - start
    look = Assessor(benchmark, pick_device()).look(trainer.model, trainer.step)
    found = {
        "machine": machine(),
        "scale": args.scale,
        "size": benchmark.size,
        "labelled": labelling.site,
        "steps": trainer.step,
        "of": steps,
        "steps_a_second": round((trainer.step - first) / taken, 3),
        "sound": sound,
        **look.plain(),
    }
    trainer.close()
    print(json.dumps(found, indent=2))
    if args.json is not None:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
