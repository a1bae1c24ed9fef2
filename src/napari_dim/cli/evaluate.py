"""``napari-dim evaluate``: predicted masks against reference masks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_dim.cli.cluster_options import (
    Batch,
    ClusterAddress,
    Faults,
    WorkerMemory,
    check_cluster,
    on_cluster,
)
from napari_dim.cli.console import Split, messages, output
from napari_dim.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

    from napari_dim.data.cohort import Cohort
    from napari_dim.engine.evaluation.cohort_scores import Report


def evaluate(
    cohort: Annotated[
        str, typer.Argument(metavar="COHORT.csv", help="Table of image,labels,slices,site,split.")
    ],
    predictions: Annotated[
        str, typer.Argument(metavar="PREDICTIONS", help="Folder that predict wrote.")
    ],
    split: Annotated[Split, typer.Option(help="Which cases of the cohort.")] = "test",
    merge: Annotated[
        list[str] | None,
        typer.Option(metavar="1,2=1", help="Count classes as one, on both sides; repeatable."),
    ] = None,
    json_file: Annotated[
        str | None, typer.Option("--json", metavar="FILE", help="Also write all scores as JSON.")
    ] = None,
    cluster: ClusterAddress = "",
    worker_memory: WorkerMemory = "",
    batch: Batch = 1,
) -> None:
    """Compare masks: Dice, Jaccard, 95 % Hausdorff and average surface distance, by site."""
    from napari_dim.data.cohort import read_cohort
    from napari_dim.engine.evaluation.metrics import parse_merges
    from napari_dim.io.places import is_elsewhere, place_of, write_text

    check_cluster(cluster, cohort, predictions, json_file or "", batch=batch,
                  worker_memory=worker_memory)  # fmt: skip
    merges = parse_merges(merge or ())
    rows = read_cohort(place_of(cohort))
    folder = place_of(predictions)
    target = place_of(json_file) if json_file else None
    if not folder.is_dir():
        raise InputError("there is no such folder", where=predictions)
    if target is not None and not is_elsewhere(target) and not target.absolute().parent.is_dir():
        raise InputError("its folder does not exist", where=target)
    if target is not None and target.is_dir():
        raise InputError("this is a folder", where=target, hint="Name the file to write")
    notes = [f"{rows.path.name}: {text}" for text in rows.notes]
    if cluster:
        report = _on_cluster(
            rows, folder, split, merges, notes,
            cluster=cluster, worker_memory=worker_memory, batch=batch, target=target,
        )  # fmt: skip
    else:
        report = _here(rows, folder, split, merges, notes)
    for text in dict.fromkeys(notes):
        messages().print(f"Note      {text}")
    output().print(report_table(report))
    if target is not None:
        write_text(target, json.dumps(report, indent=2, allow_nan=False) + "\n")


def _here(
    rows: Cohort, folder: Path, split: str, merges: Mapping[int, int], notes: list[str]
) -> Report:
    """The report, made in this process."""
    from rich.progress import Progress

    from napari_dim.engine.evaluation.cohort_scores import evaluate as compare

    console = messages()
    # Away from a terminal even a transient bar leaves an empty line.
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("Comparing", total=None)
        return compare(
            rows,
            folder,
            split=split,
            merges=merges,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
            note=notes.append,
        )


def _on_cluster(
    cohort: Cohort,
    folder: Path,
    split: str,
    merges: Mapping[int, int],
    notes: list[str],
    *,
    cluster: str,
    worker_memory: str,
    batch: int,
    target: Path | None,
) -> Report:
    """The report, made by workers; there is none if a case could not be compared."""
    from napari_dim.cli.watch import FileProgress
    from napari_dim.cluster.scored_cases import score_cases, scores_of
    from napari_dim.data.predicted_masks import (
        changed_masks,
        changed_words,
        several_models,
        summary_in,
    )
    from napari_dim.engine.evaluation.cohort_scores import CaseScores, compared, report_of

    rows = compared(cohort.split(split), notes.append)
    summary = summary_in(folder)
    if mixed := several_models(rows, summary):
        notes.append(mixed)
    found: dict[int, CaseScores] = {}
    faults = Faults("compared")
    places = [folder, target, *(row.image for row in rows)]
    with (
        on_cluster(cluster, worker_memory, places) as workers,
        FileProgress(messages(), "Comparing", len(rows)) as progress,
    ):
        outcomes = score_cases(workers, rows, folder, merges=merges, report=target, batch=batch)
        for outcome in outcomes:
            row = rows[outcome.number]
            faults.take(row.name, outcome)
            if not outcome.fault:
                found[outcome.number] = scores_of(outcome.result)
            progress.begin(row.name)
            progress.end()
    faults.end()
    scored = [found[number] for number in range(len(rows))]
    for each in scored:
        notes.extend(each.notes)
    changed = changed_masks(rows, folder, summary)
    if changed:
        notes.append(changed_words(changed))
    return report_of(rows, scored, merges, summary, changed)


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
