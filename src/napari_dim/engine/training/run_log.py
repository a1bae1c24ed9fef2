"""What a training's events say to people: lines, and the log in its run folder."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import IO, Protocol

from napari_dim.engine.training.events import (
    Checkpointed,
    Ending,
    Event,
    Failed,
    Finished,
    Recovered,
    Started,
    StepDone,
)
from napari_dim.engine.training.run_folder import FAILED_LOG, LOG
from napari_dim.words import clock, count

PLAIN_EVERY = 10.0
"""Seconds between two progress lines where there is no terminal, and in the log file."""


class Watcher(Protocol):
    """Takes the events of one training."""

    def event(self, event: Event) -> None:
        """Take one event."""

    def close(self) -> None:
        """The stream has ended."""


class PlainWatcher:
    """One line every ten seconds, for logs and pipes."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._last = -PLAIN_EVERY

    def event(self, event: Event) -> None:
        """Say what a person would want to read later."""
        match event:
            case Started():
                for line in started_lines(event):
                    self._say(line)
            case Recovered():
                self._say(recovered_line(event))
            case StepDone():
                now = time.monotonic()
                if now - self._last >= PLAIN_EVERY:
                    self._last = now
                    texts = step_texts(event)
                    self._say(
                        f"Training  {event.share:4.0%}  step {texts['step']}  "
                        f"loss {texts['loss']}  {texts['left']}"
                    )
            case Ending():
                self._say(ending_line(event))

    def close(self) -> None:
        """Nothing is held."""


class _ToLog(logging.Handler):
    """What the engine logs and tells no user, as lines of a run's log."""

    def __init__(self, write: Callable[[str], None]) -> None:
        super().__init__()
        self._write_line = write

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        self._write_line(f"Note      {record.getMessage()}")


class LogWatcher:
    """The plain lines with the time of day, and the traceback of a failure, in a file.

    It is written from the training's first save on, as the run's other files are. Of one that
    fails before, the lines go to `run_folder.FAILED_LOG` where another run's log is.

    Parameters
    ----------
    run
        The run folder.
    append
        Whether it goes on after what is in it.
    failures
        Whether a failure before the first save is kept.

    Attributes
    ----------
    path
        The file; None as long as there is none.
    """

    def __init__(self, run: Path, *, append: bool = False, failures: bool = True) -> None:
        self.path: Path | None = None
        self._run, self._append, self._failures = run, append, failures
        self._waiting: list[str] = []
        self._file: IO[str] | None = None
        self._plain = PlainWatcher(self._write)
        self._handler = _ToLog(self._write)

    def event(self, event: Event) -> None:
        """Log one event."""
        if isinstance(event, Started):
            logging.getLogger("napari_dim").addHandler(self._handler)
        self._plain.event(event)
        match event:
            case Checkpointed():
                self._open(LOG, "a" if self._append else "w")
            case Finished():
                self._write(finished_line(event))
            case Failed():
                self._write(f"{event.problem}. {event.hint}\n{event.details}")
                if self._failures and not (event.stopped or event.bad_input):
                    other = not self._append and (self._run / LOG).exists()
                    self._open(FAILED_LOG if other else LOG, "a" if self._append else "w")

    def close(self) -> None:
        """Close the file."""
        logging.getLogger("napari_dim").removeHandler(self._handler)
        if self._file is not None:
            self._file.close()

    def _open(self, name: str, mode: str) -> None:
        if self._file is not None:
            return
        with suppress(OSError):  # what can't be logged is shown nevertheless
            self._run.mkdir(parents=True, exist_ok=True)
            self._file = (self._run / name).open(mode, encoding="utf-8", buffering=1)
            self.path = self._run / name
            self._file.writelines(self._waiting)
            self._waiting.clear()
            if name != FAILED_LOG:
                (self._run / FAILED_LOG).unlink(missing_ok=True)

    def _write(self, line: str) -> None:
        text = f"{datetime.now():%Y-%m-%d %H:%M:%S}  {line.rstrip()}\n"
        if self._file is None:
            self._waiting.append(text)
        else:
            self._file.write(text)


def started_lines(event: Started) -> list[str]:
    """What is about to be trained, on what."""
    labelled, unlabelled = sum(event.labelled.values()), sum(event.unlabelled.values())
    data = f"{count(labelled, 'labelled slice')}, {count(unlabelled, 'unlabelled slice')}"
    sites = {site for site in (*event.labelled, *event.unlabelled) if site}
    if len(sites) > 1:
        data += f" from {len(sites)} sites"
    classes = ", ".join(str(i) for i in event.classes)
    rows, columns = event.patch
    return [
        f"Data      {data}; {'classes' if len(event.classes) > 1 else 'class'} {classes}",
        f"Network   {event.parameters / 1e6:.1f} million parameters, patches of "
        f"{rows} x {columns}, on {event.device}",
        *(f"Note      {note}" for note in event.notes),
    ]


def recovered_line(event: Recovered) -> str:
    """What went wrong, and what was done about it."""
    return f"Note      {event.problem}; {event.remedy}"


def ending_line(event: Ending) -> str:
    """What follows the last step, which no budget holds."""
    return (
        f"Ending    {count(event.step, 'step')} in {clock(event.seconds)}; now the labelled scans "
        "are predicted once to see which classes come in one piece, and the run is saved"
    )


def finished_line(event: Finished) -> str:
    """How a training ended."""
    how = "Stopped after" if event.reason == "stopped" else "Trained"
    return f"{how} {count(event.steps, 'step')} in {clock(event.seconds)}"


def step_texts(event: StepDone) -> dict[str, str]:
    """Step, loss and time left, for people."""
    return {
        "step": f"{event.step:,}",
        "loss": f"{event.losses['total']:.3f}",
        "left": "until stopped" if event.time_left is None else f"{clock(event.time_left)} left",
    }
