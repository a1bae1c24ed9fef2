"""What a training's events say to people: lines, and the log in its run folder."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import IO, Protocol

from napari_dim.engine.training.events import (
    Event,
    Failed,
    Finished,
    Recovered,
    Started,
    StepDone,
)
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

    The file is opened when training starts, so input that turns out bad leaves none.

    Parameters
    ----------
    path
        The file.
    append
        Whether it goes on after what is in it.
    """

    def __init__(self, path: Path, *, append: bool = False) -> None:
        self._path = path
        self._mode = "a" if append else "w"
        self._file: IO[str] | None = None
        self._plain = PlainWatcher(self._write)
        self._handler = _ToLog(self._write)

    def event(self, event: Event) -> None:
        """Log one event."""
        if isinstance(event, Started):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open(self._mode, encoding="utf-8", buffering=1)
            logging.getLogger("napari_dim").addHandler(self._handler)
        self._plain.event(event)
        match event:
            case Finished():
                self._write(finished_line(event))
            case Failed():
                self._write(f"{event.problem}. {event.hint}\n{event.details}")

    def close(self) -> None:
        """Close the file."""
        logging.getLogger("napari_dim").removeHandler(self._handler)
        if self._file is not None:
            self._file.close()

    def _write(self, line: str) -> None:
        if self._file is not None:
            self._file.write(f"{datetime.now():%Y-%m-%d %H:%M:%S}  {line.rstrip()}\n")


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
