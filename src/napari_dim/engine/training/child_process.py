"""The same stream from a child process: it can crash or be killed, and the window lives on.

The child is a fresh interpreter, so nothing of the parent's script is run again. It reads
its job and then what the parent's `Control` is told from standard input, and writes events to
standard output, pickled: the two are one program, no file and no one else takes part. When
the parent is gone, its input ends, and so does the child.
"""

from __future__ import annotations

import os
import pickle
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import IO, Any

import psutil

from napari_dim.engine.training.checkpoint import has_checkpoint
from napari_dim.engine.training.control import Control
from napari_dim.engine.training.events import Event, Failed, Finished
from napari_dim.engine.training.failures import failure_of
from napari_dim.engine.training.job import Job
from napari_dim.engine.training.loop import train
from napari_dim.engine.training.run_folder import saved_in

POLL = 0.05
"""Seconds between two looks at what the control was told."""
PATIENCE = 1.5
"""Seconds that a child has to end after `Control.cancel`; then it is killed."""
NICE = 5
"""The window's process comes first."""


def run(job: Job, control: Control | None = None) -> Iterator[Event]:
    """Train in this process or in one of its own, as `config.Settings.apart` says."""
    return train_apart(job, control) if job.settings.apart else train(job, control)


def train_apart(
    job: Job, control: Control | None = None, environment: Mapping[str, str] | None = None
) -> Iterator[Event]:
    """Train in a child process of lower priority; events, ends and control as `train`'s.

    A child that dies ends the stream in `Failed`. Closing the generator ends the child, whose
    `environment` is this process's by default.
    """
    control = control or Control()
    child = _Child(job, os.environ if environment is None else environment)
    try:
        yield from child.events(control)
    finally:
        child.close()


class _Child:
    """The child process, seen from the parent."""

    def __init__(self, job: Job, environment: Mapping[str, str]) -> None:
        self._job = job
        self._saved = _saved(job)
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._told: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self.process = subprocess.Popen(
            [sys.executable, "-m", "napari_dim.engine.training.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**environment, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # Windows has it
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._threads = [
            threading.Thread(target=work, args=(pipe,), name=name, daemon=True)
            for work, pipe, name in (
                (self._write, self.process.stdin, "to the training"),
                (self._read, self.process.stdout, "from the training"),
            )
        ]
        for thread in self._threads:
            thread.start()
        self._told.put(job)

    def events(self, control: Control) -> Iterator[Event]:
        """What the child says, until its last event or its end."""
        paused = False
        sent: set[str] = set()
        waited = 0.0
        begun = False
        while True:
            if control.stopped and not begun:  # It may still be loading its libraries.
                self.process.kill()
                yield Failed("Stopped before anything was learnt", stopped=True)
                return
            for word, is_so in (("stop", control.stopped), ("cancel", control.cancelled)):
                if is_so and word not in sent:
                    sent.add(word)
                    self._told.put((word,))
            if control.paused != paused and not control.stopped:
                paused = control.paused
                self._told.put(("pause",) if paused else ("resume",))
            if request := control.take_preview():
                self._told.put(("ask_preview", *request))
            for place, case in control.take_cases().items():
                self._told.put(("give_case", place, case))
            try:
                event = self._events.get(timeout=POLL)
            except queue.Empty:
                waited = waited + POLL if control.cancelled else 0.0
                if waited < PATIENCE:
                    continue
                self.process.kill()
                yield self._failed("The training did not stop by itself, and was ended")
                return
            if event is None:
                yield self._failed(f"The training's process died{self._cause()}")
                return
            begun = True
            yield event
            if isinstance(event, Finished | Failed):
                return

    def close(self) -> None:
        """End the child, if it has not ended, and all that belongs to it."""
        self._told.put(None)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(PATIENCE)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for thread in self._threads:
            thread.join()
        self._errors.close()

    def _failed(self, problem: str) -> Failed:
        code = self.process.wait()
        self._errors.seek(0)
        said = self._errors.read()[-4000:].decode("utf-8", "replace")
        run = self._job.run
        own = self._job.resume is not None or self._saved != _saved(self._job)
        kept = run is not None and own and has_checkpoint(run)
        return Failed(
            problem,
            "All labels are kept; "
            + (
                "the training can go on from its last checkpoint"
                if kept
                else "start the training again"
            ),
            f"exit code {code}\n{said}",
            run=run if kept else None,
        )

    def _cause(self) -> str:
        code = self.process.wait()
        if code >= 0:
            return f" (exit code {code})"
        return f" (signal {-code}{'; was the memory full?' if code == -9 else ''})"

    def _write(self, pipe: IO[bytes]) -> None:
        try:
            with pipe:
                while (message := self._told.get()) is not None:
                    pickle.dump(message, pipe, protocol=pickle.HIGHEST_PROTOCOL)
                    pipe.flush()
        except OSError:
            pass  # The child is gone; its reader tells.
        except Exception as error:  # Something in a job that can't be sent.
            self._events.put(failure_of(error))

    def _read(self, pipe: IO[bytes]) -> None:
        try:
            with pipe:
                while True:
                    self._events.put(pickle.load(pipe))
        except (EOFError, OSError, pickle.UnpicklingError):
            self._events.put(None)


def _saved(job: Job) -> object:
    return None if job.run is None else saved_in(job.run)


def lower_priority() -> None:
    """Let the window's process come first."""
    with suppress(psutil.Error, OSError):
        me = psutil.Process()
        if sys.platform == "win32":
            me.nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
        else:
            me.nice(max(me.nice(), NICE))
