"""The folders that a benchmark can be: recognised by their sub-folders, read by exact rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

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
from napari_dim.compare.cohort_grid import read_own_cohort
from napari_dim.compare.saml_prostate import SITES as PROSTATE_SITES
from napari_dim.compare.saml_prostate import is_saml, read_saml
from napari_dim.data.ahead import made_ahead
from napari_dim.engine.precision import available_cpus
from napari_dim.errors import InputError
from napari_dim.io.pictures.picture_pixels import opened, reading
from napari_dim.volume import Grid

ODD_SHARE = 0.001
"""Share of a mask's pixels that may hold other values; re-saved masks have some."""
Colour = tuple[int, ...]
SCALES = ("smoke", "bench", "paper")
SMOKE = 48
"""Pixels at the scale of the tests."""


@dataclass(frozen=True)
class Published:
    """A published folder of pictures: ``SITE/{train,test}/[inner/]{image,mask}/NAME.png``.

    Attributes
    ----------
    name
        Of the layout.
    sites
        Its sub-folders in the order of the tables, with their numbers of training images.
    tests
        Test images in all.
    colours
        A mask's values to class ids.
    mode
        ``"RGB"`` or ``"L"``: how the image is read.
    structures
        What is scored.
    inner
        Folder between split and ``image``.
    sizes
        Pixels at the scales ``bench`` and ``paper``.
    count, steps, factors
        As in `Benchmark`.
    """

    name: str
    sites: Mapping[str, int]
    tests: int
    colours: Mapping[Colour, int]
    mode: str
    structures: tuple[Structure, ...]
    inner: str
    sizes: tuple[int, int]
    count: int
    steps: int
    factors: tuple[float, float]


FUNDUS = Published(
    "fundus",
    {"Domain1": 50, "Domain2": 99, "Domain3": 320, "Domain4": 320},
    271,
    {(0,): 2, (128,): 1, (255,): 0},  # cup, rim, background: the smaller, the deeper
    "RGB",
    (Structure("cup", (2,)), Structure("disc", (1, 2))),
    "ROIs",
    (128, 256),
    20,
    30_000,
    (0.5, 1.5),
)
PROSTATE = Published(
    "prostate-slices",
    {"RUNMC": 338, "BMC": 305, "I2CVB": 373, "UCL": 133, "BIDMC": 225, "HK": 136},
    357,
    {(0,): 1, (255,): 0},  # inverted
    "L",
    (Structure("prostate", (1,)),),
    "",
    (192, 384),
    40,
    60_000,
    (0.1, 2.0),
)
MNMS = Published(
    "mnms",
    {"vendorA": 1030, "vendorB": 1342, "vendorC": 525, "vendorD": 550},
    0,
    {(0, 0, 0): 0, (255, 0, 0): 1, (0, 255, 0): 2, (0, 0, 255): 3},
    "L",
    (Structure("LV", (1,)), Structure("myocardium", (2,)), Structure("RV", (3,))),
    "",
    (144, 288),
    20,
    60_000,
    (0.1, 2.0),
)
PUBLISHED = (FUNDUS, PROSTATE, MNMS)


def read_benchmark(data: Path, scale: str, merges: Mapping[int, int] | None = None) -> Benchmark:
    """Recognise a folder and read all of it, on the grid of a scale.

    Parameters
    ----------
    data
        One of the published folders, or a ``cohort.csv`` or the folder that holds one.
    scale
        ``"smoke"``, ``"bench"`` or ``"paper"``.
    merges
        Of a cohort: class id -> the id that it counts as.

    Raises
    ------
    InputError
        If it is none of them, or a file is not as the layout has it; the path expected is named.
    """
    data = Path(data)
    if data.is_file() or (data / "cohort.csv").is_file():
        table = data if data.is_file() else data / "cohort.csv"
        side = {"smoke": SMOKE, "bench": 128, "paper": 256}[scale]
        return read_own_cohort(table, side, merges or {})
    if not data.is_dir():
        raise InputError("there is no such file or folder", where=data)
    if merges:
        raise InputError("classes can be merged in a cohort.csv alone", where=data)
    for layout in PUBLISHED:
        root = data / {"fundus": "Fundus", "prostate-slices": "ProstateSlice"}.get(
            layout.name, "mnms"
        )
        root = root if root.is_dir() else data
        found = [site for site in layout.sites if (root / site).is_dir()]
        if not found:
            continue
        if layout is PROSTATE and is_saml(root):
            return read_saml(root, {"smoke": SMOKE, "bench": 192, "paper": 384}[scale])
        size = SMOKE if scale == "smoke" else layout.sizes[scale == "paper"]
        return _read(layout, root, size)
    raise InputError(
        "this is none of the folders that can be compared on", where=data,
        hint="Expected in it: cohort.csv, or Domain1/train/ROIs/image (Fundus), or "
        f"{PROSTATE_SITES[0]}/train/image (ProstateSlice), or {PROSTATE_SITES[0]}/Case00.nii.gz "
        "(NIfTI prostate), or vendorA/train/image (M&Ms)",
    )  # fmt: skip


def _read(layout: Published, root: Path, size: int) -> Benchmark:
    pairs = [
        (site, split, *pair)
        for site in layout.sites
        for split in (TRAIN, TEST)
        for pair in _pairs(root / site / split / layout.inner)
    ]
    make = partial(_item, layout, size)
    items = sorted_items(made_ahead(make, pairs, available_cpus()), tuple(layout.sites))
    counts = {s: sum(i.site == s and i.split == TRAIN for i in items) for s in layout.sites}
    tests = sum(item.split == TEST for item in items)
    whole = counts == dict(layout.sites) and tests == (layout.tests or tests)
    notes: tuple[str, ...] = ()
    if not whole:
        odd = next((s for s in layout.sites if counts[s] != layout.sites[s]), None)
        what = (
            f"{odd} holds {counts[odd]} training images, {layout.sites[odd]} were published"
            if odd
            else f"there are {tests} test images, {layout.tests} were published"
        )
        notes = (f"Not the published set as a whole ({what}): the paper's numbers are left out",)
    return Benchmark(
        layout.name, tuple(layout.sites), layout.structures, items, size, layout.count,
        layout.steps, layout.factors, whole, notes=notes,
    )  # fmt: skip


def _pairs(folder: Path) -> list[tuple[Path, Path]]:
    """Images and their masks, by name."""
    images, masks = folder / "image", folder / "mask"
    for each in (images, masks):
        if not each.is_dir():
            raise InputError("this folder was expected and is not there", where=each)
    found = sorted(p for p in images.iterdir() if p.suffix.lower() == ".png")
    if not found:
        raise InputError("no image of this name is there", where=images / "NAME.png")
    for path in sorted(p for p in masks.iterdir() if p.suffix.lower() == ".png"):
        if not (images / path.name).is_file():
            raise InputError("this image of a mask is missing", where=images / path.name)
    for path in found:
        if not (masks / path.name).is_file():
            raise InputError("this mask of an image is missing", where=masks / path.name)
    return [(path, masks / path.name) for path in found]


def _item(layout: Published, size: int, pair: tuple[str, str, Path, Path]) -> Item:
    site, split, image_path, mask_path = pair
    with reading(image_path), opened(image_path) as picture:
        before = picture.size
        small = picture.convert(layout.mode).resize((size, size), Image.Resampling.LANCZOS)
        image = np.asarray(small)
    with reading(mask_path), opened(mask_path) as picture:
        if picture.size != before:
            raise InputError(
                f"the mask is {picture.size[0]} x {picture.size[1]}, its image "
                f"{before[0]} x {before[1]}",
                where=mask_path,
            )
        values = np.asarray(picture.convert("RGB"))
    ids = _decoded(values, layout.colours, mask_path)
    nearest = Image.fromarray(ids).resize((size, size), Image.Resampling.NEAREST)
    array = np.ascontiguousarray(image)[None]
    channels = array.shape[3] if array.ndim == 4 else 1
    volume = Levelled(
        array, Grid.of_picture(size, size), image_path, "picture", levels=eight_bit(channels)
    )
    return Item(image_path.stem, site, split, volume, np.asarray(nearest)[None])


def _decoded(values: np.ndarray, colours: Mapping[Colour, int], path: Path) -> np.ndarray:
    """Class ids, ``(row, column)``, of a mask's ``(row, column, 3)`` 8-bit values.

    A few odd pixels take the nearest colour.

    Raises
    ------
    InputError
        If there are more.
    """
    table = np.array([colour * (3 // len(colour)) for colour in colours], dtype=np.int16)
    ids = np.array(list(colours.values()), dtype=np.uint8)
    found, where = np.unique(values.reshape(-1, 3), axis=0, return_inverse=True)
    distance = np.abs(found[:, None].astype(np.int16) - table).sum(2)
    known = (distance == 0).any(1)
    counts = np.bincount(where.ravel(), minlength=len(found))
    odd = int(counts[~known].sum())
    if odd > ODD_SHARE * where.size:
        worst = found[~known][counts[~known].argmax()]
        shown = str(worst[0]) if len(set(worst.tolist())) == 1 else str(tuple(worst.tolist()))
        wanted = ", ".join(str(c[0]) if len(c) == 1 else str(c) for c in colours)
        raise InputError(
            f"{odd} of its {where.size} pixels hold other values than {wanted}, most often {shown}",
            where=path,
            hint="These masks are to be as they were published",
        )
    nearest: np.ndarray = ids[distance.argmin(1)][where.ravel()].reshape(values.shape[:2])
    return nearest
