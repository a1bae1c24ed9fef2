"""Training from the command line: `fit` and `demo` share it."""

from __future__ import annotations

import os
import shlex
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_dim.cli.console import Failure, messages
from napari_dim.config import Settings
from napari_dim.engine.training.run_folder import held, saved_in
from napari_dim.errors import TrainingError

if TYPE_CHECKING:
    from napari_dim.engine.training.checkpoint import Checkpoint
    from napari_dim.engine.training.events import Finished
    from napari_dim.engine.training.job import Job
    from napari_dim.engine.training.launched import Launch


def train_cohort(
    path: Path,
    run: Path,
    settings: Settings,
    *,
    start: Path | None = None,
    resume: Checkpoint | None = None,
    as_json: bool = False,
    overwrite: bool = False,
    launch: Launch | None = None,
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
        Replace the run that is in the folder, at the first save of the new one.
    launch
        This process among others that train with it; the first one writes and shows.

    Raises
    ------
    InputError
        If the cohort or the earlier run can't be used; nothing is written then.
    Failure
        If training ends before its time, stopped by the user included (unless it was to
        train until then).
    """
    console = messages()
    console.quiet = launch is not None and not launch.ranks.first
    with console.status("Starting"):  # torch and friends take seconds
        from napari_dim.cli.watch import JsonWatcher, ReadingProgress, person_watcher
        from napari_dim.data.cohort import read_cohort
        from napari_dim.engine.training.launched import Launch
        from napari_dim.engine.training.run_log import finished_line
        from napari_dim.engine.training.training_run import cohort_job, kept, run_training, too_few

    launch = launch or Launch()
    first = launch.ranks.first
    command = [*_command(launch), "fit", str(path), "--resume", str(run)]
    go_on = f"go on with `{shlex.join(command)}`"
    before = saved_in(run)  # asked before any of them can write
    with held(run) if first else nullcontext():
        launch.join(settings.device)
        try:
            with ReadingProgress(console, path.name) as progress:
                job = cohort_job(
                    read_cohort(path), settings, run=run if first else None, start=start,
                    resume=resume, overwrite=overwrite, ranks=launch.ranks, read=progress.read,
                )  # fmt: skip
            launch.check_same(_alike(job))
            watcher = JsonWatcher() if as_json else person_watcher(console, len(job.cases))
            last = run_training(job, (watcher,) if first else ())
        except TrainingError as error:
            log = "" if error.log is None else f" The log is {error.log}."
            resumable = error.run is not None or saved_in(run) != before or resume is not None
            more = f" G{go_on[1:]}" if resumable else ""
            raise Failure(f"{error}.{log}{more}", details=error.details) from error
        except KeyboardInterrupt:
            saved = saved_in(run) != before
            what = f"the last checkpoint is kept in {run}" if saved else kept(run, resume)
            more = f"; {go_on}" if saved or resume is not None else ""
            raise Failure(f"interrupted; {what}{more}") from None
    if not first:
        return last
    for note in last.notes:
        console.print(note)
    if last.run is None:
        raise Failure(f"{finished_line(last)}, but the run could not be saved in {run}")
    if last.reason == "stopped" and not settings.until_stopped:
        raise Failure(f"{finished_line(last)}; the last checkpoint is kept in {run}; {go_on}")
    console.print(f"{finished_line(last)}; the run is in {run}")
    if last.reason == "stopped":
        console.print(f"Note      G{go_on[1:]}")
    if few := too_few(last):
        console.print(
            f"Note      {few}: give more time by --budget, or a smaller network or size by --config"
        )
    return last


def _command(launch: Launch) -> list[str]:
    """How the program was started."""
    if not launch.ranks.several:
        return ["napari-dim"]
    here = os.environ.get("LOCAL_WORLD_SIZE", str(launch.ranks.count))
    return ["torchrun", "--nproc-per-node", here, "-m", "napari_dim"]


def _alike(job: Job) -> dict[str, Any]:
    """What the processes of one training must have in common."""
    inputs = {name: job.provenance.get(name) for name in ("cohort", "inputs", "start")}
    return {
        "settings": job.settings.model_dump_json(),
        "cohort or other files of it": inputs,
        "checkpoint": None if job.resume is None else job.resume.step,
    }
