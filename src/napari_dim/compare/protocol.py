"""Who is labelled: some slices of one domain; all other training slices are one pool."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from napari_dim.compare.benchmark import TEST, TRAIN, Benchmark, Item
from napari_dim.data.case import Case
from napari_dim.data.working_grid import MULTIPLE
from napari_dim.errors import InputError
from napari_dim.states import SliceState


@dataclass(frozen=True)
class Labelling:
    """One domain's labelled slices.

    Attributes
    ----------
    site
        The domain.
    chosen
        Name of an item of that domain -> numbers of its labelled slices, ascending.
    all
        Whether the domain is labelled as a whole, and nothing else of it is used.
    """

    site: str
    chosen: Mapping[str, tuple[int, ...]]
    all: bool = False

    def names(self, benchmark: Benchmark) -> list[str]:
        """The labelled slices, for the record."""
        items = {item.name: item for item in benchmark.of(TRAIN, self.site)}
        return [items[name].slice_name(n) for name, numbers in self.chosen.items() for n in numbers]

    def cases(self, benchmark: Benchmark) -> list[Case]:
        """What to train on. No case tells its site: no method is given the domains.

        Of a volume that is labelled in part the rest is a case of its own, every slice of
        which is learnt from.
        """
        made: list[Case] = []
        for item in benchmark.of(TRAIN):
            count = len(item.volume.array)
            numbers = self.chosen.get(item.name, ()) if item.site == self.site else ()
            labelled = np.array(numbers, dtype=int)
            rest = np.setdiff1d(np.arange(count), labelled)
            if labelled.size:
                assert item.mask is not None
                made.append(_case(item, labelled, item.mask[labelled]))
            if rest.size and not (self.all and item.site == self.site):
                made.append(_case(item, rest, None))
        return made


def longest_side(cases: Sequence[Case], size: int) -> int:
    """Pixels that a training must allow a slice, so that its own grid is the benchmark's.

    It fits its grid to the usual one of its cases, which a volume labelled in part makes two of.
    """
    usual = float(np.median([max(case.volume.array.shape[1:3]) for case in cases]))
    return max(size, math.ceil(usual / MULTIPLE) * MULTIPLE)


def labellings(
    benchmark: Benchmark, labelled: str, count: int | None, labelled_seed: int | None
) -> list[Labelling]:
    """The domains that are labelled in turn.

    Parameters
    ----------
    benchmark
        The data.
    labelled
        ``"each"``, or the name of a site.
    count
        Slices to label; None: as published.
    labelled_seed
        Draws them at random; None takes the first by name, as published.

    Raises
    ------
    InputError
        If there is no such site, or it has too few slices with a reference.
    """
    wanted = benchmark.count if count is None else count
    can = [s for s in benchmark.sites if _candidates(benchmark, s)]
    if labelled == "each":
        if not can:
            raise InputError("no training image of any site has a mask", where="--labelled each")
        sites = can
    elif labelled in benchmark.sites:
        sites = [labelled]
    else:
        raise InputError(
            f"there is no site {labelled!r}", where="--labelled",
            hint=f"The sites are {', '.join(benchmark.sites)}; or use each",
        )  # fmt: skip
    return [_drawn(benchmark, site, wanted, labelled_seed) for site in sites]


def labelled_whole(benchmark: Benchmark, site: str) -> Labelling:
    """A domain all of whose training slices are labelled: the upper bound's."""
    chosen = {
        item.name: tuple(range(len(item.volume.array)))
        for item in benchmark.of(TRAIN, site)
        if item.mask is not None
    }
    return Labelling(site, chosen, all=True)


def scored_slices(benchmark: Benchmark) -> list[tuple[Item, np.ndarray]]:
    """The test items with a reference, and the numbers of their slices that are scored.

    Slices that show nothing are left out of the two-dimensional tables.
    """
    return [
        (item, np.flatnonzero(item.mask.any((1, 2))))
        for item in benchmark.of(TEST)
        if item.mask is not None and item.mask.any()
    ]


def _candidates(benchmark: Benchmark, site: str) -> list[tuple[str, int]]:
    """Slices that show something, in order of their names."""
    return [
        (item.name, int(n))
        for item in benchmark.of(TRAIN, site)
        if item.mask is not None
        for n in np.flatnonzero(item.mask.any((1, 2)))
    ]


def _drawn(benchmark: Benchmark, site: str, count: int, seed: int | None) -> Labelling:
    there = _candidates(benchmark, site)
    if count > len(there):
        raise InputError(
            f"{site} has {len(there)} training slices that show a structure, {count} were to be "
            "labelled",
            where="--count",
            hint="Give a smaller --count",
        )
    places = np.arange(count)
    if seed is not None:
        places = np.sort(np.random.default_rng(seed).permutation(len(there))[:count])
    chosen: dict[str, tuple[int, ...]] = {}
    for place in places:
        name, number = there[int(place)]
        chosen[name] = (*chosen.get(name, ()), number)
    return Labelling(site, chosen)


def _case(item: Item, numbers: np.ndarray, mask: np.ndarray | None) -> Case:
    whole = len(numbers) == len(item.volume.array)
    volume = item.volume if whole else item.volume.part(numbers)
    state = SliceState.UNTOUCHED if mask is None else SliceState.PAINTED
    states = np.full(len(numbers), state, dtype=np.uint8)
    return Case(volume, mask, states, name=item.name)
