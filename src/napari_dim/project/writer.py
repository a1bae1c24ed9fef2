"""The thread that writes strokes, and says when they are on the disk."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from napari_dim.errors import InputError
from napari_dim.project.store import Store

RETRY = 2.0
"""Seconds between two tries on a disk that refuses."""
SIGN = 20.0
"""Seconds between two signs of life."""


@dataclass
class _Pending:
    """What is not written yet of one layer: the newest of each slice."""

    whole: np.ndarray | None = None
    planes: dict[int, np.ndarray] = field(default_factory=dict)
    note: dict[str, Any] = field(default_factory=dict)

    def under(self, newer: _Pending) -> _Pending:
        """The same with what came after it."""
        note = {**self.note, **newer.note}
        if newer.whole is not None:
            return _Pending(newer.whole, newer.planes, note)
        return _Pending(self.whole, {**self.planes, **newer.planes}, note)


class Writer:
    """Takes changes at once and writes them behind.

    What is waiting is bounded: of a slice only the newest is kept. A disk that refuses is
    told by `fault` and tried again; nothing that waits is dropped.

    Parameters
    ----------
    sign
        Called now and then while nothing goes wrong.
    """

    def __init__(self, sign: Callable[[], None] = lambda: None) -> None:
        self._sign = sign
        self._pending: dict[Store, _Pending] = {}
        self._turn = threading.Condition()
        self._ending = False
        self._taken = self._written = 0
        self._fault: InputError | None = None
        self._thread = threading.Thread(target=self._run, name="napari-dim writer", daemon=True)
        self._thread.start()

    @property
    def acknowledged(self) -> int:
        """All changes up to this ticket are on the disk."""
        return self._written

    @property
    def saved(self) -> bool:
        """Whether nothing waits."""
        with self._turn:
            return self._written == self._taken

    @property
    def fault(self) -> InputError | None:
        """Why the last try failed; None once one went well."""
        return self._fault

    def put(
        self,
        store: Store,
        planes: Mapping[int, np.ndarray] | None = None,
        note: Mapping[str, Any] | None = None,
        *,
        whole: np.ndarray | None = None,
    ) -> int:
        """Have changes written; returns their ticket.

        Parameters
        ----------
        planes
            Slices by number. They are not copied and must not change any more.
        note
            What changed of a `model.Note`.
        whole
            The whole layer, where its shape or type is new.
        """
        new = _Pending(whole, dict(planes or {}), dict(note or {}))
        with self._turn:
            if self._ending:
                raise InputError("the project is closed")
            before = self._pending.get(store)
            self._pending[store] = new if before is None else before.under(new)
            self._taken += 1
            self._turn.notify_all()
            return self._taken

    def wait(self, ticket: int | None = None, timeout: float = 10.0) -> bool:
        """Wait until a change, or all, are on the disk; returns whether they are."""
        end = time.monotonic() + timeout
        with self._turn:
            wanted = self._taken if ticket is None else ticket
            while self._written < wanted and self._thread.is_alive():
                left = end - time.monotonic()
                if left <= 0:
                    return False
                self._turn.wait(min(left, 0.5))
            return self._written >= wanted

    def close(self, timeout: float = 3.0) -> bool:
        """Write what waits and end; returns whether all is on the disk."""
        done = self.wait(timeout=timeout)
        with self._turn:
            self._ending = True
            self._turn.notify_all()
        self._thread.join(timeout)
        return done

    def _run(self) -> None:
        stores: set[Store] = set()
        while True:
            with self._turn:
                while not self._pending and not self._ending:
                    if not self._turn.wait(SIGN):
                        break
                if self._ending and (self._fault or not self._pending):
                    break
                batch, self._pending = self._pending, {}
                ticket = self._taken
            self._sign()
            stores |= set(batch)
            failed = self._write(batch)
            with self._turn:
                for store, changes in failed.items():
                    newer = self._pending.get(store)
                    self._pending[store] = changes if newer is None else changes.under(newer)
                if not failed:
                    self._written = max(self._written, ticket)
                self._turn.notify_all()
                if failed and not self._ending:
                    self._turn.wait(RETRY)
        for store in stores:
            store.close()

    def _write(self, batch: dict[Store, _Pending]) -> dict[Store, _Pending]:
        """Write; returns what could not be written."""
        failed: dict[Store, _Pending] = {}
        fault = None
        for store, changes in batch.items():
            try:
                if changes.whole is not None:
                    store.begin(changes.whole, changes.note)
                    changes = _Pending(planes=changes.planes)
                if changes.planes or changes.note:
                    store.append(changes.planes, changes.note)
            except Exception as error:  # whatever it is, the strokes stay in memory and it is told
                fault = _told(error, store)
                failed[store] = changes
        self._fault = fault
        return failed


def _told(error: Exception, store: Store) -> InputError:
    if isinstance(error, InputError):
        return error
    reason = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
    return InputError(
        f"the last strokes can't be written: {reason}",
        where=store.path,
        hint="Free some space or make the folder writable; they are kept until then",
    )
