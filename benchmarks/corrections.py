"""What a corrected slice is worth: does drawing it more often pay?

One volume, five labelled slices spread evenly over it and a first training. Then a person
corrects the three slices that it suggests, and the training goes on from there. Dice of the
slices that nobody labelled after few steps, as at the next preview, and after more; and the
same of the corrected slices' neighbours alone, up to three slices away.

    python benchmarks/corrections.py DATA [--volumes left_atrium/0 ...] [--seeds 0 1]
        [--times 1 2 4] [--first 200] [--more 40 150] [--jobs 1] [--out FOLDER]

``--times``: how often a corrected slice is drawn for each time of another labelled one
(`config.Settings.corrected`). A volume is ``cohort/row`` of the training rows.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from runs import cell, kept, machine, version
from suggestions import case_of, evenly, parser_of

from napari_dim.engine.inference.suggest import Doubts, suggest
from napari_dim.states import SliceState

VOLUMES = ("left_atrium/0", "left_atrium/2", "left_atrium/5")
FIRST, CORRECTED, NEAR = 5, 3, 3
OUT = Path("runs/corrections")


def dice(shown: np.ndarray, reference: np.ndarray, counts: np.ndarray) -> float:
    a, b = shown[counts], reference[counts]
    return mean(
        2 * np.sum((a == i) & (b == i)) / max(np.sum(a == i) + np.sum(b == i), 1)
        for i in np.unique(reference[reference > 0])
    )


def compared(data: Path, spec: dict[str, Any]) -> dict[str, Any]:
    """A first training and, from its model, those with each weight of what was corrected."""
    from napari_dim.config import Settings
    from napari_dim.engine.training.events import Finished, Preview
    from napari_dim.engine.training.loop import Job, train

    case, reference = case_of(data, spec["volume"])
    slices = np.arange(len(reference))
    states = np.full(len(slices), SliceState.UNTOUCHED, np.uint8)
    states[list(evenly(len(slices), FIRST))] = SliceState.PAINTED
    settings = Settings.make(seed=spec["seed"], steps=spec["first"], threads=1, budget=None)

    def run(states: np.ndarray, settings: Settings, start: Any) -> tuple[Any, Preview]:
        known = np.isin(states, (SliceState.PAINTED, SliceState.CORRECTED))
        mask = np.where(known[:, None, None], reference, 0).astype(reference.dtype)
        job = Job([replace(case, mask=mask, states=states)], settings, preview_case=0, start=start)
        events = list(train(job))
        (done,) = (event for event in events if isinstance(event, Finished))
        return done.model, [event for event in events if isinstance(event, Preview)][-1]

    model, said = run(states, settings, None)
    doubts = Doubts(np.nan_to_num(said.entropy), said.disagreement, np.flatnonzero(states))
    corrected = [found.number for found in suggest([doubts], CORRECTED)]
    states = states.copy()
    states[corrected] = SliceState.CORRECTED
    free = states == SliceState.UNTOUCHED
    gap = np.abs(slices[:, None] - corrected).min(1)
    near = free & (gap <= NEAR)
    found: dict[str, Any] = {
        **spec, "version": version(), "corrected": corrected,
        "before": [dice(said.mask, reference, free), dice(said.mask, reference, near)],
    }  # fmt: skip
    for steps in spec["more"]:
        for times in spec["times"]:
            again = settings.model_copy(update={"steps": steps, "corrected": times})
            _, then = run(states, again, model)
            found[f"{steps} {times:g}"] = [
                dice(then.mask, reference, free), dice(then.mask, reference, near)
            ]  # fmt: skip
    return found


def result(args: argparse.Namespace, volume: str, seed: int) -> dict[str, Any]:
    """Of a volume and seed, from its file or else from a process of its own."""
    spec = {"volume": volume, "seed": seed, "first": args.first, "more": args.more,
            "times": args.times}  # fmt: skip
    path = args.out / f"{volume.replace('/', '')}-{seed}.json"
    return kept(Path(__file__), args.data, path, spec)


def main() -> None:
    parser = parser_of(__doc__, VOLUMES, OUT)
    parser.add_argument("--times", type=float, nargs="+", default=[1, 2, 4])
    parser.add_argument("--first", type=int, default=200)
    parser.add_argument("--more", type=int, nargs="+", default=[40, 150])
    args = parser.parse_args()
    if args.one:
        Path(args.one[1]).write_text(json.dumps(compared(args.data, json.loads(args.one[0]))))
        return
    wanted = [(v, s) for s in args.seeds for v in args.volumes]
    with ThreadPoolExecutor(args.jobs) as pool:
        found = list(pool.map(lambda w: result(args, *w), wanted))
    keys = ["before", *(f"{n} {t:g}" for n in args.more for t in args.times)]
    print(f"\n{machine()}; mean (each of {wanted})\n")
    print("| steps more, times drawn | all unlabelled | neighbours |\n|---|---|---|")
    for key in keys:
        print(f"| {key} | " + " | ".join(cell([f[key][i] for f in found]) for i in (0, 1)) + " |")


if __name__ == "__main__":
    main()
