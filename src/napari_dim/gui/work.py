"""The one piece of background work of a window: what it is, how far, and what is said of it."""

from __future__ import annotations

import os
from enum import Enum
from typing import Any

from psygnal import Signal

from napari_dim.engine.training.events import Failed
from napari_dim.errors import InputError
from napari_dim.gui.background_task import Job, Task


class Activity(Enum):
    """What the session is busy with."""

    IDLE = "idle"
    TRAINING = "training"
    STOPPING = "stopping"
    PREDICTING = "predicting"
    EXPORTING = "exporting"


class Work:
    """What goes on in the background.

    Attributes
    ----------
    activity, share
        What the session is busy with, and how much of it is done, in [0, 1].
    message
        What is going on or why nothing does, for the annotator.
    task, training
        What runs, and the training that does; None while nothing does.
    """

    changed = Signal()

    def __init__(self) -> None:
        self.activity = Activity.IDLE
        self.message = ""
        self.share = 0.0
        self.task: Task | None = None
        self.training: Any = None

    @property
    def busy(self) -> bool:
        """Whether background work runs."""
        return self.activity is not Activity.IDLE

    def require_idle(self) -> None:
        """Refuse a second piece of background work.

        Raises
        ------
        InputError
            If one is going on.
        """
        if self.busy:
            raise InputError(
                "the last piece of work is still going on", hint="Wait for it, or stop it first"
            )

    def begin(self, title: str, job: Job, message: str, activity: Activity) -> None:
        """Start a piece of background work.

        Raises
        ------
        InputError
            If another one is going on.
        """
        self.require_idle()
        self.task = Task(title, job)
        self.say(message, activity, 0.0)
        self.task.start()

    def say(
        self, message: str, activity: Activity | None = None, share: float | None = None
    ) -> None:
        """Say what is going on, and perhaps change what the session is busy with."""
        self.message = message
        self.activity = activity or self.activity
        self.share = self.share if share is None else share
        self.changed.emit()

    def fail(self, failed: Failed) -> None:
        """Tell the user once that something could not be done."""
        from napari.utils.notifications import show_error, show_warning

        text = f"{failed.problem}. {failed.hint}" if failed.hint else failed.problem
        if failed.details:
            import logging

            logging.getLogger("napari_dim").error("%s\n%s", failed.problem, failed.details)
        self.say(text, Activity.IDLE)
        if failed.stopped:
            return  # The user's own wish needs no alarm.
        (show_warning if failed.bad_input else show_error)(text)

    def end(self) -> None:
        """Stop what runs, and hear nothing of it any more."""
        if self.task is not None:
            self.task.abandon()
            self.task = self.training = None
            self.activity = Activity.IDLE


def spare_threads() -> int:
    """CPU threads for background work: one core stays free for the window."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        cores = os.cpu_count() or 1
    return max(1, cores - 1)
