"""SHA-256 of files and folders, of the bytes that are read anyway where a reader takes them whole.

Others are read once more for it, ahead of being asked; and never on the thread that waits.
"""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from napari_dim.errors import InputError

_Known = tuple[str, int, int]
_hashes: dict[_Known, Future[str]] = {}
_lock = threading.Lock()
_MOST = 100_000
_WHOLE = 64 * 2**20
"""Larger files are not taken into memory whole to be hashed."""
_hasher = ThreadPoolExecutor(1, "hash")


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


def hash_files(paths: Sequence[Path]) -> str:
    """The SHA-256 of several files: of one its own, else as that of a folder that holds them.

    Raises
    ------
    InputError
        If one can't be read.
    """
    if len(paths) == 1:
        return hash_file(paths[0])
    lines = (f"{path.name}\0{hash_file(path)}\n" for path in sorted(paths))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def as_read(path: Path) -> io.BytesIO | Path:
    """The bytes of a file to read it from, which are hashed meanwhile; a large one as it is.

    Raises
    ------
    OSError
        If it can't be read.
    """
    state = path.stat()
    if state.st_size > _WHOLE:
        return path
    data = path.read_bytes()
    key = (str(path.absolute()), state.st_size, state.st_mtime_ns)
    with _lock:
        if key not in _hashes and len(data) == state.st_size:
            _make_room()
            _hashes[key] = _hasher.submit(lambda: hashlib.sha256(data).hexdigest())
    return io.BytesIO(data)


def hash_ahead(path: Path) -> None:
    """Hash what was read, in the background: whoever asks later need not wait.

    What `as_read` gave is not read again.
    """

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
        _make_room()
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


def _make_room() -> None:
    if len(_hashes) >= _MOST:
        _hashes.clear()
