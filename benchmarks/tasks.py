"""What the benchmarks train on and test: the cohorts as they come, and changed on purpose.

DATA holds a folder for each cohort, with its ``cohort.csv``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from scipy import ndimage

from napari_dim.data.case import Case
from napari_dim.data.cohort import CohortCase, read_cohort
from napari_dim.data.load import load_case
from napari_dim.io import read_mask, read_volume
from napari_dim.states import SliceState
from napari_dim.volume import Volume

COHORTS = ("left_atrium", "hippocampus", "fundus_disc")
CONTRASTS = "cardiac_c0_lge"
"""Two contrasts, of which one is labelled, and two fields of view."""
TRUE_SIZE = f"{CONTRASTS}_true_size"
FINER = 0.6
"""Times the pixels that their files tell: then hearts are as large as those of the other site."""
MERGE = {"fundus_disc": {2: 1}}
"""One fundus centre labels rim and cup, the other the disc: scored as their union."""
WITHIN_LABELS = 5


@dataclass(frozen=True)
class Test:
    """A scan with its reference; `counts` tells which slices are scored."""

    name: str
    site: str
    volume: Volume
    reference: np.ndarray
    counts: np.ndarray


@dataclass(frozen=True)
class Task:
    """Cases to train on, scans to test, and class ids to merge before scoring."""

    name: str
    cases: list[Case]
    tests: list[Test]
    merge: dict[int, int] = field(default_factory=dict)


def build(data: Path, name: str, labels: int | None = None) -> Task:
    """A task by name.

    Parameters
    ----------
    data
        Folder of the cohorts.
    name
        A cohort; ``left_atrium_changed``: the same with another scanner for every volume
        but the labelled one; ``left_atrium_new_scanner``: the changed scanner in the tests
        alone; ``cardiac_c0_lge_true_size``: with pixels of the labelled site by which its hearts
        are as large as people's are; ``left_atrium_within``: one volume, 5 labelled slices
        spread evenly over it (some show background alone), the others are the test;
        ``left_atrium_within_shown``: the same with labels only where the structure shows,
        so that nothing says where it ends; with ``_row2`` behind it, of that row of the
        cohort in place of the one with labels; ``fundus_disc_one_centre``: no picture of the
        second centre in training.
    labels
        Labelled slices in all; None takes those that the cohort lists. The slices of a
        smaller number are among those of a larger one.
    """
    cohort = next(c for c in (*COHORTS, CONTRASTS) if name.startswith(c))
    rows = read_cohort(data / cohort / "cohort.csv")
    train, test = rows.split("train"), rows.split("test")
    merge = MERGE.get(cohort, {})
    if name.startswith("left_atrium_within"):
        number = name.rpartition("_row")[2]
        row = train[int(number)] if number.isdecimal() else next(r for r in train if r.slices)
        shown = "_shown" in name
        case = _with_labels(row, labels or WITHIN_LABELS, evenly=not shown)
        counts = np.isin(np.arange(len(case.states)), case.unlabelled)
        reference = read_mask(row.labels, case.volume)
        return Task(name, [case], [Test(case.name, "inside", case.volume, reference, counts)])
    if name == "fundus_disc_one_centre":
        site = next(r.site for r in train if r.slices)
        train = tuple(r for r in train if r.site == site)
    cases = _cases(cohort, train, labels)
    tests = [_test(row) for row in test]
    if name == TRUE_SIZE:
        site = next(r.site for r in train if r.slices)
        cases = [
            replace(case, volume=_finer(case.volume)) if case.site == site else case
            for case in cases
        ]
        tests = [replace(t, volume=_finer(t.volume)) if t.site == site else t for t in tests]
    if name == "left_atrium_changed":
        cases = [
            case if case.labelled.size else replace(case, volume=changed(case.volume, seed))
            for seed, case in enumerate(cases)
        ]
    if name in ("left_atrium_changed", "left_atrium_new_scanner"):
        tests = [replace(t, volume=changed(t.volume, 100 + i)) for i, t in enumerate(tests)]
    return Task(name, cases, tests, merge)


def changed(volume: Volume, seed: int) -> Volume:
    """The volume as another scanner might show it: gamma, bias field, blur and noise.

    Gamma from 0.6 to 1.7 (log-uniform), a bias field of smooth noise that varies the
    intensity by up to 40 % about its mean, a Gaussian blur of 0.5 to 1.2 voxels, noise of
    5 to 10 % of the range between the 1st and the 99th percentile.
    """
    rng = np.random.default_rng(seed)
    x = volume.array.astype(np.float32)
    low, high = np.percentile(x, (1, 99))
    x = np.clip((x - low) / max(high - low, 1e-6), 0, 1) ** np.exp(rng.uniform(-0.5, 0.53))
    coarse = rng.normal(size=(3, 3, 3))
    bias = ndimage.zoom(coarse, np.array(x.shape) / 3, order=3, mode="nearest")
    x = x * (1 + 0.4 * bias / np.abs(bias).max())
    x = ndimage.gaussian_filter(x, rng.uniform(0.5, 1.2))
    x = x + rng.normal(size=x.shape).astype(np.float32) * rng.uniform(0.05, 0.1)
    return replace(volume, array=(x * 1000).astype(np.float32))


def _finer(volume: Volume) -> Volume:
    """The volume with smaller pixels, slices as far apart as before."""
    grid = volume.grid
    affine = grid.file_affine.copy()
    affine[:, [axis for axis in range(3) if axis != grid.slice_axis]] *= FINER
    return replace(volume, grid=replace(grid, file_affine=affine))


def _cases(cohort: str, train: Sequence[CohortCase], labels: int | None) -> list[Case]:
    if labels is None:
        return [load_case(row) for row in train]
    first = [row for row in train if row.slices]
    if cohort == "fundus_disc":  # a picture is a slice: more of the same centre, in order
        more = [r for r in train if not r.slices and r.site == first[0].site and r.labels]
        chosen = {id(row) for row in (first + more)[:labels]}
        return [load_case(replace(row, slices="all" if id(row) in chosen else ())) for row in train]
    share = [labels // len(first) + (i < labels % len(first)) for i in range(len(first))]
    amount = {id(row): n for row, n in zip(first, share, strict=True)}
    return [
        _with_labels(row, amount[id(row)])
        if amount.get(id(row))
        else load_case(replace(row, slices=()))
        for row in train
    ]


def _with_labels(row: CohortCase, count: int, *, evenly: bool = False) -> Case:
    """A case with `count` labelled slices, spread over those that show a structure, or
    `evenly` over all.
    """
    case = load_case(replace(row, slices=()))
    reference = read_mask(row.labels, case.volume)
    shown = np.flatnonzero(reference.any((1, 2)))
    numbers = [int(shown[int(_spread(i + 1) * len(shown))]) for i in range(count)]
    if evenly:
        numbers = [int((i + 0.5) * len(reference) / count) for i in range(count)]
    states = np.full(len(reference), SliceState.UNTOUCHED, dtype=np.uint8)
    states[numbers] = SliceState.PAINTED
    mask = np.zeros_like(reference)
    mask[numbers] = reference[numbers]
    return replace(case, mask=mask, states=states)


def _spread(i: int) -> float:
    """The i-th number of van der Corput's sequence, in (0, 1): 1/2, 1/4, 3/4, 1/8, ..."""
    value, part = 0.0, 0.5
    while i:
        value += part * (i & 1)
        i, part = i >> 1, part / 2
    return value


def _test(row: CohortCase) -> Test:
    volume = read_volume(row.image)
    reference = read_mask(row.labels, volume)
    return Test(row.name, row.site, volume, reference, np.ones(len(reference), bool))
