"""What is kept of a run: one small JSON, written whole, and its pictures beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_dim.errors import InputError
from napari_dim.io import write_text_atomically

TRAININGS, PICTURES, UNFINISHED = "trainings", "pictures", "unfinished"
"""Folders in that of ``--out``."""
FORMAT = 1
SHARED = ("scale", "steps", "size", "labelled_seed", "data")
"""What all runs of a folder have in common."""
Spec = Mapping[str, Any]
"""What tells a run from any other: row, site, seed, scale, steps, labels, data."""


def key_of(spec: Spec) -> str:
    """The file name of a run."""
    site = "".join(c if c.isalnum() or c in "-_." else "_" for c in spec["site"])
    return f"{spec['row']}--{site}--seed{spec['seed']}"


def record_path(out: Path, spec: Spec) -> Path:
    """Where a run's record lies."""
    return out / TRAININGS / f"{key_of(spec)}.json"


def check_shared(out: Path, spec: Spec) -> None:
    """Refuse a folder whose runs differ in what all runs of a comparison share.

    Raises
    ------
    InputError
        If one does.
    """
    for path in sorted((out / TRAININGS).glob("*.json")):
        _check_same(path, spec, SHARED)


def is_done(out: Path, spec: Spec) -> bool:
    """Whether the run was made before.

    Raises
    ------
    InputError
        If the folder holds one of that name which was made otherwise.
    """
    path = record_path(out, spec)
    if not path.is_file():
        return False
    _check_same(path, spec, tuple(spec))
    return True


def _check_same(path: Path, spec: Spec, names: tuple[str, ...]) -> None:
    there = read_record(path)["spec"]
    for name in names:
        if spec[name] != there.get(name):
            raise InputError(
                f"this run was made with {name} = {there.get(name)}, now it is {spec[name]}",
                where=path,
                hint="Give another folder to --out",
            )


def write_record(out: Path, record: Mapping[str, Any]) -> Path:
    """Write a run's record, whole or not at all."""
    path = record_path(out, record["spec"])
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"format": FORMAT, **record}, separators=(",", ":"), allow_nan=False)
    write_text_atomically(path, text + "\n")
    return path


def read_record(path: Path) -> dict[str, Any]:
    """Read one.

    Raises
    ------
    InputError
        If it is none.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["format"] != FORMAT or not {"spec", "structures", "selected"} <= set(record):
            raise ValueError("it is of another version")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"this is no record of a run: {error}", where=path, hint="Delete it to run it again"
        ) from error
    return dict(record)


def read_records(out: Path) -> list[dict[str, Any]]:
    """All runs of a folder, by name.

    Raises
    ------
    InputError
        If there is none.
    """
    paths = sorted((out / TRAININGS).glob("*.json"))
    if not paths:
        raise InputError("there are no runs", where=out / TRAININGS,
                         hint="Give the folder of an earlier --out")  # fmt: skip
    return [read_record(path) for path in paths]
