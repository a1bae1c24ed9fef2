"""t / T by the clock or by steps, standing still while paused."""

from __future__ import annotations

import time
from collections.abc import Callable

LONGEST_ROUND = 8
"""A training without an end goes in rounds, each twice the last, up to so many first ones."""
LEAST = 1 / 3
"""Share of a budget that is for steps at least, however long set-up and end take."""


class Clock:
    """Progress of one training.

    Parameters
    ----------
    budget
        Seconds that a person waits, the work after the last step (`reserve`) included; None
        counts steps.
    steps
        Steps in all; takes precedence over `budget`.
    skipped
        Where the schedule begins, in [0, 1): a training that goes on from earlier
        weights need not warm up again.
    again
        None for a training that ends. Otherwise it goes on in rounds until it is stopped:
        the first is as long as `budget` or `steps`, and each later one begins at this
        t / T. So the learning rate falls to let the masks settle, and rises again.
    spent
        Seconds that an earlier process has already trained.
    before
        Seconds of the budget that had gone before the first step.
    now
        What time it is, in seconds; where several processes train, all go by the first's.
    """

    def __init__(
        self,
        budget: float | None,
        steps: int | None,
        skipped: float = 0.0,
        *,
        again: float | None = None,
        spent: float = 0.0,
        before: float = 0.0,
        now: Callable[[], float] = lambda: time.monotonic(),
    ) -> None:
        self._budget = budget
        self._steps = steps
        self._skipped = skipped
        self._again = again
        self._now = now
        self._start = now() - spent
        self._held = 0.0
        self._before, self._after = before, 0.0

    def reserve(self, seconds: float) -> None:
        """Leave so much of the budget for the work after the last step."""
        self._after = seconds

    def hold(self, seconds: float) -> None:
        """Take `seconds` out of the count."""
        self._held += seconds

    @property
    def elapsed(self) -> float:
        """Seconds of training so far."""
        return self._now() - self._start - self._held

    def progress(self, step: int) -> float:
        """The share t / T before the given step, in [0, 1]; of the round, if there are rounds."""
        number, share = self._round(step)
        begin = self._again if number and self._again is not None else self._skipped
        return begin + (1 - begin) * share

    def time_left(self, step: int) -> float | None:
        """Seconds to the end, an estimate when steps are counted; None without an end."""
        if self._again is not None:
            return None
        if self._steps is None:
            return max(0.0, self._length - self.elapsed) + self._after
        return self.elapsed / max(step, 1) * (self._steps - step)

    def over(self, step: int) -> bool:
        """Whether the training is at its end before the given step; the first is always made."""
        return self._again is None and step > 0 and self._spent(step) >= 1.0

    def _round(self, step: int) -> tuple[int, float]:
        """The number of the round, from 0, and the share of it that is used up."""
        spent = self._spent(step)
        if self._again is None:
            return 0, min(spent, 1.0)
        number, length = 0, 1
        while spent >= length:
            spent -= length
            number, length = number + 1, min(2 * length, LONGEST_ROUND)
        return number, spent / length

    def _spent(self, step: int) -> float:
        """Steps or seconds so far, in budgets."""
        if self._steps is not None:
            return step / self._steps
        return self.elapsed / self._length

    @property
    def _length(self) -> float:
        """Seconds for steps; of a round, where there are rounds."""
        assert self._budget is not None
        if self._again is not None:
            return self._budget
        return max(LEAST * self._budget, self._budget - self._before - self._after)
