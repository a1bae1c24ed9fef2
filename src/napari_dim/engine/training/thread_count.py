"""How many CPU threads a training takes while others work beside it.

The threads of a step wait for each other many times. Where another program takes a core away
from one of them, all stand still until it gets its turn: two threads on a core and a half are
slower than one. So a training looks every so often at how many cores are left to it. A window
whose process it shares is one of the others, drawing included: it has a core while somebody works
in it, and the training has it while somebody waits.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

import psutil
import torch

LOOK_EVERY = 0.5
"""Seconds between two looks: a core that others take is left to them at once, one that they give
back is taken when two looks agree."""


class Usage(NamedTuple):
    """Seconds by the clock, and of processor time on our CPUs: by all, our process, our thread."""

    clock: float
    busy: float
    process: float
    thread: float


def usage() -> Usage:
    """What has been used so far."""
    each = psutil.cpu_times(percpu=True)
    if hasattr(os, "sched_getaffinity"):  # what others do on other CPUs takes nothing away
        mine = [n for n in os.sched_getaffinity(0) if n < len(each)]
        each = [each[n] for n in mine]
    rest = ("idle", "iowait", "guest", "guest_nice")  # what guests use stands in user, too
    busy = sum(sum(times) - sum(getattr(times, name, 0.0) for name in rest) for times in each)
    return Usage(time.monotonic(), busy, time.process_time(), time.thread_time())


class ThreadCount:
    """Keeps the number of torch's threads at what the machine has to give.

    To be made in the thread that trains. Where that is not the main one, a window is beside it,
    which has a core to begin with; torch's threads are then taken to work as much as this one,
    and all else of the process is the window's.

    Parameters
    ----------
    most
        Threads where nothing else runs.
    measure
        `usage`; tests give their own.
    """

    def __init__(self, most: int, measure: Callable[[], Usage] = usage) -> None:
        self.most = most
        self._beside = threading.current_thread() is not threading.main_thread()
        self.threads = self._found = max(1, most - self._beside)
        self._measure = measure
        self._last = measure()
        torch.set_num_threads(self.threads)

    def look(self) -> None:
        """Between two steps: take as many threads as cores are left, from one to `most`."""
        if self.most < 2 or time.monotonic() - self._last.clock < LOOK_EVERY:
            return
        found = self.left()
        if found != self.threads and (found < self.threads or found == self._found):
            self.threads = found
            torch.set_num_threads(found)
        self._found = found

    def left(self) -> int:
        """Cores that others left since the last look, rounded, from one to `most`."""
        now = self._measure()
        clock, busy, process, thread = (b - a for a, b in zip(self._last, now, strict=True))
        self._last = now
        own = thread * self.threads if self._beside else process
        others = max(0.0, busy - own) / max(clock, 1e-3)
        return min(self.most, max(1, round(self.most - others)))
