"""Training from the command line: `fit` and `demo` share it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_dim.cli.console import Failure, messages
from napari_dim.config import Settings
from napari_dim.errors import InputError

if TYPE_CHECKING:
    from napari_dim.data.cohort import Cohort
    from napari_dim.engine.training.checkpoint import Checkpoint
    from napari_dim.engine.training.events import Event, Finished

LOG = "train.log"


def check_run_folder(run: Path) -> None:
    """Refuse a folder that holds something other than a run: nothing foreign is overwritten.

    Raises
    ------
    InputError
        If it is a file, or not empty and not a run of napari-dim.
    """
    if not run.exists():
        return
    if not run.is_dir():
        raise InputError("this is a file, not a folder", where=f"--out {run}")
    if any(run.iterdir()) and not _is_run(run):
        raise InputError(
            "this folder holds other files",
            where=f"--out {run}",
            hint="Give a new folder, or one that an earlier fit wrote",
        )


def train_cohort(
    path: Path,
    run: Path,
    settings: Settings,
    *,
    start: Path | None = None,
    resume: Checkpoint | None = None,
    as_json: bool = False,
) -> Finished:
    """Train on a cohort's training cases, showing progress; Ctrl-C stops and keeps the run.

    Parameters
    ----------
    path
        The cohort file.
    run
        Folder for the run; made when training starts.
    settings
        How to train.
    start
        An earlier run to go on from.
    resume
        The checkpoint in `run` to go on from.
    as_json
        Write events as JSON lines to standard output instead of progress for people.

    Raises
    ------
    InputError
        If the cohort or the earlier run can't be used; nothing is written then.
    Failure
        If training ends before its time, stopped by the user included (unless it was to
        train until then).
    """
    from napari_dim.cli.watch import (
        JsonWatcher,
        LogWatcher,
        finished_line,
        follow,
        person_watcher,
        stop_on_interrupt,
    )
    from napari_dim.data.cohort import read_cohort
    from napari_dim.data.load import load_training
    from napari_dim.engine.inference.trained_model import WEIGHTS, Model
    from napari_dim.engine.training.child_process import run as events_of
    from napari_dim.engine.training.control import Control
    from napari_dim.engine.training.events import Failed
    from napari_dim.engine.training.loop import Job
    from napari_dim.io import hash_file

    console = messages()
    with console.status(f"Reading {path.name}"):
        cohort = read_cohort(path)
        cases = load_training(cohort)
        earlier = None if start is None else Model.load(start)
        known = provenance(cohort)
        if start is not None:
            known["start"] = hash_file(start / WEIGHTS)
        if resume is not None and (begun := resume.model.record.get("start")) is not None:
            known["start"] = begun
        job = Job(cases, settings, run=run, provenance=known, start=earlier, resume=resume)
    notes = tuple(f"{case.name}: {text}" for case in cases for text in case.volume.warnings)
    if resume is not None and any(resume.model.record.get(k) != v for k, v in known.items()):
        notes += ("The cohort or its files have changed since; the result will differ",)
    control = Control()
    log_watcher = LogWatcher(run / LOG, append=resume is not None)
    watchers = (JsonWatcher() if as_json else person_watcher(console), log_watcher)
    with stop_on_interrupt(control.stop):
        last = follow(_with_notes(events_of(job, control), notes), watchers)
    go_on = f"go on with `napari-dim fit {path.name} --resume {run}`"
    if isinstance(last, Failed):
        problem = f"{last.problem}. {last.hint}" if last.hint else last.problem
        if last.bad_input:
            raise InputError(problem)
        log = f" The log is {run / LOG}" if (run / LOG).exists() else ""
        more = f" To {go_on}." if last.run is not None else ""
        raise Failure(problem + log + more, details=last.details)
    for note in last.notes:
        console.print(note)
    if last.run is None:
        raise Failure(f"{finished_line(last)}, but the run could not be saved in {run}")
    if last.reason == "stopped" and not settings.until_stopped:
        raise Failure(f"{finished_line(last)}; the last checkpoint is kept in {run}; {go_on}")
    console.print(f"{finished_line(last)}; the run is in {run}")
    return last


def provenance(cohort: Cohort) -> dict[str, Any]:
    """Hashes of the cohort file and of every file that training reads; names, not paths."""
    from napari_dim.io import hash_file

    inputs = []
    for row in cohort.split("train"):
        entry: dict[str, Any] = {"image": row.image.name, "sha256": hash_file(row.image)}
        if row.channels:
            entry["channels"] = [
                {"image": path.name, "sha256": hash_file(path)} for path in row.channels
            ]
        if row.slices and row.labels is not None:
            entry |= {"labels": row.labels.name, "labels_sha256": hash_file(row.labels)}
        inputs.append(entry)
    return {"cohort": {"name": cohort.path.name, "sha256": hash_file(cohort.path)},
            "inputs": inputs}  # fmt: skip


def _with_notes(events: Iterator[Event], notes: tuple[str, ...]) -> Iterator[Event]:
    """The stream, with what the readers noticed added to its first event.

    Said before, it would stand beside the one line that bad input gets.
    """
    from napari_dim.engine.training.events import Started

    for event in events:
        yield replace(event, notes=notes + event.notes) if isinstance(event, Started) else event


def _is_run(folder: Path) -> bool:
    """Whether an earlier training wrote here: its record says so."""
    try:
        record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(record, dict) and "seed" in record and "versions" in record
