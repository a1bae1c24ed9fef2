"""How the outside reaches a running training: read between steps, safe from any thread."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_dim.data.case import Case


class StoppedError(Exception):
    """Ends a phase between two steps' worth of work; never leaves the stream."""


class Control:
    """Stop, pause, preview requests and new labels for one training."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._cancel = threading.Event()
        self._go = threading.Event()
        self._go.set()
        self._lock = threading.Lock()
        self._preview: tuple[int, int | None] | None = None
        self._cases: dict[int, Case] = {}

    def stop(self) -> None:
        """End the training after the current step; it predicts once more before ``Finished``."""
        self._stop.set()
        self._go.set()

    def cancel(self) -> None:
        """End at once: as `stop`, but nothing more is predicted."""
        self._cancel.set()
        self.stop()

    def pause(self) -> None:
        """Hold the training after the current step; the clock of the budget stands still."""
        self._go.clear()

    def resume(self) -> None:
        """Go on after `pause`."""
        self._go.set()

    @property
    def stopped(self) -> bool:
        """Whether `stop` or `cancel` was called."""
        return self._stop.is_set()

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancel.is_set()

    def check_stop(self) -> None:
        """Leave a phase that is of no use once the training is to stop.

        Raises
        ------
        StoppedError
            If `stop` or `cancel` was called.
        """
        if self.stopped:
            raise StoppedError

    def check_cancel(self) -> None:
        """Leave a phase that ends a training well.

        Raises
        ------
        StoppedError
            If `cancel` was called.
        """
        if self.cancelled:
            raise StoppedError

    @property
    def paused(self) -> bool:
        """Whether the training is held."""
        return not self._go.is_set()

    def wait_while_paused(self) -> None:
        """Block the training thread while paused."""
        self._go.wait()

    def ask_preview(self, case: int, first_slice: int | None = None) -> None:
        """Ask for a preview of a case now, starting at `first_slice`."""
        with self._lock:
            self._preview = (case, first_slice)

    def take_preview(self) -> tuple[int, int | None] | None:
        """The pending preview request, which is thereby taken."""
        with self._lock:
            request, self._preview = self._preview, None
        return request

    def give_case(self, place: int, case: Case) -> None:
        """Train on these labels of a case from the next step on.

        `place` is the case's in the job. Its volume must be the same; classes that the
        training began without are left out.
        """
        with self._lock:
            self._cases[place] = case

    def take_cases(self) -> dict[int, Case]:
        """The cases given since the last call, by their place."""
        with self._lock:
            given, self._cases = self._cases, {}
        return given
