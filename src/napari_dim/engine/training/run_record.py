"""What a run folder keeps of how its training went: the record and the losses."""

from __future__ import annotations

import csv
import platform
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Any

import torch

from napari_dim.data.cohort import Cohort
from napari_dim.engine.training.job import Job
from napari_dim.io import hash_file

LOSSES = "losses.csv"
MOST_WAITING = 10_000
"""Rows that wait for the first checkpoint: a quarter of an hour, where the first one was due."""


def record_of(job: Job, device: torch.device) -> dict[str, Any]:
    """What is needed to reproduce a training: seed, versions, inputs; and when it began.

    How far it came is added by `trainer.Trainer.record`.
    """
    packages = {}
    begun = None if job.resume is None else job.resume.model.record.get("date")
    for name in ("napari-dim", "torch", "numpy"):
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = "unknown"
    return {
        "date": begun or datetime.now(UTC).isoformat(timespec="seconds"),
        "steps": 0,
        "seconds": 0.0,
        "seconds_after": 0.0,
        "end": "",
        "seed": job.settings.seed,
        "device": str(device),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": packages,
        "cases": [
            {
                "name": case.name,
                "site": case.site,
                "labelled": case.labelled.tolist(),
                "slices": len(case.states),
            }
            for case in job.cases
        ],
        **job.provenance,
    }


def inputs_of(cohort: Cohort) -> dict[str, Any]:
    """Hashes of the cohort file and of every file that training reads; names, not paths."""
    inputs = []
    for row in cohort.split("train"):
        entry: dict[str, Any] = {"image": row.image.name, "sha256": hash_file(row.image)}
        if row.channels:
            entry["channels"] = [
                {"image": path.name, "sha256": hash_file(path)} for path in row.channels
            ]
        if row.slices and row.labels is not None:
            entry |= {"labels": row.labels.name, "labels_sha256": hash_file(row.labels)}
        inputs.append(entry)
    return {"cohort": {"name": cohort.path.name, "sha256": hash_file(cohort.path)},
            "inputs": inputs}  # fmt: skip


class LossLog:
    """losses.csv: step, t/T, seconds and the losses.

    Until it is opened the rows wait in memory.

    Parameters
    ----------
    terms
        Names of the losses.
    after
        Rows of an earlier part of this training are kept up to this step.
    """

    def __init__(self, terms: Sequence[str], after: int = 0) -> None:
        self._terms, self._after = tuple(terms), after
        self._file: IO[str] | None = None
        self._waiting: deque[tuple[object, ...]] = deque(maxlen=MOST_WAITING)

    def open(self, run: Path) -> None:
        """Write to a run's folder from now on."""
        if self._file is not None:
            with suppress(OSError):
                self._file.flush()  # no row is lost that a checkpoint is ahead of
            return
        kept = _rows_until(run / LOSSES, self._after) if self._after else []
        with suppress(OSError):  # the next checkpoint tries again
            self._file = (run / LOSSES).open("w", newline="", encoding="utf-8")
            rows = csv.writer(self._file)
            rows.writerow(("step", "progress", "seconds", *self._terms))
            rows.writerows((*kept, *self._waiting))
            self._waiting.clear()
            self._file.flush()

    def write(
        self, step: int, progress: float, seconds: float, losses: Mapping[str, float]
    ) -> None:
        """Add a row; a part that did not run stays empty."""
        values = [f"{losses[name]:.6g}" if name in losses else "" for name in self._terms]
        row = (step, f"{progress:.5f}", f"{seconds:.2f}", *values)
        if self._file is None:
            self._waiting.append(row)
            return
        with suppress(OSError):  # A full disk ends no training.
            csv.writer(self._file).writerow(row)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()


def _rows_until(path: Path, step: int) -> list[list[str]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))[1:]
        return [row for row in rows if int(row[0]) <= step]
    except (OSError, ValueError, IndexError, csv.Error):
        return []
