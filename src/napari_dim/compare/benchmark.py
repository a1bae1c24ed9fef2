"""A benchmark in memory: images of several domains on the network's grid, with references."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import numpy as np

from napari_dim.volume import Grid, Volume

TRAIN, TEST = "train", "test"


@dataclass(frozen=True)
class Levelled(Volume):
    """A volume that is told how its intensities are scaled, instead of looking for it.

    Attributes
    ----------
    levels
        As `Volume.intensities`.
    """

    levels: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None = None

    @property
    def intensities(  # type: ignore[override]
        self,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """What `levels` says."""
        assert self.levels is not None
        return self.levels

    def part(self, numbers: np.ndarray) -> Levelled:
        """Some of the slices, scaled as all of them."""
        _, rows, columns = self.array.shape[:3]
        spacing = self.spacing if self.grid.unit == "mm" else None
        grid = Grid.of_pictures(len(numbers), rows, columns, spacing)
        return replace(self, array=self.array[numbers], grid=grid)


def eight_bit(channels: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The levels of 8-bit values as the published code scales them: v / 127.5 - 1."""
    low, high, mean, spread = (
        np.full(channels, v, dtype=np.float32) for v in (0, 255, 127.5, 127.5)
    )
    return low, high, mean, spread


@dataclass(frozen=True)
class Structure:
    """What a table scores: some class ids as one, such as the disc, rim and cup together."""

    name: str
    ids: tuple[int, ...]

    def of(self, mask: np.ndarray) -> np.ndarray:
        """Where a mask of class ids shows it."""
        return np.isin(mask, self.ids)


@dataclass(frozen=True)
class Item:
    """A picture, or a volume of several slices, on the network's grid.

    Attributes
    ----------
    name
        Of the file, unique within its site and split.
    site, split
        Its domain; ``"train"`` or ``"test"``.
    volume
        ``(slice, row, column[, channel])``.
    mask
        Class ids, ``(slice, row, column)``, or None where there is no reference.
    """

    name: str
    site: str
    split: str
    volume: Levelled
    mask: np.ndarray | None

    def slice_name(self, number: int) -> str:
        """What a slice is called in the records: the item's name, and its number if it has one."""
        return self.name if len(self.volume.array) == 1 else f"{self.name}/{number}"


@dataclass(frozen=True)
class Benchmark:
    """All that a comparison trains and tests on.

    Attributes
    ----------
    layout
        What the folder was recognised as.
    sites
        The domains, in the order of the tables.
    structures
        What is scored. Overlapping ones are the regions of the networks' targets.
    items
        By site, split and name, sorted.
    size
        Pixels along the longer side of a slice.
    count
        How many slices are labelled unless said otherwise.
    steps
        The paper's schedule.
    factors
        Range of the published strong view's factors.
    whole
        Whether this is the published set as a whole, so that the paper's numbers apply.
    every
        Whether every test slice counts for every structure; else only slices that show it.
    notes
        What was noticed while loading.
    """

    layout: str
    sites: tuple[str, ...]
    structures: tuple[Structure, ...]
    items: tuple[Item, ...]
    size: int
    count: int
    steps: int
    factors: tuple[float, float] = (0.5, 1.5)
    whole: bool = False
    every: bool = True
    notes: tuple[str, ...] = ()

    def of(self, split: str, site: str | None = None) -> list[Item]:
        """The items of a split, of one site or of all."""
        return [i for i in self.items if i.split == split and site in (None, i.site)]

    @property
    def regions(self) -> tuple[tuple[int, ...], ...]:
        """The structures as overlapping targets; empty where they don't overlap."""
        ids = [i for structure in self.structures for i in structure.ids]
        return () if len(set(ids)) == len(ids) else tuple(s.ids for s in self.structures)

    @property
    def fingerprint(self) -> str:
        """Tells other data from these: names, sizes and references, not voxels."""
        text = "\n".join(
            f"{i.site}|{i.split}|{i.name}|{i.volume.array.shape}|"
            f"{None if i.mask is None else int((i.mask > 0).sum())}"
            for i in self.items
        )
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def sorted_items(items: Iterable[Item], sites: tuple[str, ...]) -> tuple[Item, ...]:
    """By site, split and name: the order decides which images are labelled."""
    return tuple(sorted(items, key=lambda i: (sites.index(i.site), i.split == TEST, i.name)))


def mapped(benchmark: Benchmark, folder: Path) -> Benchmark:
    """The same, its arrays in files of `folder` that several processes map: one loading.

    Handed to another process, such an array goes as its file's name.
    """
    ForkingPickler.register(np.memmap, _as_name)
    items = []
    for number, item in enumerate(benchmark.items):
        array = _saved(item.volume.array, folder / f"{number}-image.npy")
        mask = item.mask
        if mask is not None:
            mask = _saved(mask, folder / f"{number}-mask.npy")
        items.append(replace(item, volume=replace(item.volume, array=array), mask=mask))
    return replace(benchmark, items=tuple(items))


def _saved(array: np.ndarray, path: Path) -> np.ndarray:
    np.save(path, np.ascontiguousarray(array))
    opened: np.ndarray = np.load(path, mmap_mode="r")
    return opened


def _as_name(array: Any) -> tuple[Any, tuple[str]]:
    return functools.partial(np.load, mmap_mode="r"), (str(array.filename),)
