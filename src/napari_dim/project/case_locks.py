"""One writer a case: the locks of a project that several windows work in, a case each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from napari_dim.errors import InputError
from napari_dim.io.atomic import make_folder
from napari_dim.project.lock import Holder, Lock
from napari_dim.project.paths import inside

LIST = "list.lock"
PATIENCE = 10.0
"""Seconds to wait for another window that is writing the list of cases."""


class CaseLocks:
    """The cases that this window may write into; each has a `lock.Lock` in its folder.

    Parameters
    ----------
    root
        The project's folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._held: dict[str, Lock] = {}
        self._list = FileLock(str(inside(root, LIST)), thread_local=False)

    def holds(self, folder: str) -> bool:
        """Whether the case in this folder is ours."""
        return folder in self._held

    def take(self, folder: str) -> Holder | None:
        """Take a case; returns who has it instead, or None once it is taken.

        One whose holder is gone is taken over: all that was saved is there.

        Raises
        ------
        InputError
            If its folder can't be locked at all.
        """
        if folder in self._held:
            return None
        lock = Lock(make_folder(inside(self._root, f"cases/{folder}")))
        holder = lock.take(recover=True)
        if holder is None:
            self._held[folder] = lock
        return holder

    def release(self, folder: str) -> None:
        """Give a case back."""
        lock = self._held.pop(folder, None)
        if lock is not None:
            lock.release()

    def release_all(self) -> None:
        """Give all back."""
        for folder in list(self._held):
            self.release(folder)

    def sign(self) -> None:
        """Give a sign of life for all of them to other machines."""
        for lock in list(self._held.values()):
            lock.sign()

    @contextmanager
    def list_alone(self) -> Iterator[None]:
        """Within: no other window writes the list of cases.

        Raises
        ------
        InputError
            If one does for too long, or the folder can't be locked.
        """
        try:
            self._list.acquire(timeout=PATIENCE)
        except (Timeout, OSError, NotImplementedError) as error:
            raise InputError(
                "the list of cases can't be written: another window holds it",
                where=self._root, hint="Try again in a moment",
            ) from error  # fmt: skip
        try:
            yield
        finally:
            self._list.release()
