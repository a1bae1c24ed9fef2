"""Training from the command line: `fit` and `demo` share it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_dim.cli.console import Failure, clock, count, messages
from napari_dim.engine.training.run_folder import LOG, clear_run, held
from napari_dim.config import Settings
from napari_dim.errors import InputError

PAPER_STEP = 50
"""Seconds a step of the paper's preset on two CPU cores (docs/results/paper_preset.md)."""

FEW_STEPS = 50
"""Steps below which a budget was too short, and is told so."""

if TYPE_CHECKING:
    from napari_dim.data.case import Case
    from napari_dim.data.cohort import Cohort
    from napari_dim.engine.inference.trained_model import Model
    from napari_dim.engine.training.checkpoint import Checkpoint
    from napari_dim.engine.training.events import Event, Finished


def train_cohort(
    path: Path,
    run: Path,
    settings: Settings,
    *,
    start: Path | None = None,
    resume: Checkpoint | None = None,
    as_json: bool = False,
    overwrite: bool = False,
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
    overwrite
        Take away the run that is in the folder, once the new one can start.

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
    with held(run), console.status(f"Reading {path.name}"):
        cohort = read_cohort(path)
        cases = load_training(cohort)
        earlier = None if start is None else Model.load(start)
        if earlier is not None:
            _check_start(earlier, settings, cases, f"--from {start}")
        known = provenance(cohort)
        if start is not None:
            known["start"] = hash_file(start / WEIGHTS)
        if resume is not None and (begun := resume.model.record.get("start")) is not None:
            known["start"] = begun
        job = Job(cases, settings, run=run, provenance=known, start=earlier, resume=resume)
    notes = (
        *(f"{path.name}: {text}" for text in cohort.notes),
        *(f"{case.name}: {text}" for case in cases for text in case.volume.warnings),
    )
    if resume is not None and any(resume.model.record.get(k) != v for k, v in known.items()):
        notes += ("The cohort or its files have changed since; the result will differ",)
    notes += _duration(settings)
    control = Control()
    log_watcher = LogWatcher(run / LOG, append=resume is not None)
    watchers = (JsonWatcher() if as_json else person_watcher(console), log_watcher)
    with held(run), stop_on_interrupt(control.stop):
        if overwrite:
            clear_run(run)
        there = run.exists()
        last = follow(_with_notes(events_of(job, control), notes), watchers)
    command = ["napari-dim", "fit", str(path), "--resume", str(run)]
    go_on = f"go on with `{shlex.join(command)}`"
    if isinstance(last, Failed):
        if last.stopped:
            _drop_log(run, there=there or resume is not None)
            raise Failure("Stopped before anything was learnt; nothing is kept")
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
    if last.reason == "budget" and last.steps < FEW_STEPS:
        console.print(
            f"Note      the budget held {count(last.steps, 'step')}, too few to learn from: give "
            "more time by --budget, or a smaller network or size by --config"
        )
    return last


def _check_start(earlier: Model, settings: Settings, cases: Sequence[Case], where: str) -> None:
    """Refuse weights that the training can't go on from.

    Raises
    ------
    InputError
        Naming what differs.
    """
    from napari_dim.engine.training.job import common_channels

    for name in ("network", "width", "context"):
        own, asked = getattr(earlier.settings, name), getattr(settings, name)
        if own != asked:
            raise InputError(
                f"that run has {name} {own}, this one is to have {asked}", where=where,
                hint=f"Leave {name} out: the earlier run's settings are taken; or train anew "
                "without --from",
            )  # fmt: skip
    channels = common_channels(cases)
    if channels != earlier.channels:
        raise InputError(
            f"that run was trained on images of {count(earlier.channels, 'channel')}, these have "
            f"{channels}", where=where, hint="Train anew without --from",
        )  # fmt: skip


def _duration(settings: Settings) -> tuple[str, ...]:
    """How long a training on a processor takes that was made for graphics cards."""
    from napari_dim.engine.device import pick_device

    if settings.preset != "paper" or settings.steps is None:
        return ()
    seconds = settings.steps * PAPER_STEP
    if seconds < 3600 or pick_device(settings.device).type != "cpu":
        return ()
    days = f"{seconds / 86400:.0f} days" if seconds > 2 * 86400 else f"{clock(seconds)} hours"
    return (
        f"the paper's network and {settings.steps:,} steps take about {days} on two CPU cores "
        f"({PAPER_STEP} s a step): a graphics card, --steps or --budget shortens it",
    )


def _drop_log(run: Path, *, there: bool) -> None:
    """Take away what a training left that learnt nothing; a folder that was there stays."""
    if not there:
        (run / LOG).unlink(missing_ok=True)
        with suppress(OSError):
            run.rmdir()


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
