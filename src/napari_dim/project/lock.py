"""One writer a project: a lock that the system drops when its holder dies, and who holds it.

The lock itself is the system's, on the file ``lock``, so two processes can never both have
it, and a holder that was killed holds nothing. ``holder.json`` beside it says who it is. It
is removed on closing: where it is found without the lock, somebody's work ended without
closing, which the next one is told before going on.
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_dim.errors import InputError
from napari_dim.io.atomic import write_text_atomically
from napari_dim.project.paths import inside, read_capped

LOCK, HOLDER = "lock", "holder.json"
SIGNED = 3.0
"""Seconds in which a new holder has surely written who it is."""
ALIVE = 120.0
"""Seconds after which a holder on another machine that gave no sign is taken for dead."""


class Holder(BaseModel):
    """Who writes into a project.

    Attributes
    ----------
    host, pid
        The machine and the process.
    since
        When it opened the project, ISO 8601.
    stale
        Whether it is gone without having closed the project.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    host: str = Field(default="", max_length=200)
    pid: int = Field(default=0, ge=0, lt=2**32)
    since: str = Field(default="", max_length=40)
    stale: bool = Field(default=False, exclude=True)

    def __str__(self) -> str:
        if not self.pid:
            return "another window"
        here = "this machine" if self.host == socket.gethostname() else self.host
        own = " (this window)" if self.pid == os.getpid() and here == "this machine" else ""
        return f"process {self.pid}{own} on {here}, since {self.since.replace('T', ' ')[:16]}"


class Lock:
    """The right to write into a project; use `take`.

    Parameters
    ----------
    root
        The project's folder.
    """

    def __init__(self, root: Path) -> None:
        self._path = inside(root, LOCK)
        self._info = inside(root, HOLDER)
        self._lock = FileLock(str(self._path), thread_local=False)

    def take(self, *, recover: bool = False) -> Holder | None:
        """Take the lock; returns who has it instead, or None once it is taken.

        Parameters
        ----------
        recover
            Go on where a holder is gone without having closed the project.

        Raises
        ------
        InputError
            If the folder can't be locked at all.
        """
        other = self._acquire()
        if other is not None:
            return other
        try:
            left = self._read()
            if left is not None:
                elsewhere = left.host != socket.gethostname()
                if elsewhere and self._age() < ALIVE:
                    self._lock.release()  # a shared disk whose locks don't reach other machines
                    return left
                if not recover:
                    self._lock.release()
                    return left.model_copy(update={"stale": True})
            mine = Holder(
                host=socket.gethostname(),
                pid=os.getpid(),
                since=datetime.now().astimezone().isoformat(timespec="seconds"),
            )
            write_text_atomically(self._info, mine.model_dump_json() + "\n")
        except BaseException:
            self._lock.release()
            raise
        return None

    def look(self) -> Holder | None:
        """Who has it, or has left it without closing; nothing is written.

        Raises
        ------
        InputError
            If the folder can't be locked at all.
        """
        holder = self._acquire()
        if holder is None:
            left = self._read()
            self._lock.release()
            holder = None if left is None else left.model_copy(update={"stale": True})
        return holder

    def seen(self) -> bool:
        """Whether somebody alive has it, by the signs alone: the lock is not touched."""
        from psutil import pid_exists

        found = self._read()
        if found is None:
            return False
        if found.host == socket.gethostname():
            return bool(pid_exists(found.pid))
        return self._age() < ALIVE

    @property
    def held(self) -> bool:
        """Whether it is ours."""
        return bool(self._lock.is_locked)

    def sign(self) -> None:
        """Give a sign of life to other machines."""
        with suppress(OSError):
            os.utime(self._info)

    def release(self) -> None:
        """Give it back."""
        if self.held:
            with suppress(OSError):
                self._info.unlink(missing_ok=True)
            self._lock.release()

    def _acquire(self) -> Holder | None:
        """Take the system's lock; returns who has it instead."""
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            return self._other()
        except (OSError, NotImplementedError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(
                f"the project can't be locked: {reason}",
                where=self._path.parent,
                hint="Check that the folder may be written to, or copy it to a local disk",
            ) from error
        return None

    def _other(self) -> Holder:
        """Who has the lock; it may be about to write its name over that of one who is gone."""
        from psutil import pid_exists

        end = time.monotonic() + SIGNED
        while True:
            found = self._read()
            here = found is not None and found.host == socket.gethostname()
            if found is not None and found.pid and not (here and not pid_exists(found.pid)):
                return found
            if time.monotonic() > end:
                return Holder()
            time.sleep(0.01)

    def _read(self) -> Holder | None:
        if not self._info.is_file():
            return None
        try:
            return Holder.model_validate_json(read_capped(self._info, 2**16))
        except (InputError, ValidationError):
            return Holder()  # somebody's, but not readable

    def _age(self) -> float:
        try:
            return time.time() - self._info.stat().st_mtime
        except OSError:
            return 0.0
