"""Numbers of the tables' cells: from per-image scores to mean and spread over seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_dim.compare.table_rows import row_order

PERCENT = np.array([100.0, 100.0, 1.0, 1.0])
"""DC and JC are given x 100, HD and ASD in pixels."""


@dataclass(frozen=True)
class Cell:
    """A number of a table.

    Attributes
    ----------
    mean, spread
        Over seeds; the spread is the sample's standard deviation, None of one seed.
    runs
        How many seeds.
    paper
        What the paper has there, if the data are the paper's.
    """

    mean: float | None
    spread: float | None = None
    runs: int = 0
    paper: float | None = None

    @classmethod
    def of(cls, values: Sequence[float], paper: float | None = None) -> Cell:
        """The cell of some seeds' values; empty without any."""
        if not values:
            return cls(None, paper=paper)
        spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
        return cls(float(np.mean(values)), spread, len(values), paper)

    @property
    def text(self) -> str:
        """``84.10 ± 0.31 [84.68]``; a dash where a run is missing."""
        if self.mean is None:
            return "-"
        spread = "" if self.spread is None else f" ± {self.spread:.2f}"
        paper = "" if self.paper is None else f" [{self.paper:.2f}]"
        return f"{self.mean:.2f}{spread}{paper}"


class Collected:
    """The runs of a folder, by row, labelled site and seed.

    Parameters
    ----------
    records
        As `records.read_records` gives them.
    select
        ``"last"`` or ``"best-on-test"``.
    """

    def __init__(self, records: Iterable[Mapping[str, Any]], select: str) -> None:
        self.records = list(records)
        self.select = select
        first = self.records[0]
        self.structures: list[str] = first["structures"]
        self.layout: str = first["layout"]
        self.whole = bool(first["whole"])
        self._by = {
            (r["spec"]["row"], r["spec"]["site"], r["spec"]["seed"]): r for r in self.records
        }
        labelled = {site for _, site, _ in self._by}
        self.sites = [site for site in first["sites"] if site in labelled]
        self.rows = sorted({row for row, _, _ in self._by}, key=row_order)
        self.seeds = sorted({seed for _, _, seed in self._by})

    def record(self, row: str, site: str, seed: int) -> Mapping[str, Any] | None:
        """A run's record."""
        return self._by.get((row, site, seed))

    def scores(self, row: str, site: str, seed: int) -> np.ndarray | None:
        """DC, JC, HD, ASD of a run, ``(structure, 4)``: over images, then over test domains."""
        record = self.record(row, site, seed)
        return None if record is None else domain_mean(record, self.select, "images") * PERCENT

    def ours(self, row: str, site: str, seed: int) -> np.ndarray | None:
        """Dice, Jaccard, HD95, ASD of a run by our definitions, ``(structure, 4)``."""
        record = self.record(row, site, seed)
        return None if record is None else domain_mean(record, self.select, "ours") * PERCENT

    def every(self, row: str, site: str) -> np.ndarray:
        """The scores of all seeds, ``(seed, structure, 4)``."""
        found = [s for seed in self.seeds if (s := self.scores(row, site, seed)) is not None]
        return np.array(found).reshape(-1, len(self.structures), 4)

    def averages(self, row: str) -> np.ndarray:
        """Means over structures and labelled sites of seeds that have all sites, ``(seed, 4)``."""
        found = []
        for seed in self.seeds:
            of_sites = [self.scores(row, site, seed) for site in self.sites]
            if all(each is not None for each in of_sites):
                found.append(np.mean(np.array(of_sites), (0, 1)))
        return np.array(found).reshape(-1, 4)


def domain_mean(record: Mapping[str, Any], select: str, which: str) -> np.ndarray:
    """Scores of a record, ``(structure, 4)``: a domain's mean over images, then over domains.

    What does not count, or has no distance, is left out of its mean.
    """
    domains = []
    for images in record["selected"][select][which].values():
        blank = [None] * 4
        values = np.array(
            [[blank if s is None else s for s in image] for image in images.values()], dtype=float
        )
        domains.append(mean_of_numbers(values))
    return mean_of_numbers(np.array(domains))


def mean_of_numbers(values: np.ndarray) -> np.ndarray:
    """Mean over the first axis of what is a number; NaN where nothing is."""
    there = ~np.isnan(values)
    total = np.where(there, values, 0).sum(0)
    counted = there.sum(0)
    mean: np.ndarray = np.where(counted > 0, total / np.maximum(counted, 1), np.nan)
    return mean
