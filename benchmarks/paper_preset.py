"""The paper preset trains as the paper says: network, batch, optimiser, schedule, losses.

Takes STEPS steps on `fundus_disc` (all of the schedule, so λ goes from e^-5 to 1), each term
of equation (10) on the way, then Dice on the test split. 30,000 steps are the paper's.

    python benchmarks/paper_preset.py DATA [--steps 12] [--every 1] [--out FILE]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from runs import dice_of, machine
from tasks import build

from napari_dim.config import Settings
from napari_dim.engine.inference.predictor import predict
from napari_dim.engine.training.events import Finished, Started, StepDone
from napari_dim.engine.training.loop import Job, train
from napari_dim.method.ramps import ramp

SHOWN = (
    "network", "width", "usual_size", "labelled_batch", "unlabelled_batch", "optimiser",
    "learning_rate", "momentum", "weight_decay", "decay_power", "sharpness", "sharpness_every",
    "confidence", "teacher_decay", "divergence", "estimator",
)  # fmt: skip
TERMS = ("supervised", "inner", "outer", "symmetric", "align", "total")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--every", type=int, default=1, help="steps between two rows")
    parser.add_argument("--out", type=Path, default=Path("runs/paper_preset.md"))
    args = parser.parse_args()
    settings = Settings.make(preset="paper", steps=args.steps)
    task = build(args.data, "fundus_disc")
    lines = [f"{machine()}.", ""]

    def say(line: str) -> None:
        lines.append(line)
        print(line, flush=True)

    start = time.perf_counter()
    for event in train(Job(task.cases, settings)):
        if isinstance(event, Started):
            values = {**settings.model_dump(), **settings.system.model_dump()}
            told = ", ".join(f"{name} {values[name]}" for name in SHOWN)
            say(f"{event.parameters:,} parameters, slices of {event.patch}, {event.device}: {told}")
            say("")
            say("| step | λ | rate | " + " | ".join(TERMS) + " | seconds |")
            say("|---" * (len(TERMS) + 4) + "|")
        elif isinstance(event, StepDone) and event.step % args.every == 0:
            # The event tells of the step that ended; its t was a step before.
            t = (event.step - 1) / args.steps
            rate = settings.learning_rate * (1 - t) ** settings.decay_power
            values = " | ".join(f"{event.losses.get(name, np.nan):.4f}" for name in TERMS)
            say(f"| {event.step} | {ramp(t):.3f} | {rate:.4f} | {values} | {event.elapsed:.0f} |")
        elif isinstance(event, Finished):
            model = event.model
            say("")
            say(f"{event.steps} steps in {time.perf_counter() - start:.0f} s.")
    dice: dict[str, list[float]] = {}
    for test in task.tests:
        found = dice_of(predict(model, test.volume).mask, test, task.merge)
        dice.setdefault(test.site, []).append(float(np.mean(list(found.values()))))
    for site, each in dice.items():
        say(f"Dice on the test pictures of {site}: {np.mean(each):.3f}.")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
