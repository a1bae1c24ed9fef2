"""Runs of a comparison, a task a run: what `compare.runs` does, on workers."""

from __future__ import annotations

import hashlib
import json
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from napari_dim.cluster.connection import Cluster
from napari_dim.cluster.pieces_of_work import DONE, Outcome, carried_out
from napari_dim.compare.assessment import Assessor
from napari_dim.compare.layouts import read_benchmark
from napari_dim.compare.one_run import Run, carry_out
from napari_dim.compare.records import PICTURES, TRAININGS, key_of, record_path
from napari_dim.engine.device import pick_device
from napari_dim.errors import InputError
from napari_dim.io.atomic import make_folder
from napari_dim.io.places import fetched, is_elsewhere, put, rooted, there

_lock = threading.Lock()
_read: dict[BenchmarkAt, Assessor] = {}


@dataclass(frozen=True)
class BenchmarkAt:
    """A benchmark that each worker reads for itself, once.

    Attributes
    ----------
    data
        Its folder or file, reached from every worker.
    scale, merges
        As `compare.layouts.read_benchmark` takes them.
    fingerprint
        What tells other data from these.
    """

    data: Path
    scale: str
    merges: tuple[tuple[int, int], ...]
    fingerprint: str

    def assessor(self, device: str, folder: Path) -> Assessor:
        """What looks at models through it; what lies elsewhere is copied below `folder`.

        Raises
        ------
        InputError
            If it is not the benchmark that the command was given.
        """
        with _lock:
            if self not in _read:
                found = read_benchmark(fetched(self.data, folder), self.scale, dict(self.merges))
                if found.fingerprint != self.fingerprint:
                    raise InputError("other data are there at this worker", where=self.data)
                _read.clear()
                _read[self] = Assessor(found, pick_device(device))
            return _read[self]


@dataclass(frozen=True)
class CompareRun:
    """One run; a `pieces_of_work.Work`. `out` is the folder for runs, tables and figures."""

    run: Run
    out: Path
    benchmark: BenchmarkAt
    kind = "compare"

    @property
    def name(self) -> str:
        """The record's."""
        return key_of(self.run.spec)

    @property
    def record(self) -> Path:
        """Beside the runs."""
        return self.out / DONE / f"{self.name}.json"

    def made_of(self) -> str:
        """What tells it from any other run."""
        return json.dumps(self.run.spec, sort_keys=True)

    def is_there(self, result: dict[str, Any]) -> bool:
        """Whether its record is still there."""
        return there(record_path(self.out, self.run.spec))

    def do(self, folder: Path) -> dict[str, Any]:
        """Train, look, and write record and pictures; gives the last ``dc``.

        A run that was broken off goes on: from the shared folder, or on this machine's disk
        where `out` lies elsewhere.
        """
        assessor = self.benchmark.assessor(self.run.settings.device, folder)
        looked: list[float] = []

        def tell(step: int, dc: float | None) -> None:
            looked[:] = [] if dc is None else [dc]

        home = self.out
        if is_elsewhere(home):
            mark = hashlib.sha256(str(home).encode()).hexdigest()[:12]
            home = make_folder(Path(tempfile.gettempdir()) / f"napari-dim-{mark}")
        carry_out(self.run, home, assessor, tell)
        if home is not self.out:
            for kept in (home / PICTURES / f"{self.name}.npz", record_path(home, self.run.spec)):
                put(kept, self.out / kept.parent.name / kept.name)
                kept.unlink()
        return {"dc": looked[0] if looked else None}


def compare_runs(
    cluster: Cluster, runs: Sequence[Run], out: Path, benchmark: BenchmarkAt
) -> Iterator[Outcome]:
    """Make each run on a worker.

    Yields
    ------
    Outcome
        Of each run as it comes.
    """
    benchmark = replace(benchmark, data=rooted(benchmark.data))
    # A worker knows how many threads are its own.
    freed = [replace(run, settings=run.settings.model_copy(update={"threads": 0})) for run in runs]
    works = [CompareRun(run, rooted(out), benchmark) for run in freed]
    yield from carried_out(cluster, works)


@contextmanager
def copied(out: Path) -> Iterator[Path]:
    """The folder of a comparison on this machine: itself, or a copy of what lies elsewhere.

    Tables and figures that are made in the copy are put there at the end.
    """
    if not is_elsewhere(out):
        yield make_folder(out)
        return
    with tempfile.TemporaryDirectory(prefix="napari-dim-") as folder:
        local = fetched(out, Path(folder)) if there(out) else make_folder(Path(folder) / "out")
        before = {path for path in local.rglob("*") if path.is_file()}
        yield local
        for path in local.rglob("*"):
            if path.is_file() and (path not in before or path.parent.name not in _OURS):
                put(path, out / path.relative_to(local).as_posix())


_OURS = (TRAININGS, PICTURES, DONE)
"""Folders whose files are not changed once they are there."""
