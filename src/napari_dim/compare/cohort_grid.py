"""An own cohort as a benchmark: its sites are the domains, its slices on one grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from napari_dim.compare.benchmark import (
    TRAIN,
    Benchmark,
    Item,
    Levelled,
    Structure,
    sorted_items,
)
from napari_dim.data.ahead import made_ahead
from napari_dim.data.cohort import CohortCase, read_cohort
from napari_dim.data.load import load_image, load_reference
from napari_dim.data.working_grid import WorkingGrid, resized
from napari_dim.engine.evaluation.metrics import relabel
from napari_dim.engine.precision import available_cpus
from napari_dim.errors import InputError
from napari_dim.volume import Grid, Volume

COUNT, STEPS = 20, 30_000
"""Labelled slices, and the schedule, as of the paper's fundus table."""

Read = tuple[CohortCase, Volume, "np.ndarray | None"]


def read_own_cohort(table: Path, size: int, merges: Mapping[int, int]) -> Benchmark:
    """Read every case of a cohort, references included; which are labelled is drawn later.

    Where the sites' masks don't hold the same classes, all classes are one: a centre that
    outlines the whole disc can be scored beside one that tells rim and cup apart.

    Parameters
    ----------
    table
        The ``cohort.csv``.
    size
        Pixels along the longer side of a usual slice.
    merges
        Class id -> the id that it counts as.

    Raises
    ------
    InputError
        If a file can't be used, or nothing can be tested on.
    """
    rows = read_cohort(table).cases
    read = list(made_ahead(_read, rows, available_cpus()))
    _check_channels(read)
    notes: tuple[str, ...] = ()
    sites = tuple(dict.fromkeys(row.site or "all" for row, _, _ in read))
    if merges:
        read = [
            (row, volume, None if mask is None else relabel(mask, merges))
            for row, volume, mask in read
        ]
    by_site = {site: _ids(m for row, _, m in read if (row.site or "all") == site) for site in sites}
    ids = sorted(set().union(*by_site.values()))
    if not ids:
        raise InputError("no mask of the cohort shows anything", where=table)
    if len({tuple(sorted(each)) for each in by_site.values() if each}) > 1:
        told = "; ".join(f"{s}: {sorted(each)}" for s, each in by_site.items() if each)
        notes = (f"The sites' masks hold different classes ({told}): all are scored as one",)
        read = [(r, v, None if m is None else (m > 0).astype(np.uint8)) for r, v, m in read]
        ids = [1]
    train = [volume for row, volume, _ in read if row.split == TRAIN]
    if not train:
        raise InputError("the cohort has no train case", where=table)
    grid = _grid(train, size)
    items = sorted_items((_item(r, v, m, grid) for r, v, m in read), sites)
    if not any(item.split != TRAIN and item.mask is not None for item in items):
        raise InputError(
            "no test case has a reference mask", where=table,
            hint="Give labels to rows whose split is test",
        )  # fmt: skip
    structures = tuple(Structure(f"class {i}", (i,)) for i in ids)
    every = all(len(item.volume.array) == 1 for item in items)
    return Benchmark(
        "cohort", sites, structures, items, size, COUNT, STEPS, every=every, notes=notes
    )


def _read(row: CohortCase) -> Read:
    return (row, load_image(row), None) if row.labels is None else (row, *load_reference(row))


def _ids(masks: object) -> set[int]:
    found: set[int] = set()
    for mask in masks:  # type: ignore[attr-defined]
        if mask is not None:
            found |= {int(i) for i in np.unique(mask)}
    return found - {0}


def _check_channels(read: Sequence[Read]) -> None:
    first = read[0][1].channels
    for row, volume, _ in read:
        if volume.channels != first:
            raise InputError(
                f"{row.image.name} has {volume.channels} channels, the first image {first}",
                where=row.where,
                hint="Compare on images of one kind",
            )


def _grid(volumes: Sequence[Volume], size: int) -> WorkingGrid:
    """The grid on which the usual slice's longer side is `size`, and never a little more.

    The training fits its own grid to what comes out: it must find these pixels again.
    """
    grid = WorkingGrid.fit(volumes, min_size=size, max_size=size)
    while np.median([max(grid.shape(volume)) for volume in volumes]) > size:
        grid = replace(grid, pixel=grid.pixel * 1.002)
    return grid


def _item(row: CohortCase, volume: Volume, mask: np.ndarray | None, grid: WorkingGrid) -> Item:
    shape = grid.shape(volume)
    planes = [on_grid(np.asarray(plane), shape) for plane in volume.array]
    spacing = (volume.spacing[0], grid.pixel, grid.pixel) if volume.grid.unit == "mm" else None
    levelled = Levelled(
        np.stack(planes), Grid.of_pictures(len(planes), *shape, spacing), volume.path, volume.kind,
        levels=volume.intensities,
    )  # fmt: skip
    small = None if mask is None else np.stack([voted(plane, shape) for plane in mask])
    return Item(row.name, row.site or "all", row.split, levelled, small)


def on_grid(plane: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """``(row, column[, channel])`` of a slice on the grid, float32."""
    x = torch.from_numpy(plane.astype(np.float32))
    x = (x[..., None] if x.ndim == 2 else x).movedim(-1, 0)[None]
    out: np.ndarray = resized(x, shape)[0].movedim(0, -1).contiguous().numpy()
    return out[..., 0] if plane.ndim == 2 else out


def voted(plane: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Class ids, ``(row, column)``, on another grid: what most of the area under a pixel is."""
    if plane.shape == tuple(shape):
        return plane.astype(np.uint8)
    ids, place = np.unique(plane, return_inverse=True)
    votes = F.one_hot(torch.from_numpy(place.reshape(plane.shape)).long(), len(ids))
    chosen = resized(votes.movedim(-1, 0)[None].float(), shape).argmax(1)[0]
    back: np.ndarray = ids[chosen.numpy()].astype(np.uint8)
    return back
