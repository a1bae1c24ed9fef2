"""Tables 2 to 5 as Markdown and CSV: a function of the folder of records alone."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from napari_dim.compare import paper_numbers as paper
from napari_dim.compare.cells import Cell, Collected, mean_of_numbers
from napari_dim.compare.records import read_records
from napari_dim.compare.table_metrics import METRICS
from napari_dim.compare.table_rows import ABLATION, DIVERGENCES, TITLES, Row, row_order
from napari_dim.io import write_text_atomically

CSV_COLUMNS = (
    "table", "row", "labelled", "structure", "metric", "mean", "spread", "runs", "paper",
)  # fmt: skip
OWN = ("dim", "midss")
"""Rows whose paper value may be of the authors' own runs; the others' are taken over."""


@dataclass
class Table:
    """A table on its way to its files.

    Attributes
    ----------
    name, caption
        Its file and what stands over it.
    header
        Of the Markdown.
    lines
        Of the Markdown, as text.
    values
        One row a number, under `CSV_COLUMNS`.
    """

    name: str
    caption: str
    header: list[str]
    lines: list[list[str]] = field(default_factory=list)
    values: list[tuple[object, ...]] = field(default_factory=list)

    def keep(self, row: str, site: str, structure: str, metric: str, cell: Cell) -> Cell:
        """Note a number for the CSV; gives it back."""
        self.values.append(
            (self.name, row, site, structure, metric, _csv(cell.mean), _csv(cell.spread),
             cell.runs, _csv(cell.paper))
        )  # fmt: skip
        return cell

    @property
    def markdown(self) -> str:
        """With its caption."""
        rule = ["---"] + ["---:"] * (len(self.header) - 1)
        lines = ["| " + " | ".join(line) + " |" for line in (self.header, rule, *self.lines)]
        return f"### {self.name}\n\n{self.caption}\n\n" + "\n".join(lines) + "\n"

    @property
    def csv(self) -> str:
        """All numbers, one a row."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(CSV_COLUMNS)
        writer.writerows(self.values)
        return text.getvalue()


def write_tables(folder: Path, select: str) -> str:
    """Make every table of a folder of runs and write it into its ``tables``.

    Parameters
    ----------
    folder
        That of ``--out``.
    select
        ``"last"`` or ``"best-on-test"``: whose scores.

    Returns
    -------
    str
        The first one as Markdown.

    Raises
    ------
    InputError
        If there are no runs, or a record can't be read.
    """
    runs = Collected(read_records(folder), select)
    made = [main_table(runs), ablation_table(runs), divergence_table(runs), ours_table(runs)]
    into = folder / "tables"
    into.mkdir(exist_ok=True)
    for table in made:
        write_text_atomically(into / f"{table.name}.md", table.markdown)
        write_text_atomically(into / f"{table.name}.csv", table.csv)
    return made[0].markdown


def main_table(runs: Collected) -> Table:
    """Table 2, or Table 3 of prostate data: a row a system, a column a labelled site."""
    prostate = runs.layout.startswith("prostate")
    theirs = (paper.TABLE_3 if prostate else paper.TABLE_2) if _is_papers(runs) else {}
    order = paper.PROSTATE_SITES if prostate else paper.FUNDUS_SITES
    joined = " / ".join(runs.structures)
    table = Table(
        "table3" if prostate else "table2",
        f"DC of {joined} by labelled site, and averages over sites and structures. {_about(runs)}",
        ["Method", "#L", *(f"{site} DC" for site in runs.sites), *(f"Avg {m}" for m in METRICS)],
    )
    rows = sorted({*TITLES, *(r for r in runs.rows if r not in TITLES)}, key=row_order)
    for row in rows:
        told = theirs.get(row)
        line = [
            Row.named(row).title + (" †" if told and row not in OWN else ""),
            _labels(runs, row),
        ]
        for site in runs.sites:
            scores = runs.every(row, site)
            cells = []
            for s, structure in enumerate(runs.structures):
                value = told.dc[order.index(site)][s] if told and told.dc else None
                cell = Cell.of(scores[:, s, 0].tolist(), value)
                cells.append(table.keep(row, site, structure, "DC", cell))
            line.append(_joined(cells))
        averages = runs.averages(row)
        complete = len(runs.sites) == len(order)
        for m, metric in enumerate(METRICS):
            value = told.average[m] if told and complete else None
            cell = Cell.of(averages[:, m].tolist(), value)
            line.append(table.keep(row, "average", "average", metric, cell).text)
        table.lines.append(line)
    return table


def ablation_table(runs: Collected) -> Table:
    """Table 4: MiDSS, and DiM with and without its two parts, on the first labelled site."""
    site = runs.sites[0]
    papers = _is_papers(runs) and runs.layout == "fundus" and site == paper.FUNDUS_SITES[0]
    table = Table(
        "table4",
        f"{site} labelled; means over structures. {_about(runs)}",
        ["Method", "Baseline", "SAM", "f-divergence", *METRICS],
    )
    marks = {"#1": "", "#2": "SAM", "#3": "f", "#4": "SAM f"}
    for number, row in ABLATION.items():
        line = [f"{number} `{row}`", "✓"]
        line += ["✓" if part in marks[number].split() else "" for part in ("SAM", "f")]
        scores = runs.every(row, site).mean(1)
        for m, metric in enumerate(METRICS):
            cell = Cell.of(scores[:, m].tolist(), paper.TABLE_4[number][m] if papers else None)
            line.append(table.keep(row, site, "average", metric, cell).text)
        table.lines.append(line)
    return table


def divergence_table(runs: Collected) -> Table:
    """Table 5: divergences by labelled site."""
    papers = _is_papers(runs) and runs.layout == "fundus"
    joined = " / ".join(runs.structures)
    table = Table(
        "table5",
        f"Cells: {joined}. {_about(runs)}",
        ["Type", "Labelled", *METRICS],
    )
    for site in runs.sites:
        for kind, row in DIVERGENCES.items():
            line = [f"{kind} `{row}`", site]
            scores = runs.every(row, site)
            theirs = paper.TABLE_5[kind][paper.FUNDUS_SITES.index(site)] if papers else None
            for m, metric in enumerate(METRICS):
                cells = [
                    Cell.of(scores[:, s, m].tolist(), theirs[m][s] if theirs else None)
                    for s in range(len(runs.structures))
                ]
                for structure, cell in zip(runs.structures, cells, strict=True):
                    table.keep(row, site, structure, metric, cell)
                line.append(_joined(cells))
            table.lines.append(line)
    return table


def ours_table(runs: Collected) -> Table:
    """The same masks by our definitions, which users see: symmetric, no value for an empty mask."""
    table = Table(
        "ours",
        "The same masks by napari-dim's own metrics, not to be compared with the tables above: "
        "the larger of both directions' 95 % distances, the mean of both directions, volumes in "
        "3D and mm, pictures in pixels; a mask that is empty has no distance and is left out of "
        f"it. Means over structures. {_about(runs)}",
        ["Method", "Labelled", "Dice", "Jaccard", "HD95", "ASD"],
    )
    for row in runs.rows:
        for site in runs.sites:
            found = [s for seed in runs.seeds if (s := runs.ours(row, site, seed)) is not None]
            if not found:
                continue
            line = [Row.named(row).title, site]
            values = np.array([mean_of_numbers(each) for each in found])
            for m, metric in enumerate(table.header[2:]):
                there = [float(v) for v in values[:, m] if not np.isnan(v)]
                line.append(table.keep(row, site, "average", metric, Cell.of(there)).text)
            table.lines.append(line)
    return table


def _is_papers(runs: Collected) -> bool:
    return runs.whole and runs.layout in ("fundus", "prostate-slices")


def _about(runs: Collected) -> str:
    specs = [record["spec"] for record in runs.records]
    steps = sorted({spec["steps"] for spec in specs})
    seeds = ", ".join(str(seed) for seed in runs.seeds)
    spread = ", mean ± standard deviation" if len(runs.seeds) > 1 else ""
    text = (
        f"Data: {runs.layout}; scale {specs[0]['scale']}, slices of {specs[0]['size']} pixels, "
        f"{' or '.join(f'{n:,}' for n in steps)} steps; seeds {seeds}{spread}. "
    )
    text += (
        "Weights: those after the last step. "
        if runs.select == "last"
        else "Weights: the best on the test images, as published: optimistic. "
    )
    text += "DC and JC x 100; HD (95 %, both directions pooled) and ASD (prediction to reference) "
    text += "in pixels, 100 for an empty mask; a dash: no run."
    if _is_papers(runs):
        text += (
            " In brackets the paper's number (its distances at 256 pixels, prostate 384); † is not "
            "a run of the paper's authors but taken from earlier tables, and the printed MiDSS row "
            "mixes both."
        )
    return text


def _labels(runs: Collected, row: str) -> str:
    counts = {r["spec"]["count"] for r in runs.records if r["spec"]["row"] == row}
    return "*" if row.startswith("upper-bound") else "/".join(str(c) for c in sorted(counts)) or "-"


def _joined(cells: Sequence[Cell]) -> str:
    if all(cell.mean is None for cell in cells):
        return "-"
    return " / ".join(cell.text for cell in cells)


def _csv(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
