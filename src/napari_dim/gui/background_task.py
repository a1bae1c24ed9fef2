"""Work in a background thread that napari knows of, talking to the window in events."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

from napari.qt.threading import FunctionWorker, create_worker
from qtpy.QtCore import QObject, Signal

from napari_dim.engine.training.events import Failed
from napari_dim.errors import InputError
from napari_dim.gui import garbage_collection

Emit = Callable[[object], None]


class _Relay(QObject):
    """Carries events into the thread of the window."""

    event = Signal(object)


class _Worker(FunctionWorker):
    """Asks the work to stop when napari asks it to quit."""

    stop: Callable[[], None] = staticmethod(lambda: None)

    def quit(self) -> None:
        self.stop()
        super().quit()


def _nothing(emit: Emit) -> None:
    """What is left of finished work."""


class _Work:
    """The function that the thread runs; napari shows its name when it closes."""

    def __init__(self, title: str, work: Callable[[Emit], None], relay: _Relay) -> None:
        self.title, self.work, self.relay = title, work, relay
        self.ended = threading.Event()

    def __repr__(self) -> str:
        return self.title

    def __call__(self) -> None:
        try:
            with garbage_collection.set_apart():
                self.work(self._emit)
        except InputError as error:
            self._emit(Failed(str(error), bad_input=True))
        except BaseException as error:
            # A worker's RuntimeError can vanish in the toolkit: nothing may leave this function.
            text = str(error).strip().split("\n")[0] or type(error).__name__
            self._emit(
                Failed(
                    f"Stopped by an unexpected error: {text}",
                    "Please report the details",
                    traceback.format_exc(),
                )
            )
        finally:
            # napari keeps the worker until the window closes: keep nothing large with it.
            self.work = _nothing
            self.ended.set()

    def _emit(self, event: object) -> None:
        with suppress(RuntimeError):  # The window is gone, nobody listens.
            self.relay.event.emit(event)


class Job(Protocol):
    """What a `Task` runs."""

    def work(self, emit: Emit) -> None:
        """Do it, in the thread; `emit` sends events."""

    def cancel(self) -> None:
        """Make `work` return soon; safe from any thread."""

    def on_event(self, event: Any) -> None:
        """Hear an event, in the window's thread, until `Task.abandon`."""

    def on_end(self) -> None:
        """Hear in the window's thread, once, that the last event has come."""


class Task:
    """One piece of background work.

    napari's activity dock has no bar of it: beside one it moves a picture, and each of its 30
    frames a second draws the whole window anew, which a training has to wait for.

    Parameters
    ----------
    title
        What it does, for napari's question on closing.
    job
        The work.
    """

    def __init__(self, title: str, job: Job) -> None:
        self._on_event, self._on_end, self._stop = job.on_event, job.on_end, job.cancel
        self._alive = True
        self._relay = _Relay()
        self._relay.event.connect(self._forward)
        self._work = _Work(title, job.work, self._relay)
        self._worker = create_worker(self._work, _start_thread=False, _worker_class=_Worker)
        self._worker.stop = self._quit
        self._worker.finished.connect(self._finished)

    def start(self) -> None:
        """Start the thread."""
        self._worker.start()

    def stop(self) -> None:
        """Ask the work to end soon; what it sends until then is still heard."""
        self._stop()

    def abandon(self) -> None:
        """Stop, and send nothing to the window any more."""
        self._close()
        self._stop()

    def wait(self, seconds: float) -> bool:
        """Wait for the thread's work to return; whether it did."""
        return self._work.ended.wait(seconds)

    @property
    def running(self) -> bool:
        """Whether the thread's work has not returned yet."""
        return not self._work.ended.is_set()

    @property
    def abandoned(self) -> bool:
        """Whether nobody listens any more; safe from any thread."""
        return not self._alive

    def _quit(self) -> None:
        self._alive = False
        self._stop()

    def _forward(self, event: object) -> None:
        if self._alive:
            self._on_event(event)

    def _finished(self) -> None:
        if self._alive:
            self._close()
            self._on_end()

    def _close(self) -> None:
        if self._alive:
            self._alive = False
            self._worker.stop = _Worker.stop
