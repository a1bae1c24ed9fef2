"""``napari-dim evaluate``: predicted masks against reference masks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_dim.cli.console import Split, messages, output
from napari_dim.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table


def evaluate(
    cohort: Annotated[
        Path, typer.Argument(metavar="COHORT.csv", help="Table of image,labels,slices,site,split.")
    ],
    predictions: Annotated[
        Path, typer.Argument(metavar="PREDICTIONS", help="Folder that predict wrote.")
    ],
    split: Annotated[Split, typer.Option(help="Which cases of the cohort.")] = "test",
    merge: Annotated[
        list[str] | None,
        typer.Option(metavar="1,2=1", help="Count classes as one, on both sides; repeatable."),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write all scores as JSON.")
    ] = None,
) -> None:
    """Compare masks: Dice, Jaccard, 95 % Hausdorff and average surface distance, by site."""
    from rich.progress import Progress

    from napari_dim.data.cohort import read_cohort
    from napari_dim.engine.evaluation.cohort_scores import evaluate as compare
    from napari_dim.engine.evaluation.metrics import parse_merges
    from napari_dim.io import write_text_atomically

    merges = parse_merges(merge or ())
    rows = read_cohort(cohort)
    if not predictions.is_dir():
        raise InputError("there is no such folder", where=predictions)
    if json_file is not None and not json_file.absolute().parent.is_dir():
        raise InputError("its folder does not exist", where=json_file)
    console = messages()
    notes = [f"{cohort.name}: {text}" for text in rows.notes]
    # Away from a terminal even a transient bar leaves an empty line.
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("Comparing", total=None)
        report = compare(
            rows,
            predictions,
            split=split,
            merges=merges,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
            note=notes.append,
        )
    for text in dict.fromkeys(notes):
        console.print(f"Note      {text}")
    output().print(report_table(report))
    if json_file is not None:
        write_text_atomically(json_file, json.dumps(report, indent=2, allow_nan=False) + "\n")


def report_table(report: Mapping[str, Any]) -> Table:
    """The means of a report, by site and class, and over all cases.

    Parameters
    ----------
    report
        What `napari_dim.engine.evaluation.cohort_scores.evaluate` returned.
    """
    from rich.table import Table

    unit = report["distance_unit"]
    table = Table()
    for name in ("Site", "Class"):
        table.add_column(name, overflow="fold")
    for name in ("Cases", "Dice", "Jaccard", f"HD95 ({unit})", f"ASD ({unit})", "Empty"):
        table.add_column(name, justify="right")
    for site, means in report["by_site"].items():
        _add(table, site or "-", means)
        table.add_section()
    _add(table, "all", report["mean"])
    return table


def _add(table: Table, site: str, means: Mapping[str, Any]) -> None:
    rows = dict(means["classes"])
    if len(rows) != 1:
        rows["mean"] = means
    for label, mean in rows.items():
        table.add_row(
            site,
            label,
            str(mean["cases"]),
            _number(mean["dice"], 3),
            _number(mean["jaccard"], 3),
            _number(mean["hd95_mm"], 2),
            _number(mean["asd_mm"], 2),
            str(mean["nulls"]),
        )


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
