"""What labelled slices tell of those between them, the network, and both: Dice at some steps.

Some labelled slices spread evenly over one volume, a training, and the slices between the
outermost labelled ones: by random walks from the labelled slices alone, by the network alone,
and by the network that leans on them (`engine.inference.between_labels`), as the window shows.

    python benchmarks/between_labels.py DATA [--volumes left_atrium/0 ...] [--seeds 0]
        [--counts 5] [--steps 30 100 200] [--jobs 1] [--out FOLDER]

A volume is ``cohort/row`` of the training rows. Each number of steps is a training of its own.
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
from runs import kept, machine, version
from suggestions import case_of, evenly, parser_of

from napari_dim.editing.grown_seeds import between_walls
from napari_dim.engine.inference.between_labels import BetweenLabels, agreement
from napari_dim.engine.inference.predictor import Prediction
from napari_dim.states import SliceState

VOLUMES = (
    "left_atrium/0", "left_atrium/2", "hippocampus/4", "hippocampus/9", "cardiac_c0_lge/0",
    "cardiac_c0_lge/1",
)  # fmt: skip
OUT = Path("runs/between_labels")
WAYS = ("walks", "network", "leaning")


def compared(data: Path, spec: dict[str, Any]) -> dict[str, Any]:
    """Train once; the Dice of each way."""
    from napari_dim.config import Settings
    from napari_dim.engine.training.events import Preview
    from napari_dim.engine.training.loop import Job, train

    case, reference = case_of(data, spec["volume"])
    labelled = list(evenly(len(reference), spec["count"]))
    states = np.full(len(reference), SliceState.UNTOUCHED, np.uint8)
    states[labelled] = SliceState.PAINTED
    mask = np.zeros_like(reference)
    mask[labelled] = reference[labelled]
    case = replace(case, mask=mask, states=states)
    settings = Settings.make(
        seed=spec["seed"], steps=spec["steps"], threads=1, budget=None, lean=False
    )
    job = Job([case], settings, preview_case=0)
    last = [event for event in train(job) if isinstance(event, Preview)][-1]
    assert last.confidence is not None
    found = Prediction(last.mask.copy(), last.slices, last.entropy, last.confidence)
    leaning = BetweenLabels(case, np.unique(reference[reference > 0]).tolist()).lean(
        found, lambda share: None
    )
    walks = between_walls(
        lambda number: case.volume.array[number],
        {number: reference[number] for number in labelled}, case.volume.spacing,
    )  # fmt: skip
    inner = np.setdiff1d(np.arange(labelled[0], labelled[-1]), labelled)
    masks = (np.stack([walks[n] for n in inner.tolist()]), last.mask[inner], leaning.mask[inner])
    return {
        **spec, "version": version(),
        "ends": agreement(last.mask[labelled], reference[labelled]),
        **{way: agreement(shown, reference[inner]) for way, shown in zip(WAYS, masks, strict=True)},
    }  # fmt: skip


def result(args: argparse.Namespace, **spec: Any) -> dict[str, Any]:
    """Of one training, from its file or else from a process of its own."""
    words = (spec["volume"].replace("/", ""), spec["count"], spec["steps"], spec["seed"])
    path = args.out / f"{'-'.join(map(str, words))}.json"
    return kept(Path(__file__), args.data, path, spec)


def main() -> None:
    parser = parser_of(__doc__, VOLUMES, OUT)
    parser.set_defaults(seeds=[0])
    parser.add_argument("--counts", type=int, nargs="+", default=[5])
    parser.add_argument("--steps", type=int, nargs="+", default=[30, 100, 200])
    args = parser.parse_args()
    if args.one:
        Path(args.one[1]).write_text(json.dumps(compared(args.data, json.loads(args.one[0]))))
        return
    wanted = [
        {"volume": volume, "count": count, "steps": steps, "seed": seed}
        for volume in args.volumes for count in args.counts for steps in args.steps
        for seed in args.seeds
    ]  # fmt: skip
    with ThreadPoolExecutor(args.jobs) as pool:
        found = list(pool.map(lambda spec: result(args, **spec), wanted))
    print(f"\n{machine()}\n")
    print("| volume, labelled, seed | steps | the network on the labelled | walks | network | "
          "leaning |\n|---|---|---|---|---|---|")  # fmt: skip
    for one in found:
        cells = " | ".join(f"{one[key]:.3f}" for key in ("ends", *WAYS))
        print(f"| {one['volume']}, {one['count']}, {one['seed']} | {one['steps']} | {cells} |")
    for way in WAYS:
        print(f"{way}: {mean(one[way] for one in found):.3f}")


if __name__ == "__main__":
    main()
