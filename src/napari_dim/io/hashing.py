"""SHA-256 of files and folders, each read once for it: ahead of being asked where that is known."""

from __future__ import annotations

import hashlib
import threading
from concurrent.futures import Future
from pathlib import Path

from napari_dim.errors import InputError

_Known = tuple[str, int, int]
_hashes: dict[_Known, Future[str]] = {}
_lock = threading.Lock()
_MOST = 100_000


def hash_file(path: Path) -> str:
    """The SHA-256 of a file's bytes, or of all the files in a folder, in hexadecimal.

    A folder's is that of a line for each file, sorted: its path within, a zero byte, and its
    own hash. A file that has not changed since is not read again.

    Raises
    ------
    InputError
        If it can't be read.
    """
    path = Path(path)
    try:
        if not path.is_dir():
            return _once(path)
        whole = hashlib.sha256()
        for inner in sorted(p for p in path.rglob("*") if p.is_file()):
            whole.update(f"{inner.relative_to(path).as_posix()}\0{_once(inner)}\n".encode())
        return whole.hexdigest()
    except OSError as error:
        raise InputError(f"the file can't be read: {error.strerror}", where=path) from error


def hash_ahead(path: Path) -> None:
    """Hash what is being read anyway, in the background: whoever asks later need not wait."""

    def work() -> None:
        try:
            hash_file(path)
        except InputError:
            return  # whoever asks is told

    threading.Thread(target=work, name="hash", daemon=True).start()


def _once(path: Path) -> str:
    """The hash of a file as it is now; two who ask at a time share one pass."""
    state = path.stat()
    key = (str(path.absolute()), state.st_size, state.st_mtime_ns)
    with _lock:
        if len(_hashes) >= _MOST:
            _hashes.clear()
        found = _hashes.get(key)
        mine = found is None
        if found is None:
            found = _hashes[key] = Future()
    if not mine:
        return found.result()
    try:
        with path.open("rb") as file:
            found.set_result(hashlib.file_digest(file, "sha256").hexdigest())
    except BaseException as error:
        with _lock:
            _hashes.pop(key, None)
        found.set_exception(error)
        raise
    return found.result()
