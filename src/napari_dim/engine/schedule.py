"""t / T by the clock or by steps, standing still while paused."""

from __future__ import annotations

import time


class Clock:
    """Progress of one training.

    Parameters
    ----------
    budget
        Seconds in all; None counts steps.
    steps
        Steps in all; takes precedence over `budget`.
    skipped
        Where the schedule begins, in [0, 1): a training that goes on from earlier
        weights need not warm up again.
    """

    def __init__(self, budget: float | None, steps: int | None, skipped: float = 0.0) -> None:
        self._budget = budget
        self._steps = steps
        self._skipped = skipped
        self._start = time.monotonic()
        self._held = 0.0

    def hold(self, seconds: float) -> None:
        """Take `seconds` out of the count."""
        self._held += seconds

    @property
    def elapsed(self) -> float:
        """Seconds of training so far."""
        return time.monotonic() - self._start - self._held

    def progress(self, step: int) -> float:
        """The share t / T before the given step, in [0, 1]."""
        return self._skipped + (1 - self._skipped) * self._spent(step)

    def _spent(self, step: int) -> float:
        """Share of the steps or seconds that is used up."""
        if self._steps is not None:
            return min(step / self._steps, 1.0)
        assert self._budget is not None
        return min(self.elapsed / self._budget, 1.0)

    def time_left(self, step: int) -> float:
        """Seconds to the end; an estimate when steps are counted."""
        if self._steps is None:
            assert self._budget is not None
            return max(0.0, self._budget - self.elapsed)
        return self.elapsed / max(step, 1) * (self._steps - step)

    def over(self, step: int) -> bool:
        """Whether the training is at its end before the given step."""
        return self._spent(step) >= 1.0
