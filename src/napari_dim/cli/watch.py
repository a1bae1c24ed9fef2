"""Long work for people and machines: bar, plain lines, JSON lines, log file, Ctrl-C."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import IO, Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from napari_dim.cli.console import clock, count
from napari_dim.engine.training.events import (
    Checkpointed,
    Event,
    Failed,
    Finished,
    Preview,
    Recovered,
    Relabelled,
    Started,
    StepDone,
)

PLAIN_EVERY = 10.0
"""Seconds between two progress lines where there is no terminal, and in the log file."""

_EVENT_NAMES = {
    Started: "started",
    StepDone: "step",
    Checkpointed: "checkpoint",
    Recovered: "recovered",
    Relabelled: "relabelled",
    Finished: "finished",
    Failed: "failed",
}


class Watcher(Protocol):
    """Takes the events of one training."""

    def event(self, event: Event) -> None:
        """Take one event."""

    def close(self) -> None:
        """The stream has ended."""


def follow(events: Iterator[Event], watchers: Sequence[Watcher]) -> Finished | Failed:
    """Show a stream to its end and return its last event."""
    last: Event | None = None
    try:
        for last in events:
            for watcher in watchers:
                watcher.event(last)
    finally:
        for watcher in watchers:
            watcher.close()
    assert isinstance(last, Finished | Failed), "the stream ended without Finished or Failed"
    return last


@contextmanager
def stop_on_interrupt(stop: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C (or SIGTERM) calls `stop`; a second one interrupts at once, as usual."""
    usual = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in usual.items():
            signal.signal(number, handler)

    def on_signal(number: int, frame: FrameType | None) -> None:
        restore()
        stop()
        # Not print(): the signal may have come in the middle of one.
        os.write(2, b"\nStopping after this step; Ctrl-C again quits at once.\n")

    for number in usual:
        signal.signal(number, on_signal)
    try:
        yield
    finally:
        restore()


def person_watcher(console: Console) -> Watcher:
    """A progress bar on a terminal, else a plain line every ten seconds."""
    return BarWatcher(console) if console.is_terminal else PlainWatcher(console.print)


class BarWatcher:
    """A progress bar with the loss and the time left."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("Training "),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:>3.0f} %  step {task.fields[step]}"),
            TextColumn("loss {task.fields[loss]}  {task.fields[left]}"),
            console=console,
            transient=True,
            expand=True,
        )
        self._task = self._bar.add_task("", total=1.0, step="0", loss="-", left="?:?? left")

    def event(self, event: Event) -> None:
        """Print the start, move the bar."""
        match event:
            case Started():
                for line in started_lines(event):
                    self._console.print(line)
                self._bar.start()
            case Recovered():
                self._console.print(recovered_line(event))
            case StepDone():
                self._bar.update(self._task, completed=event.progress)
                self._bar.tasks[0].fields.update(_step_texts(event))

    def close(self) -> None:
        """Take the bar away."""
        self._bar.stop()


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
                    texts = _step_texts(event)
                    self._say(
                        f"Training  {event.progress:4.0%}  step {texts['step']}  "
                        f"loss {texts['loss']}  {texts['left']}"
                    )

    def close(self) -> None:
        """Nothing is held."""


class JsonWatcher:
    """One JSON object a line on standard output."""

    def event(self, event: Event) -> None:
        """Write one event; previews carry images and are left out."""
        if not isinstance(event, Preview):
            write_json_line(event_values(event))

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


def event_values(event: Event) -> dict[str, Any]:
    """An event as plain values; the model itself is left out."""
    values: dict[str, Any] = {"event": _EVENT_NAMES[type(event)]}
    for field in fields(event):
        value = getattr(event, field.name)
        if field.name == "model":
            continue
        if isinstance(value, Mapping):
            value = dict(value)
        values[field.name] = str(value) if isinstance(value, Path) else value
    return values


def write_json_line(values: Mapping[str, Any]) -> None:
    """One JSON object on one line of standard output, at once."""
    sys.stdout.write(json.dumps(values, allow_nan=False) + "\n")
    sys.stdout.flush()


class FileProgress:
    """Progress over several files: a bar on a terminal, else a line every ten seconds.

    Parameters
    ----------
    console
        Where to show it.
    doing
        What is being done, such as ``"Predicting"``.
    total
        Number of files.
    """

    def __init__(self, console: Console, doing: str, total: int) -> None:
        self._console, self._doing, self._total = console, doing, total
        self._done, self._last = 0, -PLAIN_EVERY
        self._bar = Progress(
            TextColumn(f"{doing}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[done]} of {task.fields[files]}  {task.fields[name]}"),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
            console=console,
            transient=True,
            expand=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=total, done=0, files=total, name="")

    def __enter__(self) -> FileProgress:
        self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.stop()

    def begin(self, name: str) -> None:
        """The next file is `name`."""
        self._bar.update(self._task, name=name)
        now = time.monotonic()
        if not self._console.is_terminal and now - self._last >= PLAIN_EVERY:
            self._last = now
            self._console.print(f"{self._doing}  {self._done + 1} of {self._total}  {name}")

    def part(self, share: float) -> None:
        """So much of the current file is done, in [0, 1]."""
        self._bar.update(self._task, completed=self._done + share)

    def end(self) -> None:
        """The current file is done."""
        self._done += 1
        self._bar.update(self._task, completed=self._done, done=self._done)


def _step_texts(event: StepDone) -> dict[str, str]:
    return {
        "step": f"{event.step:,}",
        "loss": f"{event.losses['total']:.3f}",
        "left": "until stopped" if event.time_left is None else f"{clock(event.time_left)} left",
    }
