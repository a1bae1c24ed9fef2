"""What a training on a server costs beside the same one here: start, bytes, masks, pace.

A scheduler and a worker run on the loopback, in processes of their own, so that both trainings have
the same processor: what differs is the way there and back. One scan, three of its slices labelled.

    OMP_NUM_THREADS=1 PYTHONPATH=src:. python benchmarks/elsewhere.py [--seconds 30] [--repeats 3]
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tests.cluster.lab import Lab, Relay

from napari_dim.cluster.elsewhere.server import Server
from napari_dim.cluster.elsewhere.training_elsewhere import train_elsewhere
from napari_dim.config import Settings
from napari_dim.data.case import Case
from napari_dim.engine.training.child_process import train_apart
from napari_dim.engine.training.control import Control
from napari_dim.engine.training.events import Event, Preview, StepDone
from napari_dim.engine.training.job import Job
from napari_dim.states import SliceState
from napari_dim.volume import Grid, Volume

SHAPE = (40, 256, 256)
TOLD_LATEST = 3.0
"""Seconds after the first step when masks are asked for."""


def made(seed: int) -> Case:
    """A ball in noise, with labels in three slices."""
    rng = np.random.default_rng(seed)
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    mask = (np.sqrt(sum(axis**2 for axis in axes)) < 0.5).astype(np.uint8)
    image = (100 + 80 * mask + rng.normal(0, 12, SHAPE)).astype(np.int16)
    grid = Grid(SHAPE[::-1], np.diag([-1.0, -1.0, 3.0, 1.0]), slice_axis=2)
    states = np.zeros(SHAPE[0], np.uint8)
    states[[14, 20, 26]] = SliceState.PAINTED
    return Case(Volume(image, grid), mask, states, name="ball")


def watched(
    job: Job, start: Callable[[Control], Iterator[Event]], seconds: float
) -> dict[str, float]:
    """Seconds until the first step, until masks that are asked for are whole, and the pace."""
    control = Control()
    begun = time.perf_counter()
    first = asked = masks = stopped = 0.0
    steps: list[tuple[float, int]] = []
    left: set[int] = set()
    for event in start(control):
        now = time.perf_counter()
        if isinstance(event, StepDone):
            first = first or now
            steps.append((now, event.step))
            if not asked and now - first > TOLD_LATEST:
                asked, left = now, set(range(SHAPE[0]))
                control.ask_preview(0, 20)
            if not stopped and now - first > seconds:
                stopped = now
                control.stop()
        elif isinstance(event, Preview) and asked and not masks:
            left -= {int(n) for n in event.slices}
            masks = now if not left else 0.0
    end = time.perf_counter()
    calm = [(when, step) for when, step in steps if when > masks]
    pace = (calm[-1][1] - calm[0][1]) / (calm[-1][0] - calm[0][0])
    return {"first_step_s": first - begun, "masks_s": masks - asked, "steps_per_s": pace,
            "stop_to_model_s": end - stopped}  # fmt: skip


def main() -> None:
    from runs import machine

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=30.0, help="of each training")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    settings = Settings.make(device="cpu", threads=1, until_stopped=True)
    found: dict[str, Any] = {"here": [], "there": []}
    with tempfile.TemporaryDirectory() as home:
        lab = Lab(Path(home)).start()
        relay = Relay(lab.port)
        try:
            for number in range(given.repeats):
                job = Job([made(number)], settings, preview_case=0, preview_every=float("inf"))
                found["here"].append(
                    watched(job, lambda control, job=job: train_apart(job, control), given.seconds)
                )
                for again in (False, True):
                    before = relay.passed
                    one = watched(
                        job,
                        lambda control, job=job: train_elsewhere(
                            job, control, Server(f"127.0.0.1:{relay.port}"), lambda line: None
                        ),
                        given.seconds,
                    )
                    sent, back = (b - a for a, b in zip(before, relay.passed, strict=True))
                    found["there"].append({"again": again, "sent": sent, "back": back, **one})
        finally:
            relay.close()
            lab.close()
    rows = {
        "here": found["here"],
        "there, new scan": [one for one in found["there"] if not one["again"]],
        "there, known scan": [one for one in found["there"] if one["again"]],
    }
    means = {
        name: {key: round(statistics.median(one[key] for one in ones), 3) for key in ones[0]}
        for name, ones in rows.items()
    }
    voxels = int(np.prod(SHAPE)) * 2
    print(json.dumps({"machine": machine(), "voxels_bytes": voxels, "median": means}, indent=2))


if __name__ == "__main__":
    main()
