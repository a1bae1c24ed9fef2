"""Time that a process took, less what a busy machine gave to others meanwhile."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path


class Stopwatch:
    """Starts when it is made.

    The figures of a gate must not depend on what else the machine does. Linux tells for each
    thread how long it was ready and had no processor; the longest such wait is taken off.
    Elsewhere it is a plain stopwatch.

    Parameters
    ----------
    process
        Id of the process that is watched.
    """

    def __init__(self, process: int | None = None) -> None:
        self._process = os.getpid() if process is None else process
        self._began = time.monotonic()
        self._before = self._waits()
        self._after = dict(self._before)

    def look(self) -> None:
        """Take note while the process still lives."""
        self._after |= self._waits()

    def seconds(self, since: float | None = None) -> float:
        """Seconds since it was made, or since a moment of `time.monotonic` soon after that."""
        wall = time.monotonic() - (self._began if since is None else since)
        self.look()
        waited = max(
            (wait - self._before.get(thread, 0.0) for thread, wait in self._after.items()),
            default=0.0,
        )
        return max(0.0, wall - waited)

    def _waits(self) -> dict[str, float]:
        found = {}
        with suppress(OSError):
            for task in Path(f"/proc/{self._process}/task").iterdir():
                with suppress(OSError, IndexError, ValueError):
                    words = (task / "schedstat").read_text().split()
                    found[task.name] = int(words[1]) / 1e9
        return found
