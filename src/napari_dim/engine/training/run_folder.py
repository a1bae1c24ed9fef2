"""The folder of a training: what is in it is never overwritten unasked, and one fit writes it."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from napari_dim.errors import InputError

LOG, FAILED_LOG = "train.log", "failed.log"
_CHECKPOINTS = ("latest.safetensors", "previous.safetensors")
_OF_A_RUN = (
    "weights.safetensors", "settings.json", "losses.csv", "run.json", LOG, FAILED_LOG, *_CHECKPOINTS
)  # fmt: skip


def check_run_folder(
    run: Path, *, overwrite: bool = False, where: str = "--out",
    ways: tuple[str, str, str] = ("--resume", "--from", "--overwrite"),
) -> None:  # fmt: skip
    """Refuse a folder that holds anything, but for an earlier run that may be overwritten.

    Parameters
    ----------
    run
        The folder; it need not exist.
    overwrite
        Whether an earlier run in it may be replaced.
    where
        What the folder is called where it was given.
    ways
        What to do instead, as it is called there.

    Raises
    ------
    InputError
        If it is a file, holds other files, or holds a run and `overwrite` is not given.
    """
    if not run.exists():
        return
    if not run.is_dir():
        raise InputError("this is a file, not a folder", where=f"{where} {run}")
    if {path.name for path in run.iterdir()} <= {LOG, FAILED_LOG}:
        return
    if not is_run(run):
        raise InputError(
            "this folder holds other files", where=f"{where} {run}",
            hint="Give a new folder, or one that an earlier fit wrote",
        )  # fmt: skip
    if overwrite:
        return
    resume, start, replace = ways
    if any((run / name).is_file() for name in _CHECKPOINTS):
        what = "a run is here already"
        hint = f"Give a new folder, go on with this run by {resume}, or replace it by {replace}"
    elif (run / "weights.safetensors").is_file():
        what = "a finished run is here"
        hint = (
            f"Give a new folder ({start} goes on from this run there), or replace it by {replace}"
        )
    else:
        what = "a run without weights is here"
        hint = f"Give a new folder, or replace it by {replace}"
    raise InputError(what, where=f"{where} {run}", hint=hint)


def clear_run(run: Path, but: Collection[str] = ()) -> None:
    """Take an earlier run's files away; others stay, and those named in `but`."""
    for name in _OF_A_RUN:
        if name not in but:
            (run / name).unlink(missing_ok=True)


def saved_in(run: Path) -> tuple[tuple[int, int], ...]:
    """What tells one save in a folder from the next: another value, another save."""
    found = []
    for name in ("weights.safetensors", *_CHECKPOINTS):
        with suppress(OSError):
            state = (run / name).stat()
            found.append((state.st_ino, state.st_mtime_ns))
    return tuple(found)


def is_run(folder: Path) -> bool:
    """Whether a training wrote here: its record says so, or its checkpoint is there."""
    if any((folder / name).is_file() for name in _CHECKPOINTS):
        return True
    try:
        record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(record, dict) and "seed" in record and "versions" in record


@contextmanager
def held(run: Path, command: str = "fit") -> Iterator[None]:
    """Hold a run's folder, which need not exist: no other command on this machine writes into it.

    Raises
    ------
    InputError
        If another one does.
    """
    from filelock import FileLock, Timeout

    name = hashlib.sha256(str(run.resolve()).encode()).hexdigest()[:24]
    lock = FileLock(Path(tempfile.gettempdir()) / f"napari-dim-{name}.lock", mode=0o666)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise InputError(
            f"another {command} is writing this run",
            where=run,
            hint="Wait for it, or give another folder",
        ) from error
    try:
        yield
    finally:
        lock.release()
