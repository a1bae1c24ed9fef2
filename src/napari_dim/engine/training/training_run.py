"""One training from its cases to its run folder, for every caller: it ends in a model, or raises.

`loop.train` yields events and raises nothing. Here its log is written, Ctrl-C ends it after a
step, and its failure is an exception, so that no script goes on without a model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from napari_dim.config import Settings
from napari_dim.data.case import Case
from napari_dim.data.cohort import Cohort
from napari_dim.data.load import load_training
from napari_dim.engine.device import pick_device
from napari_dim.engine.inference.trained_model import WEIGHTS, Model
from napari_dim.engine.training.child_process import run as events_of
from napari_dim.engine.training.control import Control
from napari_dim.engine.training.events import (
    Checkpointed,
    Ending,
    Event,
    Failed,
    Finished,
    Started,
)
from napari_dim.engine.training.interrupt import stop_on_interrupt
from napari_dim.engine.training.job import Job, common_channels
from napari_dim.engine.training.loop import train
from napari_dim.engine.training.run_folder import saved_in
from napari_dim.engine.training.run_log import LogWatcher, Watcher
from napari_dim.engine.training.run_record import inputs_of
from napari_dim.errors import InputError, TrainingError
from napari_dim.io import hash_file
from napari_dim.nets.ranks import Ranks
from napari_dim.words import clock, count

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from napari_dim.engine.training.checkpoint import Checkpoint

PAPER_STEP = 50
"""Seconds a step of the paper's preset on two CPU cores (docs/results/paper_preset.md)."""
FEW_STEPS = 50
"""Steps below which a budget was too short, and is told so."""


def cohort_job(
    cohort: Cohort,
    settings: Settings,
    *,
    run: Path | None = None,
    start: Model | Path | None = None,
    resume: Checkpoint | None = None,
    overwrite: bool = False,
    ranks: Ranks | None = None,
    read: Callable[[int, int], None] | None = None,
) -> Job:
    """What to train on a cohort's training cases; their files are read.

    Parameters
    ----------
    cohort
        The cohort.
    settings
        How to train.
    run
        Folder for the run; None keeps all in memory.
    start
        An earlier model, or its run folder, to go on from.
    resume
        The checkpoint in `run` to go on from.
    overwrite
        Take away the run that is in the folder, once the new one starts.
    ranks
        The processes that share the steps.
    read
        Is told how many cases have been read, and of how many.

    Raises
    ------
    InputError
        If the cohort or the earlier model can't be used.
    """
    cases = load_training(cohort, read=read)
    told = [f"{cohort.path.name}: {text}" for text in cohort.notes]
    job = job_of(
        cases, settings, inputs_of(cohort),
        run=run, start=start, resume=resume, overwrite=overwrite, notes=told,
    )  # fmt: skip
    return job if ranks is None else replace(job, ranks=ranks)


def job_of(
    cases: Sequence[Case],
    settings: Settings,
    provenance: dict[str, Any],
    *,
    run: Path | None = None,
    start: Model | Path | None = None,
    resume: Checkpoint | None = None,
    overwrite: bool = False,
    notes: Sequence[str] = (),
) -> Job:
    """What to train on some cases; `provenance` is kept in the record, the rest is `cohort_job`'s.

    `notes` are told at the start.

    Raises
    ------
    InputError
        If the earlier model doesn't fit the cases or the settings.
    """
    known = dict(provenance)
    earlier = Model.load(start) if isinstance(start, Path) else start
    if earlier is not None:
        where = str(start) if isinstance(start, Path) else "start"
        _check_start(earlier, settings, cases, where)
    if isinstance(start, Path):
        known["start"] = hash_file(start / WEIGHTS)
    if resume is not None and (begun := resume.model.record.get("start")) is not None:
        known["start"] = begun
    told = [*notes, *(f"{case.name}: {text}" for case in cases for text in case.volume.warnings)]
    if resume is not None and (other := _changed(resume.model.record, known)):
        told.append(
            f"The data are not those that this run began with ({other}), so its result will not be "
            "that of one training; to keep the run and learn from these data, begin another one "
            "from its weights (--from RUN --out NEW)"
        )
    if resume is not None:
        _check_length(resume, settings)
    told += duration(settings)
    return Job(
        cases, settings, run=run, provenance=known, start=earlier, resume=resume,
        notes=tuple(told), overwrite=overwrite,
    )  # fmt: skip


def _check_length(resume: Checkpoint, settings: Settings) -> None:
    """Refuse to go on to an end that the run is past: it would end there, and could not go on.

    Raises
    ------
    InputError
        Saying how far it is.
    """
    if settings.steps is not None and resume.step > settings.steps:
        raise InputError(
            f"the run has made {count(resume.step, 'step')} already",
            where=f"steps {settings.steps}",
            hint="Give more to go on; its model can be used as it is",
        )
    if settings.steps is None and settings.budget is not None and resume.seconds > settings.budget:
        raise InputError(
            f"the run has taken {clock(resume.seconds)} already",
            where=f"budget {clock(settings.budget)}",
            hint="Give more to go on; its model can be used as it is",
        )


def _changed(record: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    """What of the inputs is not as a run recorded it, for people; empty if all is."""
    if all(record.get(name) == value for name, value in known.items()):
        return ""
    was, now = (list(each.get("inputs") or ()) for each in (record, known))
    gone = sum(one not in now for one in was)
    new = sum(one not in was for one in now)
    if gone or new:
        return f"{new} of {count(len(now), 'image')} new or changed, {gone} of {len(was)} gone"
    return "the images are, the cohort file is not"


def run_training(
    job: Job, watchers: Sequence[Watcher] = (), control: Control | None = None
) -> Finished:
    """Train to the end, writing the log of a run folder; Ctrl-C stops after the current step.

    Whoever has a run folder holds it meanwhile (`run_folder.held`).

    Parameters
    ----------
    job
        What to train.
    watchers
        Are told of every event.
    control
        Stops it from elsewhere.

    Raises
    ------
    InputError
        If the cases can't be trained on.
    TrainingError
        If it failed, or was stopped before anything was learnt; then nothing is left of it.
    """
    control = control or Control()
    run = job.run
    phase = _Phase(replaces=run is not None and job.overwrite and bool(saved_in(run)))
    followers: list[Watcher] = [phase, *watchers]
    several = job.ranks.several  # they are in no process of their own, and the launcher tells
    log = None
    if run is not None:
        log = LogWatcher(run, append=job.resume is not None, failures=not several)
        followers.append(log)
    with stop_on_interrupt(control.stop, lambda: phase.stopping, launched=several):
        last = follow(train(job, control) if several else events_of(job, control), followers)
    if isinstance(last, Finished):
        return last
    if last.stopped:
        raise TrainingError(
            f"Stopped before anything was learnt; {kept(run, job.resume)}", stopped=True
        )
    if last.bad_input:
        raise InputError(last.problem, hint=last.hint)
    raise TrainingError(
        last.problem, hint=last.hint, details=last.details, run=last.run,
        log=None if log is None else log.path,
    )  # fmt: skip


def kept(run: Path | None, resume: Checkpoint | None) -> str:
    """What is in the folder of a training that saved nothing."""
    if run is None or not saved_in(run):
        return "nothing is kept"
    whose = "the run" if resume is not None else "the earlier run"
    return f"{whose} in {run} is as it was"


class _Phase:
    """Knows how far a training is; a `run_log.Watcher`.

    Attributes
    ----------
    stopping
        What follows when it is stopped now.
    """

    def __init__(self, *, replaces: bool = False) -> None:
        self.stopping = "Stopping before the first step"
        self._replaces = ", and replacing the earlier run (a second Ctrl-C keeps it)" \
            if replaces else ""  # fmt: skip

    def event(self, event: Event) -> None:
        """Take one event."""
        match event:
            case Started():
                self.stopping = f"Stopping after this step{self._replaces}"
            case Checkpointed():
                self.stopping, self._replaces = "Stopping after this step", ""
            case Ending():
                self.stopping = "The last step is done, and the run will be saved"

    def close(self) -> None:
        """Nothing is held."""


def follow(events: Iterator[Event], watchers: Sequence[Watcher]) -> Finished | Failed:
    """Show a stream to its end and return its last event."""
    last: Event | None = None
    try:
        with closing(cast("Generator[Event, None, None]", events)):
            for last in events:
                for watcher in watchers:
                    watcher.event(last)
    finally:
        for watcher in watchers:
            watcher.close()
    assert isinstance(last, Finished | Failed), "the stream ended without Finished or Failed"
    return last


def too_few(last: Finished) -> str:
    """What to tell of a training whose budget held hardly a step; empty of others."""
    if last.reason != "budget" or last.steps >= FEW_STEPS:
        return ""
    return f"the budget held {count(last.steps, 'step')}, too few to learn from"


def duration(settings: Settings) -> tuple[str, ...]:
    """How long a training on a processor takes that was made for graphics cards."""
    if settings.preset != "paper" or settings.steps is None:
        return ()
    seconds = settings.steps * PAPER_STEP
    if seconds < 3600 or pick_device(settings.device).type != "cpu":
        return ()
    days = f"{seconds / 86400:.0f} days" if seconds > 2 * 86400 else f"{clock(seconds)} hours"
    return (
        f"the paper's network and {settings.steps:,} steps take about {days} on two CPU cores "
        f"({PAPER_STEP} s a step): a graphics card, fewer steps or a budget shortens it",
    )


def _check_start(earlier: Model, settings: Settings, cases: Sequence[Case], where: str) -> None:
    """Refuse weights that the training can't go on from.

    Raises
    ------
    InputError
        Naming what differs.
    """
    for name in ("network", "width", "context"):
        own, asked = getattr(earlier.settings, name), getattr(settings, name)
        if own != asked:
            raise InputError(
                f"that run has {name} {own}, this one is to have {asked}", where=where,
                hint=f"Leave {name} out: the earlier run's settings are taken; or train anew",
            )  # fmt: skip
    channels = common_channels(cases)
    if channels != earlier.channels:
        raise InputError(
            f"that run was trained on images of {count(earlier.channels, 'channel')}, these have "
            f"{channels}", where=where, hint="Train anew",
        )  # fmt: skip
