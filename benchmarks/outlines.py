"""How many clicks an outline takes: Dice of live wire and of a polygon from the same clicks.

A simulated person clicks so many points, evenly spaced along the border of the structure, each
off by about a pixel.

``python benchmarks/outlines.py DATA [--slices 12] [--seed 0] [--json]``; DATA holds the four
cohorts of the other benchmarks. Slices and classes are those of scribbles.py.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from scipy import ndimage
from skimage.measure import find_contours

sys.path.insert(0, str(Path(__file__).parent))

from scribbles import COHORTS, dice, slices_of

from napari_dim.editing.live_wire import edge_costs, enclosed, straight, way

CLICKS = (3, 4, 6, 8, 12, 16)
MISS = 1.0
"""Pixels that a click is off, standard deviation along rows and columns."""


def clicks_on(truth: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Points along the border of the largest piece, ``(click, 2)`` int."""
    border = max(find_contours(np.pad(truth, 1).astype(float), 0.5), key=len) - 1
    steps = np.linalg.norm(np.diff(border, axis=0), axis=1)
    along = np.concatenate([[0], np.cumsum(steps)])
    places = (np.arange(count) / count + rng.random()) % 1 * along[-1]
    points = np.stack([np.interp(places, along, border[:, axis]) for axis in (0, 1)], axis=1)
    order = np.argsort(places)
    points = points[order] + rng.normal(0, MISS, points.shape)
    return np.clip(np.round(points), 0, np.array(truth.shape) - 1).astype(int)


def outlined(way_between, shape: tuple[int, ...], points: np.ndarray) -> np.ndarray:
    ways = [way_between(a, b)[:-1] for a, b in zip(points, np.roll(points, -1, 0), strict=True)]
    return enclosed(shape, np.concatenate([w for w in ways if len(w)]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--slices", type=int, default=12, help="of each cohort")
    parser.add_argument("--seed", type=int, default=0, help="which slices, classes and clicks")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    rows = []
    for cohort in COHORTS:
        rng = np.random.default_rng(args.seed)
        found: dict[str, list[list[float]]] = {"live wire": [], "polygon": []}
        for image, truth in slices_of(args.data, cohort, args.slices, args.seed):
            pieces, _ = ndimage.label(truth)
            truth = pieces == np.bincount(pieces[truth]).argmax()
            truth = ndimage.binary_fill_holes(truth)
            costs = edge_costs(image)
            points = [clicks_on(truth, count, rng) for count in CLICKS]
            ways = {"live wire": lambda a, b, c=costs: way(c, a, b), "polygon": straight}
            for name, between in ways.items():
                found[name].append([dice(outlined(between, truth.shape, p), truth) for p in points])
        for name, dices in found.items():
            mean = np.mean(dices, axis=0).round(3).tolist()
            rows.append({"cohort": cohort, "tool": name, "dice": mean})
            if not args.json:
                print(cohort, name, *mean, sep=" | ", flush=True)
    if args.json:
        print(json.dumps({"clicks": CLICKS, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
