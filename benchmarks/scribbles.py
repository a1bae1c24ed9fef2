"""Which engine makes the best mask of a slice from strokes: Dice after each simulated stroke.

A simulated person strokes along the middle of the structure, then along the middle of the
largest mistake: of the structure where something is missing, of "not this" where too much is.
With `--first mask` they correct a mask as a machine makes it: its brightest or darkest third
missing, a little beside, with some of what is near; `--unheard` takes it for no sample.

``python benchmarks/scribbles.py DATA [--slices 12] [--engines walks,cut] [--time] [--json]``;
DATA holds the four cohorts of the other benchmarks. `--time` adds median and 99th percentile
of the time of an answer, on one core.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy import ndimage
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import breadth_first_order, maximum_flow
from simulated_strokes import next_stroke
from skimage.graph import MCP_Geometric
from skimage.segmentation import random_walker

from napari_dim.data.cohort import read_cohort
from napari_dim.data.load import load_reference
from napari_dim.editing.random_walks import scribbled, walks
from napari_dim.editing.shape_seeds import seeds_of_box, seeds_of_ellipse

COHORTS = ("left_atrium", "hippocampus", "cardiac_c0_lge", "fundus_disc")
STROKES = 6
SHAPES = {"box": seeds_of_box, "ellipse": seeds_of_ellipse}
GOALS = (0.8, 0.9)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * np.count_nonzero(a & b) / max(np.count_nonzero(a) + np.count_nonzero(b), 1)


def around(part: np.ndarray) -> np.ndarray:
    """Corners of a box around a piece, with a twentieth of its size and two pixels of room."""
    rows, columns = np.flatnonzero(part.any(1)), np.flatnonzero(part.any(0))
    low, high = np.array([rows[0], columns[0]]), np.array([rows[-1], columns[-1]])
    room = 2 + 0.05 * (high - low)
    return np.stack([low - room, high + room])


def spoilt(image: np.ndarray, truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A mask as a machine may make it, to be corrected."""
    size = np.sqrt(np.count_nonzero(truth))
    grey = image.mean(-1) if image.ndim == 3 else image.astype(float)
    grey = ndimage.gaussian_filter(grey, max(1, 0.12 * size)) * rng.choice((-1, 1))
    lacking = truth & (grey <= np.quantile(grey[truth], 0.7))
    specks = ndimage.gaussian_filter(rng.normal(size=truth.shape), max(1, 0.12 * size))
    near = ndimage.binary_dilation(truth, iterations=max(1, int(0.15 * size))) & ~truth
    beside = rng.normal(0, 0.06 * size, 2).round().astype(int)
    return np.roll(lacking, beside, (0, 1)) | (near & (specks > np.quantile(specks, 0.85)))


def slices_of(
    data: Path, cohort: str, count: int, seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Slices and the masks of one of their classes, spread over a cohort."""
    rows = [row for row in read_cohort(data / cohort / "cohort.csv").cases if row.labels]
    chosen = np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int)
    rng, known = np.random.default_rng(seed), {}
    for made in range(count):
        row = rows[chosen[made % len(chosen)]]
        if row.name not in known:
            volume, reference = load_reference(row)
            known[row.name] = np.asarray(volume.array), np.asarray(reference)
        image, mask = known[row.name]
        class_id = int(rng.choice([i for i in np.unique(mask) if i]))
        areas = (mask == class_id).sum((1, 2))
        good = np.flatnonzero(areas >= max(30, 0.15 * areas.max()))
        number = int(rng.choice(good)) if good.size else int(areas.argmax())
        yield image[number], mask[number] == class_id


def geodesic(values, wanted, unwanted, likely, pull, spacing):
    """Distances that changes of intensity make long."""
    edge = np.sqrt(sum(g**2 for c in np.moveaxis(values, -1, 0) for g in np.gradient(c)))
    cost = 0.02 + edge / max(float(edge.mean()) * 4, 1e-6)
    return nearer(cost, cost, wanted, unwanted)


def geodesic_likelihood(values, wanted, unwanted, likely, pull, spacing):
    """Distances that are long through what does not look like it."""
    return nearer(1.03 - likely, 0.03 + likely, wanted, unwanted)


def nearer(cost, other_cost, wanted, unwanted):
    to, off = (
        MCP_Geometric(one).find_costs(np.argwhere(seeds))[0]
        for one, seeds in ((cost, wanted), (other_cost, not_this(wanted, unwanted)))
    )
    return off / np.maximum(to + off, 1e-9)


def not_this(wanted, unwanted):
    """Strokes of "not this" and the region's edge."""
    seeds = unwanted.copy()
    seeds[[0, -1]] = seeds[:, [0, -1]] = True
    return seeds & ~wanted


def scikit_walker(values, wanted, unwanted, likely, pull, spacing):
    """scikit-image's random walker, which knows no likelihood."""
    seeds = np.where(wanted, 1, np.where(not_this(wanted, unwanted), 2, 0))
    how = {"beta": 90, "mode": "cg_j", "tol": 1e-3, "channel_axis": -1, "return_full_prob": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return random_walker(values, seeds, **how)[0]


def cut(values, wanted, unwanted, likely, pull, spacing):
    """A minimal cut: what pixels look like, and smooth borders along edges."""
    count, index = likely.size, np.arange(likely.size).reshape(likely.shape)
    down, right = (np.square(np.diff(values, axis=axis)).sum(-1) for axis in (0, 1))
    usual = max(float(down.mean() + right.mean()) / 2, 1e-9)
    held = np.clip(likely, 1e-3, 1 - 1e-3)
    to = np.where(wanted, 10**6, np.where(unwanted, 0, -20 * np.log(1 - held)))
    off = np.where(unwanted, 10**6, np.where(wanted, 0, -20 * np.log(held)))
    source, sink = np.full(count, count), np.full(count, count + 1)
    arcs = [(source, index, to), (index, sink, off)]
    for one, other, step in ((index[:-1], index[1:], down), (index[:, :-1], index[:, 1:], right)):
        weight = 1 + 40 * np.exp(-step / (2 * usual))
        arcs += [(one, other, weight), (other, one, weight)]
    rows, columns, weights = (np.concatenate([np.ravel(a[n]) for a in arcs]) for n in range(3))
    whole = csr_matrix((weights.astype(np.int32), (rows, columns)), shape=(count + 2,) * 2)
    left = whole - maximum_flow(whole, count, count + 1).flow
    left.data[left.data < 0] = 0
    left.eliminate_zeros()
    side = np.zeros(count + 2)
    side[breadth_first_order(left, count, return_predecessors=False)] = 1
    return side[:count].reshape(likely.shape)


ENGINES = {
    "walks": walks,
    "geodesic": geodesic,
    "geodesic-likelihood": geodesic_likelihood,
    "scikit-walker": scikit_walker,
    "cut": cut,
}


def annotate(
    image: np.ndarray,
    truth: np.ndarray,
    engine,
    shape: str,
    rng: np.random.Generator,
    unheard: bool,
) -> tuple[list[float], list[float]]:
    """Dice after each stroke, and seconds of each answer."""
    wanted, unwanted, mask = (np.zeros_like(truth) for _ in range(3))
    alike = None
    dices, seconds = [], []
    if shape == "mask":
        mask = spoilt(image, truth, rng)
        alike = None if unheard else mask
    for number in range(STROKES):
        if shape in SHAPES and number == 0:
            wanted, unwanted = SHAPES[shape](truth.shape, *around(truth))
        else:
            line, kind = next_stroke(mask, truth)
            wanted = wanted | line if kind else wanted & ~line
            unwanted = unwanted & ~line if kind else unwanted | line
        begun = time.perf_counter()
        before = mask if dices or shape == "mask" else None
        mask = scribbled(image, wanted, unwanted, before=before, alike=alike, solver=engine)
        seconds.append(time.perf_counter() - begun)
        if shape in SHAPES and number == 0:
            # It gives the mask, and says nothing that strokes can't correct.
            wanted, unwanted, alike = np.zeros_like(truth), np.zeros_like(truth), mask.copy()
        dices.append(dice(mask, truth))
    return dices, seconds


def row_of(cohort: str, name: str, found: list[tuple[list[float], list[float]]]) -> dict:
    curve = np.array([dices for dices, _ in found])
    row = {"cohort": cohort, "engine": name, "dice": curve.mean(0).round(3).tolist()}
    for goal in GOALS:
        there = curve >= goal
        strokes = np.where(there.any(1), there.argmax(1) + 1, STROKES + 1)
        row[f"strokes to {goal}"] = round(float(strokes.mean()), 2)
    times = 1000 * np.array([second for _, seconds in found for second in seconds])
    return row | {"ms": np.percentile(times, (50, 99)).round().tolist()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--slices", type=int, default=12, help="of each cohort")
    parser.add_argument(
        "--first", choices=(*SHAPES, "mask"), default="", help="in place of a stroke"
    )
    parser.add_argument("--unheard", action="store_true", help="with --first mask")
    parser.add_argument("--seed", type=int, default=0, help="which slices and classes")
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--time", action="store_true", help="print times, too")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    rows = []
    for cohort in COHORTS:
        cases = list(slices_of(args.data, cohort, args.slices, args.seed))
        for name in args.engines.split(","):
            found = []
            for number, case in enumerate(cases):
                rng = np.random.default_rng([args.seed, number])
                found.append(annotate(*case, ENGINES[name], args.first, rng, args.unheard))
            rows.append(row_of(cohort, name, found))
            if not args.time:
                del rows[-1]["ms"]
            if not args.json:
                print(*rows[-1].values(), sep=" | ", flush=True)
    if args.json:
        print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
