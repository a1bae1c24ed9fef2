"""What is worked out of slices in a thread, the nearest first, and again where they change."""

from __future__ import annotations

import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QObject, QTimer, Signal

REST = 0.001
"""Seconds between two slices that are the window's, however busy the machine is."""
TOLD = 0.15
"""Seconds of work until what is known is told."""


@dataclass(frozen=True)
class Due:
    """What is to be worked out.

    Attributes
    ----------
    into
        What it is for; what comes for something else by then is dropped.
    slices
        Their numbers, the most wanted one first.
    one
        Works a slice out, in the thread.
    """

    into: object
    slices: Sequence[int]
    one: Callable[[int], Any]


class SliceBySlice(QObject):
    """Keeps up to date what somebody looks at.

    Parameters
    ----------
    parent
        What looks at it.
    name
        What the thread is called.
    soon
        Milliseconds after a change until it is worked out.

    Attributes
    ----------
    waiting
        Slices that are not worked out yet.
    """

    known = Signal()
    """What is known has changed."""
    _told = Signal(object, object, object)

    def __init__(self, parent: QObject, name: str, soon: int) -> None:
        super().__init__(parent)
        self.waiting = 0
        self._name, self._busy = name, False
        self._soon = QTimer(self, singleShot=True, interval=soon)
        self._soon.timeout.connect(self._begin)
        self._told.connect(self._on_told)

    @abstractmethod
    def _due(self) -> Due | None:
        """What is to be worked out now; None while nobody looks."""

    @abstractmethod
    def _take(self, into: object, done: Sequence[tuple[int, Any]]) -> bool:
        """Take what was worked out, by slice; False if nobody wants it any more."""

    def _failed(self) -> None:
        """It could not be worked out, which is told."""

    def _begin(self) -> None:
        due = self._due()
        if due is None or self._busy:
            return  # the end of what goes on looks once more
        self.waiting = len(due.slices)
        if not due.slices:
            self.known.emit()
            return
        self._busy = True
        threading.Thread(target=self._work, name=self._name, daemon=True, args=(due,)).start()

    def _work(self, due: Due) -> None:
        """In the background."""
        done: list[tuple[int, Any]] = []
        end = time.monotonic() + TOLD
        fault: Exception | None = None
        try:
            for number in due.slices:
                done.append((number, due.one(number)))
                if time.monotonic() > end:
                    break
                time.sleep(REST)
        except Exception as error:
            fault = error
        with suppress(RuntimeError):  # the window is gone
            self._told.emit(due.into, done, fault)

    def _on_told(self, into: object, done: list[tuple[int, Any]], fault: Exception | None) -> None:
        self._busy = False
        if self._take(into, done):
            self.waiting = max(0, self.waiting - len(done))
            self.known.emit()
            if fault is not None:
                self._failed()
                raise fault  # napari tells of it; the next change tries again
        self._begin()
