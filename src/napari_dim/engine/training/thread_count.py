"""How many CPU threads a training takes while other programs work beside it.

The threads of a step wait for each other many times. Where another program takes a core away
from one of them, all stand still until it gets its turn: two threads on a core and a half are
slower than one. So a training looks every so often at how many cores are left to it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import psutil
import torch

LOOK_EVERY = 1.0
"""Seconds between two looks; the number changes when two of them agree."""

Usage = tuple[float, float, float]
"""Seconds by the clock; of processor time on our CPUs, by all; and by this process."""


def usage() -> Usage:
    """What has been used so far."""
    each = psutil.cpu_times(percpu=True)
    if hasattr(os, "sched_getaffinity"):  # what others do on other CPUs takes nothing away
        mine = [n for n in os.sched_getaffinity(0) if n < len(each)]
        each = [each[n] for n in mine]
    rest = ("idle", "iowait", "guest", "guest_nice")  # what guests use stands in user, too
    busy = sum(sum(times) - sum(getattr(times, name, 0.0) for name in rest) for times in each)
    return time.monotonic(), busy, time.process_time()


class ThreadCount:
    """Keeps the number of torch's threads at what the machine has to give.

    Parameters
    ----------
    most
        Threads where nothing else runs.
    measure
        `usage`; tests give their own.
    """

    def __init__(self, most: int, measure: Callable[[], Usage] = usage) -> None:
        self.most = self.threads = self._found = most
        self._measure = measure
        self._last = measure()

    def look(self) -> None:
        """Between two steps: take as many threads as cores are left, from one to `most`."""
        if self.most < 2 or time.monotonic() - self._last[0] < LOOK_EVERY:
            return
        found = self.left()
        if found == self._found != self.threads:
            self.threads = found
            torch.set_num_threads(found)
        self._found = found

    def left(self) -> int:
        """Cores that others left since the last look, rounded, from one to `most`."""
        now = self._measure()
        seconds, busy, own = (b - a for a, b in zip(self._last, now, strict=True))
        self._last = now
        others = max(0.0, busy - own) / max(seconds, 1e-3)
        return min(self.most, max(1, round(self.most - others)))
