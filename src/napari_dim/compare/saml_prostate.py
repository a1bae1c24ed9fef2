"""The NIfTI release of the prostate sites: ``SITE/CaseNN.nii.gz`` with its segmentation."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_dim.compare.benchmark import (
    TEST,
    TRAIN,
    Benchmark,
    Item,
    Levelled,
    Structure,
    eight_bit,
    sorted_items,
)
from napari_dim.compare.cohort_grid import on_grid, voted
from napari_dim.errors import InputError
from napari_dim.io import read_mask, read_volume
from napari_dim.volume import Grid

SITES = ("RUNMC", "BMC", "I2CVB", "UCL", "BIDMC", "HK")
"""In the order of Table 3, whose HCRUDB is I2CVB."""
_MASK, _SUFFIX = "_segmentation.nii.gz", ".nii.gz"
_TESTS = 5
"""One case in so many is for the tests."""


def is_saml(root: Path) -> bool:
    """Whether the sites' folders hold NIfTI files and no ``train``."""
    there = [root / site for site in SITES if (root / site).is_dir()]
    return any(
        path.name.lower().endswith(_SUFFIX)
        for site in there
        if not (site / TRAIN).exists()
        for path in site.iterdir()
    )


def read_saml(root: Path, size: int) -> Benchmark:
    """Read all sites: slices that show the prostate, 8 bit between a case's percentiles.

    Cases are split 4 : 1 a site by a seeded shuffle: not the split of the published slices,
    which exists as files alone.

    Raises
    ------
    InputError
        If a site or a segmentation is missing; the path expected is named.
    """
    items: list[Item] = []
    for site in SITES:
        folder = root / site
        if not folder.is_dir():
            raise InputError("this folder was expected and is not there", where=folder)
        files = {p.name.lower(): p for p in folder.iterdir()}
        cases = sorted(n for n in files if n.endswith(_SUFFIX) and not n.endswith(_MASK))
        if not cases:
            raise InputError("no case of this name is there", where=folder / "CaseNN.nii.gz")
        order = np.random.default_rng(0).permutation(len(cases))
        tests = {cases[i] for i in order[: max(1, len(cases) // _TESTS)]}
        for name in cases:
            stem = name.removesuffix(_SUFFIX)
            if stem + _MASK not in files:
                wanted = files[name].name[: len(stem)] + _MASK
                raise InputError("this mask of a case is missing", where=folder / wanted)
            split = TEST if name in tests else TRAIN
            items.append(_item(files[name], files[stem + _MASK], site, split, size))
    note = "The split of the cases is ours, 4 : 1 a site; the published one exists as slices alone"
    return Benchmark(
        "prostate-nifti", SITES, (Structure("prostate", (1,)),), sorted_items(items, SITES), size,
        40, 60_000, (0.1, 2.0), notes=(note,),
    )  # fmt: skip


def _item(image: Path, mask: Path, site: str, split: str, size: int) -> Item:
    volume = read_volume(image)
    inside = read_mask(mask, volume) > 0
    shown = np.flatnonzero(inside.any((1, 2)))
    if not shown.size:
        raise InputError("the mask shows nothing", where=mask)
    low, high = np.percentile(volume.array, (0.5, 99.5))
    scale = 255 / max(high - low, 1e-6)
    rows, columns = volume.array.shape[1:3]
    ratio = size / max(rows, columns)
    shape = max(1, round(rows * ratio)), max(1, round(columns * ratio))
    grey = ((np.asarray(volume.array[shown], np.float32) - low) * scale).clip(0, 255)
    planes = [on_grid(plane, shape).round().astype(np.uint8) for plane in grey]
    grid = Grid.of_pictures(len(planes), *shape)
    levelled = Levelled(np.stack(planes), grid, image, "picture", levels=eight_bit(1))
    labels = np.stack([voted(plane.astype(np.uint8), shape) for plane in inside[shown]])
    return Item(image.name[: -len(_SUFFIX)], site, split, levelled, labels)
