"""What fills the slices between labelled ones best, and how far a mask can be carried on.

``python benchmarks/seeds_3d.py DATA [--volumes 4] [--parts whole,strokes,carry] [--engines ...]``;
DATA holds `left_atrium`, `hippocampus` and `cardiac_c0_lge`, whose two contrasts count as two
cohorts; pictures have no neighbours. Dice is the mean over classes and unlabelled slices of a
volume: between the outermost labelled slices, and of the whole scan.

- `whole`: 3 and 5 slices spread over the structures, and every 4th and 8th.
- `strokes`: in 3 and 5 such slices a stroke along the middle of each class, and a ring around.
- `carry`: from three slices of each volume in both directions, 8 slices at most; Dice by
  distance, that of copies beside it, and how often it stops too late or too early (Dice 0.7).
- `time`: seconds of processor time on a sphere in 512 x 512 x 400 voxels, with OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import itertools
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from scipy import ndimage
from simulated_strokes import stroke
from skimage.graph import MCP_Geometric
from skimage.segmentation import random_walker

from napari_dim.data.cohort import read_cohort
from napari_dim.data.load import load_reference
from napari_dim.editing import grown_seeds, slab_walks
from napari_dim.editing.grown_seeds import between_walls, carried, made_whole
from napari_dim.editing.shapes_between import between

COHORTS = ("left_atrium", "hippocampus", "heart c0", "heart lge")
STEPS = 8
GOOD = 0.7
ROOM = 30
MOST = 300_000

Filler = Callable[[np.ndarray, dict[int, np.ndarray], tuple[float, float, float]], np.ndarray]


def volumes(
    data: Path, cohort: str, count: int
) -> Iterator[tuple[np.ndarray, np.ndarray, tuple[float, float, float]]]:
    """Image, mask and spacing of volumes spread over a cohort, around what is labelled.

    Large ones are halved in rows and columns: engines that need all of a volume take too long.
    """
    folder, _, site = cohort.partition(" ")
    folder = {"heart": "cardiac_c0_lge"}.get(folder, folder)
    rows = [row for row in read_cohort(data / folder / "cohort.csv").cases if row.labels]
    rows = [row for row in rows if not site or row.site == site]
    for at in np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int):
        volume, reference = load_reference(rows[at])
        image, mask = np.asarray(volume.array, np.float32), np.asarray(reference).astype(np.int32)
        box = [slice(None)]
        for axis in (1, 2):
            found = np.flatnonzero(mask.any(axis=(0, 3 - axis)))
            box.append(slice(max(0, found[0] - ROOM), found[-1] + 1 + ROOM))
        image, mask = image[tuple(box)], mask[tuple(box)]
        size = volume.grid.spacing
        if image.size > MOST:
            count_rows, count_columns = (length // 2 for length in image.shape[1:])
            image = image[:, : 2 * count_rows, : 2 * count_columns]
            image = image.reshape(len(image), count_rows, 2, count_columns, 2).mean((2, 4))
            mask = mask[:, : 2 * count_rows : 2, : 2 * count_columns : 2]
            size = (size[0], 2 * size[1], 2 * size[2])
        yield image, mask, size


def labelled(mask: np.ndarray, how: str) -> list[int]:
    """Which slices are labelled: so many, or every so many."""
    shown = np.flatnonzero(mask.any((1, 2)))
    first, last = int(shown[0]), int(shown[-1])
    if how.startswith("every"):
        return sorted({*range(first, last + 1, int(how.split()[1])), last})
    edge = 0.08 * (last - first)
    spread = np.linspace(first + edge, last - edge, int(how.split()[0]))
    return sorted({round(float(number)) for number in spread})


def strokes(plane: np.ndarray) -> np.ndarray:
    """A stroke along the largest piece of each class, and a ring of background; -1 elsewhere."""
    made = np.full(plane.shape, -1, np.int32)
    away = ndimage.distance_transform_edt(plane == 0)
    made[(away >= 5) & (away < 7)] = 0
    for class_id in np.unique(plane[plane > 0]):
        pieces, _ = ndimage.label(plane == class_id)
        made[stroke(pieces == np.bincount(pieces.ravel())[1:].argmax() + 1)] = class_id
    return made


def shapes(image, seeds, spacing):
    """Shapes alone, as "Fill between" had them."""
    made = np.zeros(image.shape[:3], np.int32)
    for number, plane in seeds.items():
        made[number] = np.maximum(plane, 0)
    for number, plane in between(made, sorted(seeds)).items():
        made[number] = plane
    return made


def walks(image, seeds, spacing):
    """Slabs of random walks, with shapes and brightness; carried on beyond the last slices."""
    whole = {
        n: made_whole(image[n], ids, spacing[1:]) if (ids < 0).any() else ids
        for n, ids in seeds.items()
    }
    made = np.zeros(image.shape[:3], np.int32)
    found = between_walls(lambda n: image[n], whole, spacing)
    reach = grown_seeds.reach_beyond(whole, len(image))
    for wall, numbers in (
        (min(whole), range(min(whole) - 1, max(min(whole) - reach, 0) - 1, -1)),
        (max(whole), range(max(whole) + 1, min(max(whole) + reach, len(image) - 1) + 1)),
    ):
        found |= carried(lambda n: image[n], wall, whole[wall], numbers, spacing).planes
    for number, plane in {**whole, **found}.items():
        made[number] = plane
    return made


def scikit_walker(image, seeds, spacing):
    """scikit-image's random walker in the whole volume, which knows intensities alone."""
    markers = np.zeros(image.shape, np.int32)
    for number, ids in seeds.items():
        markers[number] = ids + 1
    low, high = np.percentile(image, (1, 99))
    values = np.clip((image - low) / (high - low), 0, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = random_walker(values, markers, beta=90, mode="cg_j", tol=1e-3, spacing=spacing)
    return found - 1


def geodesic(image, seeds, spacing):
    """Distances in the volume that changes of intensity make long."""
    ids = np.full(image.shape, -1, np.int32)
    for number, plane in seeds.items():
        ids[number] = plane
    edge = np.sqrt(
        sum(np.square(np.gradient(image, side, axis=n)) for n, side in enumerate(spacing))
    )
    cost = 0.02 + edge / max(float(edge.mean()) * 4, 1e-6)
    every = np.unique(ids[ids >= 0])
    away = [
        MCP_Geometric(cost, sampling=spacing).find_costs(np.argwhere(ids == one))[0]
        for one in every
    ]
    return every[np.argmin(away, 0)]


ENGINES: dict[str, Filler] = {
    "shapes": shapes,
    "walks": walks,
    "scikit-walker": scikit_walker,
    "geodesic": geodesic,
}


def dice(made: np.ndarray, truth: np.ndarray, classes: list[int]) -> float:
    found = [
        2
        * np.count_nonzero((made == i) & (truth == i))
        / max(np.sum(made == i) + np.sum(truth == i), 1)
        for i in classes
        if (made == i).any() or (truth == i).any()
    ]
    return float(np.mean(found)) if found else 1.0


def measure_fill(args, how: str, *, stroked: bool) -> None:
    every: dict[str, list] = {name: [] for name in args.engines}
    for cohort in COHORTS:
        rows: dict[str, list] = {name: [] for name in args.engines}
        for image, mask, spacing in volumes(args.data, cohort, args.volumes):
            classes = [int(i) for i in np.unique(mask) if i]
            numbers = labelled(mask, how)
            seeds = {n: strokes(mask[n]) if stroked else mask[n] for n in numbers}
            free = np.setdiff1d(np.arange(len(mask)), numbers)
            inner = free[(free > numbers[0]) & (free < numbers[-1])]
            for name in args.engines:
                if stroked and name == "shapes":
                    continue
                begun = time.perf_counter()
                made = ENGINES[name](image, seeds, spacing)
                spent = time.perf_counter() - begun
                scores = [dice(made[part], mask[part], classes) for part in (inner, free)]
                rows[name].append((*scores, spent))
        for name, found in rows.items():
            if found:
                row = np.mean(found, 0)
                every[name].append(row)
                what = f"{how}{', strokes' if stroked else ''}"
                print(
                    what, cohort, name, *row[:2].round(3), f"{row[2]:.1f} s", sep=" | ", flush=True
                )
    for name, found in every.items():
        if found:
            print(how, "mean", name, *np.mean(found, 0)[:2].round(3), sep=" | ", flush=True)


def measure_carry(args) -> None:
    for cohort in COHORTS:
        by: dict[int, list] = {}
        late = early = kept = 0
        for image, mask, spacing in volumes(args.data, cohort, args.volumes):
            shown = np.flatnonzero(mask.any((1, 2)))
            for share, step in itertools.product((0.2, 0.5, 0.8), (-1, 1)):
                here = int(shown[int(share * (len(shown) - 1))])
                numbers = [here + step * n for n in range(1, STEPS + 1)]
                numbers = [n for n in numbers if 0 <= n < len(mask)]
                classes = [int(i) for i in np.unique(mask[here]) if i]
                way = carried(lambda n: image[n], here, mask[here], numbers, spacing)  # noqa: B023
                all_of_it = unstopped(image, here, mask[here], numbers, spacing)
                scores = [dice(all_of_it[n], mask[n], classes) for n in numbers]
                fits = next((k for k, s in enumerate(scores) if s < GOOD), len(scores))
                kept += len(way.planes)
                late += max(0, len(way.planes) - fits)
                early += max(0, fits - len(way.planes))
                for k, number in enumerate(numbers):
                    copy = dice(mask[here], mask[number], classes)
                    by.setdefault(k + 1, []).append((scores[k], copy, number in way.planes))
        for k, found in sorted(by.items()):
            table = np.array(found, float)
            taken = table[:, 2] > 0
            of_taken = f"{table[taken, 0].mean():.3f}" if taken.any() else ""
            print(
                "carry", cohort, f"{k} on", *table[:, :2].mean(0).round(3),
                f"taken {taken.sum()} of {len(table)}", of_taken, sep=" | ", flush=True,
            )  # fmt: skip
        print("carry", cohort, f"{kept} taken, {late} too late, {early} too early", sep=" | ")


def unstopped(image, here, ids, numbers, spacing) -> dict[int, np.ndarray]:
    """Carried on to the last slice, however unsure."""
    found, last = {}, (here, ids)
    for number in numbers:
        found[number] = slab_walks.grown(lambda n: image[n], dict([last]), [number], spacing)[
            number
        ].ids
        last = number, found[number]
    return found


def measure_time() -> None:
    """A sphere of 220 pixels with noise, of which every 50th slice is labelled."""
    shape = (400, 512, 512)
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:512, :512] - 256

    def truth(number: int) -> np.ndarray:
        return (rows**2 + columns**2 < 110**2 - ((number - 200) * 0.6) ** 2).astype(np.int32)

    def image(number: int) -> np.ndarray:
        return (100 * truth(number) + rng.normal(0, 30, shape[1:])).astype(np.float32)

    spacing, here = (1.0, 0.8, 0.8), 200
    walls = {n: truth(n) for n in range(25, 400, 50)}
    begun = time.process_time()
    found = between_walls(image, walls, spacing)
    spent = time.process_time() - begun
    wrong = np.mean([dice(found[n], truth(n), [1]) for n in found])
    print(f"fill between | {len(found)} slices | {spent:.1f} s | Dice {wrong:.3f}")
    for name, numbers in (("carry on", range(here + 1, here + 11)),):
        begun = time.process_time()
        way = carried(image, here, truth(here), numbers, spacing)
        print(f"{name} | {len(way.planes)} slices | {time.process_time() - begun:.1f} s")
    begun = time.process_time()
    for number in walls:
        made_whole(image(number), strokes(truth(number)), spacing[1:])
    print(f"strokes made whole | {len(walls)} slices | {time.process_time() - begun:.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--volumes", type=int, default=4, help="of each cohort")
    parser.add_argument("--parts", default="whole,strokes,carry", help="and time")
    parser.add_argument("--engines", default="shapes,walks")
    args = parser.parse_args()
    args.engines = args.engines.split(",")
    parts = args.parts.split(",")
    if "whole" in parts:
        for how in ("3 slices", "5 slices", "every 4", "every 8"):
            measure_fill(args, how, stroked=False)
    if "strokes" in parts:
        for how in ("3 slices", "5 slices"):
            measure_fill(args, how, stroked=True)
    if "carry" in parts:
        measure_carry(args)
    if "time" in parts:
        measure_time()


if __name__ == "__main__":
    main()
