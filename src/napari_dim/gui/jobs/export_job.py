"""Many masks to files, in the background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from napari.layers import Labels

from napari_dim.engine.training.events import Failed
from napari_dim.errors import InputError
from napari_dim.gui.background_task import Emit, Task
from napari_dim.gui.session import Session
from napari_dim.gui.storage.mask_files import save_array
from napari_dim.gui.storage.mask_record import Recipe
from napari_dim.gui.storage.project_actions import mark_exported
from napari_dim.gui.work import Activity
from napari_dim.words import count as counted


@dataclass(frozen=True)
class Job:
    """One mask to write.

    `mask` holds class ids, ``(slice, row, column)``; `recipe` is how it came about; `form`
    is the key of a format.
    """

    layer: Labels
    mask: np.ndarray
    recipe: Recipe
    path: Path
    form: str = ""


@dataclass(frozen=True)
class _Written:
    job: Job
    path: Path


class Exporting:
    """Writes masks for a session, one after the other."""

    def __init__(self, session: Session, jobs: Sequence[Job]) -> None:
        self._session, self._jobs = session, jobs
        self._stopped = self._over = False
        self._done = 0
        self._aside: Task | None = None
        self._last: Path | None = None
        self._faults: list[str] = []

    @classmethod
    def start(cls, session: Session, jobs: Sequence[Job]) -> Exporting:
        """Start the background thread.

        Raises
        ------
        InputError
            If the session is busy.
        """
        exporting = cls(session, jobs)
        what = "the mask" if len(jobs) == 1 else counted(len(jobs), "mask")
        if len(jobs) == 1 and session.busy:  # A training need not end for one mask.
            exporting._aside = Task("exporting the mask", exporting)
            exporting._aside.start()
            return exporting
        session.begin("exporting masks", exporting, f"Exporting {what}", Activity.EXPORTING)
        return exporting

    def cancel(self) -> None:
        """End after the mask that is being written."""
        self._stopped = True

    def work(self, emit: Emit) -> None:
        """In the background thread."""
        for job in self._jobs:
            if self._stopped:
                return
            try:
                written = save_array(job.mask, job.layer, job.path, job.form)
                job.recipe.write(written)
            except InputError as error:
                emit(str(error))
            else:
                emit(_Written(job, written))

    def on_event(self, event: object) -> None:
        """In the window's thread."""
        session = self._session
        match event:
            case _Written():
                self._done += 1
                self._last = event.path
                mark_exported(session, event.job.layer)
                if self._aside is None:
                    share = self._done / len(self._jobs)
                    session.say(f"Exported {event.path.name}", share=share)
            case str():
                self._faults.append(event)
            case Failed():
                self._over = True
                if self._aside is None:
                    session.task = None
                    session.fail(event)
                else:
                    from napari.utils.notifications import show_warning

                    show_warning(event.problem)

    def on_end(self) -> None:
        """In the window's thread, after the last event."""
        if self._over:
            return
        from napari.utils.notifications import show_info, show_warning

        session, jobs = self._session, self._jobs
        text = f"Exported {self._done} of {counted(len(jobs), 'mask')}"
        if jobs:
            text += f" into {jobs[0].path.parent}"
        if len(jobs) == 1 and self._last is not None:
            text = f"Saved {self._last}"
        if self._aside is None:
            session.task = None
            session.say(text, Activity.IDLE, 1.0)
        if self._faults:
            show_warning(f"{text}. {'. '.join(self._faults)}")
        else:
            show_info(text)
