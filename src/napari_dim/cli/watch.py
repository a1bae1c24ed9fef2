"""Long work for people and machines: bar, plain lines, JSON lines."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from napari_dim.engine.training.events import (
    Checkpointed,
    Ending,
    Event,
    Failed,
    Finished,
    Preview,
    Recovered,
    Relabelled,
    Started,
    StepDone,
)
from napari_dim.engine.training.run_log import (
    PLAIN_EVERY,
    PlainWatcher,
    Watcher,
    ending_line,
    recovered_line,
    started_lines,
    step_texts,
)
from napari_dim.words import count

PLAIN_AFTER = 1.0
"""Seconds of reading before a line says so where there is no terminal."""

_EVENT_NAMES = {
    Started: "started",
    StepDone: "step",
    Checkpointed: "checkpoint",
    Ending: "ending",
    Recovered: "recovered",
    Relabelled: "relabelled",
    Finished: "finished",
    Failed: "failed",
}


def person_watcher(console: Console, scans: int) -> Watcher:
    """A progress bar on a terminal, else a plain line every ten seconds; of so many scans."""
    if console.is_terminal:
        return BarWatcher(console, scans)
    console.print(f"Preparing {count(scans, 'scan')}")
    return PlainWatcher(console.print)


class ReadingProgress:
    """How many scans of a cohort have been read: on a terminal, else a line if it takes long."""

    def __init__(self, console: Console, name: str) -> None:
        self._console = console
        self._due = time.monotonic() + PLAIN_AFTER
        self._status = console.status(f"Reading {name}")

    def __enter__(self) -> ReadingProgress:
        self._status.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._status.stop()

    def read(self, done: int, total: int) -> None:
        """So many scans have been read."""
        line = f"Reading   {done} of {count(total, 'scan')}"
        self._status.update(line)
        if not self._console.is_terminal and time.monotonic() >= self._due:
            self._due = time.monotonic() + PLAIN_EVERY
            self._console.print(line)


class BarWatcher:
    """A progress bar with the loss and the time left; what goes on before and after it."""

    def __init__(self, console: Console, scans: int) -> None:
        self._console = console
        self._status = console.status(f"Preparing {count(scans, 'scan')}")
        self._status.start()
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
                self._status.stop()
                for line in started_lines(event):
                    self._console.print(line)
                self._bar.start()
            case Recovered():
                self._console.print(recovered_line(event))
            case StepDone():
                self._bar.update(self._task, completed=event.share)
                self._bar.tasks[0].fields.update(step_texts(event))
            case Ending():
                self._bar.stop()
                self._console.print(ending_line(event))
                self._status.update("Saving")
                self._status.start()

    def close(self) -> None:
        """Take the bar away."""
        self._status.stop()
        self._bar.stop()


class JsonWatcher:
    """One JSON object a line on standard output."""

    def event(self, event: Event) -> None:
        """Write one event; previews carry images and are left out."""
        if not isinstance(event, Preview):
            write_json_line(event_values(event))

    def close(self) -> None:
        """Nothing is held."""


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

    def begin(self, name: str, notes: Sequence[str] = ()) -> None:
        """The next file is `name`; `notes` were made when it was read."""
        for text in notes:
            self._console.print(f"Note      {name}: {text}")
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
