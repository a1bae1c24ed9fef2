"""Do suggested slices teach more than evenly spaced or random ones?

One volume, three labelled slices spread evenly over it; then slices are added two at a time,
as each rule says, and the network is trained anew with them for as many steps. Dice of the
whole scan as the annotator then has it: labelled slices as labelled, the others predicted.

    python benchmarks/suggestions.py DATA [--volumes left_atrium/0 ...] [--seeds 0 1]
        [--counts 5 7 9] [--steps 150] [--jobs 1] [--out FOLDER]

``even`` lays all slices of a count out evenly; ``random`` adds any slices that are not
labelled, drawn by the seed; the other rules see what the last training said. A volume is
``cohort/row`` of the training rows. A training with the same slices is not repeated.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from runs import cell, kept, machine, version

from napari_dim.data.case import Case
from napari_dim.data.cohort import read_cohort
from napari_dim.data.load import load_case
from napari_dim.engine.inference.suggest import Doubts, suggest
from napari_dim.io import read_mask
from napari_dim.states import SliceState

VOLUMES = ("left_atrium/0", "left_atrium/2", "hippocampus/4")
FIRST = 3
RULES = ("suggested", "even", "random")
OUT = Path("runs/suggestions")


def evenly(slices: int, count: int) -> tuple[int, ...]:
    return tuple(int((i + 0.5) * slices / count) for i in range(count))


def chosen(rule: str, said: dict[str, Any], count: int, rng: np.random.Generator) -> list[int]:
    """The slices labelled next to those of a training, up to `count` in all."""
    labelled, slices = said["labelled"], len(said["entropy"])
    if rule == "even":
        return list(evenly(slices, count))
    if rule == "random":
        free = np.setdiff1d(np.arange(slices), labelled)
        return [*labelled, *rng.choice(free, count - len(labelled), replace=False).tolist()]
    doubts = Doubts(np.array(said["entropy"]), np.array(said["disagreement"]), labelled)
    found = [s.number for s in suggest([doubts], count - len(labelled))]
    return [*labelled, *found]


def case_of(data: Path, volume: str) -> tuple[Case, np.ndarray]:
    """A case without labels, and its reference."""
    cohort, _, row = volume.partition("/")
    found = read_cohort(data / cohort / "cohort.csv").split("train")[int(row)]
    case = load_case(replace(found, slices=()))
    reference = read_mask(found.labels, case.volume)
    return case, reference


def trained(data: Path, spec: dict[str, Any]) -> dict[str, Any]:
    """Train with some slices labelled; the Dice of the whole scan, and the network's doubts."""
    from napari_dim.config import Settings
    from napari_dim.engine.training.events import Preview
    from napari_dim.engine.training.loop import Job, train

    case, reference = case_of(data, spec["volume"])
    labelled = spec["labelled"]
    states = np.full(len(reference), SliceState.UNTOUCHED, np.uint8)
    states[labelled] = SliceState.PAINTED
    mask = np.zeros_like(reference)
    mask[labelled] = reference[labelled]
    settings = Settings.make(seed=spec["seed"], steps=spec["steps"], threads=1, budget=None)
    job = Job([replace(case, mask=mask, states=states)], settings, preview_case=0)
    last = [event for event in train(job) if isinstance(event, Preview)][-1]
    shown = last.mask.copy()
    shown[labelled] = reference[labelled]
    dice = [
        2 * np.sum((shown == i) & (reference == i)) / (np.sum(shown == i) + np.sum(reference == i))
        for i in np.unique(reference[reference > 0])
    ]
    return {
        **spec,
        "version": version(),
        "dice": float(np.mean(dice)),
        "entropy": np.nan_to_num(last.entropy).round(5).tolist(),
        "disagreement": last.disagreement.round(6).tolist(),
    }


def result(data: Path, out: Path, spec: dict[str, Any]) -> dict[str, Any]:
    """Of a training, from its file or else from a process of its own."""
    slices = "-".join(map(str, spec["labelled"]))
    name = f"{spec['volume'].replace('/', '')}-{spec['steps']}-{spec['seed']}-{slices}.json"
    return kept(Path(__file__), data, out / name, spec)


def chain(args: argparse.Namespace, volume: str, seed: int, rule: str) -> dict[int, float]:
    """Dice by the number of labelled slices."""
    case, _ = case_of(args.data, volume)
    rng = np.random.default_rng(seed)
    labelled = list(evenly(len(case.states), FIRST))
    found: dict[int, float] = {}
    said: dict[str, Any] = {}
    for count in (FIRST, *args.counts):
        if said:
            labelled = chosen(rule, said, count, rng)
        spec = {"volume": volume, "seed": seed, "steps": args.steps,
                "labelled": sorted(map(int, labelled))}  # fmt: skip
        said = result(args.data, args.out, spec)
        found[count] = said["dice"]
    return found


def parser_of(doc: str, volumes: Sequence[str], out: Path) -> argparse.ArgumentParser:
    """What both of these benchmarks ask for, with the volumes and the folder that are usual."""
    parser = argparse.ArgumentParser(description=doc.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--volumes", nargs="+", default=list(volumes))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=out)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    return parser


def main() -> None:
    parser = parser_of(__doc__, VOLUMES, OUT)
    parser.add_argument("--counts", type=int, nargs="+", default=[5, 7, 9])
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--rules", nargs="+", default=list(RULES))
    args = parser.parse_args()
    if args.one:
        Path(args.one[1]).write_text(json.dumps(trained(args.data, json.loads(args.one[0]))))
        return
    wanted = [(v, s, r) for s in args.seeds for v in args.volumes for r in args.rules]
    with ThreadPoolExecutor(args.jobs) as pool:
        found = dict(zip(wanted, pool.map(lambda w: chain(args, *w), wanted), strict=True))
    counts = (FIRST, *args.counts)
    print(f"\n{machine()}; {args.steps} steps, seeds {args.seeds}; mean (each seed)\n")
    print("| volume | slices | " + " | ".join(f"{n} labelled" for n in counts) + " |")
    print("|---" * (2 + len(counts)) + "|")
    for volume in args.volumes:
        for rule in args.rules:
            each = [found[volume, seed, rule] for seed in args.seeds]
            cells = [cell([e[n] for e in each]) for n in counts]
            print(f"| {volume} | {rule} | " + " | ".join(cells) + " |")
    for rule in args.rules:
        cells = [f"{mean(f[n] for w, f in found.items() if w[2] == rule):.3f}" for n in counts]
        print(f"| all | {rule} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
