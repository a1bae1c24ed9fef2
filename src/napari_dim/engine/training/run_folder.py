"""The folder of a training: what is in it is never overwritten unasked, and one fit writes it."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from napari_dim.errors import InputError

LOG = "train.log"
_CHECKPOINTS = ("latest.safetensors", "previous.safetensors")
_OF_A_RUN = (
    "weights.safetensors", "settings.json", "losses.csv", "run.json", LOG, *_CHECKPOINTS
)  # fmt: skip


def check_run_folder(
    run: Path, *, overwrite: bool = False, where: str = "--out",
    ways: tuple[str, str] = ("--resume", "--overwrite"),
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
    if not any(run.iterdir()):
        return
    if not is_run(run):
        raise InputError(
            "this folder holds other files", where=f"{where} {run}",
            hint="Give a new folder, or one that an earlier fit wrote",
        )  # fmt: skip
    if not overwrite:
        raise InputError(
            "a run is here already", where=f"{where} {run}",
            hint=f"Give a new folder, go on with this run by {ways[0]}, or replace it by {ways[1]}",
        )  # fmt: skip


def clear_run(run: Path) -> None:
    """Take an earlier run's files away; others stay."""
    for name in _OF_A_RUN:
        (run / name).unlink(missing_ok=True)


def drop_empty_run(run: Path, *, made: bool) -> None:
    """Take away what a training wrote that never took a step, and the folder if it `made` that."""
    for name in ("run.json", "settings.json", "losses.csv"):
        (run / name).unlink(missing_ok=True)
    if made:
        with suppress(OSError):  # a log is still being written
            run.rmdir()


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
