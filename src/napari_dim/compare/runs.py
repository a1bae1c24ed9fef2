"""All runs of a comparison: which are wanted, which are left, one by one or side by side."""

from __future__ import annotations

import multiprocessing
import queue
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_dim.compare.assessment import Assessor
from napari_dim.compare.benchmark import Benchmark, mapped
from napari_dim.compare.one_run import Run, carry_out
from napari_dim.compare.protocol import labelled_whole, labellings, longest_side
from napari_dim.compare.records import check_shared, is_done
from napari_dim.compare.run_pictures import keep_test_slices
from napari_dim.compare.table_rows import SCALES, UPPER_BOUND, Row
from napari_dim.engine.device import pick_device
from napari_dim.engine.precision import usable_threads
from napari_dim.engine.training.failures import failure_of

TELL_EVERY = 1.0
"""Seconds between two words of a run."""


@dataclass(frozen=True)
class Told:
    """What a run says.

    Attributes
    ----------
    number
        Of the run among those that are left.
    step
        Steps done.
    dc
        Mean DC at its last look.
    done
        Whether its record is written.
    fault
        Why it could not be made; the others go on.
    """

    number: int
    step: int
    dc: float | None = None
    done: bool = False
    fault: str = ""


def planned(
    benchmark: Benchmark,
    rows: Sequence[Row],
    *,
    labelled: str,
    count: int | None,
    labelled_seed: int | None,
    scale: str,
    steps: int | None,
    seeds: Sequence[int],
    device: str,
    jobs: int,
) -> list[Run]:
    """Every run that is asked for: one system after the other, so that early tables say much.

    Raises
    ------
    InputError
        If a site or count does not fit the data.
    """
    length = steps or SCALES[scale].steps or benchmark.steps
    chosen = labellings(benchmark, labelled, count, labelled_seed)
    made = []
    for seed in seeds:
        for drawn in chosen:
            for row in rows:
                whole = row.system == UPPER_BOUND
                labelling = labelled_whole(benchmark, drawn.site) if whole else drawn
                side = longest_side(labelling.cases(benchmark), benchmark.size)
                settings = row.settings(
                    benchmark, scale, side=side, steps=length, seed=seed, device=device,
                    threads=threads_each(jobs),
                )  # fmt: skip
                spec = {
                    "row": row.name,
                    "site": drawn.site,
                    "seed": seed,
                    "scale": scale,
                    "steps": length,
                    "size": benchmark.size,
                    "count": len(drawn.names(benchmark)),
                    "labelled_seed": labelled_seed,
                    "data": benchmark.fingerprint,
                }
                looks = SCALES[scale].looks
                made.append(Run(spec, row.title, labelling, settings, looks))
    return made


def threads_each(jobs: int) -> int:
    """CPU threads of a job: its share of those that torch may have."""
    return max(1, usable_threads() // jobs)


def left(out: Path, runs: Sequence[Run]) -> list[Run]:
    """The runs whose record is not there yet.

    Raises
    ------
    InputError
        If the folder holds runs of another comparison, which no table may mix with these.
    """
    check_shared(out, runs[0].spec)
    return [run for run in runs if not is_done(out, run.spec)]


def perform(
    out: Path, benchmark: Benchmark, runs: Sequence[Run], jobs: int, tell: Callable[[Told], None]
) -> None:
    """Make runs; a fault of one is told and does not end the others."""
    keep_test_slices(out, benchmark)
    jobs = min(jobs, len(runs))
    if jobs <= 1:
        _work(out, benchmark, list(enumerate(runs)), tell)
        return
    with tempfile.TemporaryDirectory(prefix="napari-dim-compare-") as folder:
        _side_by_side(out, mapped(benchmark, Path(folder)), runs, jobs, tell)


def _work(
    out: Path,
    benchmark: Benchmark,
    runs: Sequence[tuple[int, Run]],
    tell: Callable[[Told], None],
) -> None:
    assessor: Assessor | None = None
    for number, run in runs:
        assessor = assessor or Assessor(benchmark, pick_device(run.settings.device))
        _one(out, assessor, number, run, tell)


def _one(
    out: Path, assessor: Assessor, number: int, run: Run, tell: Callable[[Told], None]
) -> None:
    told = [0.0]

    def say(step: int, dc: float | None) -> None:
        now = time.monotonic()
        if now - told[0] >= TELL_EVERY:
            told[0] = now
            tell(Told(number, step, dc))

    try:
        carry_out(run, out, assessor, say)
    except Exception as error:
        failed = failure_of(error)
        tell(Told(number, run.spec["steps"], fault=failed.problem))
    else:
        tell(Told(number, run.spec["steps"], done=True))


def _side_by_side(
    out: Path,
    benchmark: Benchmark,
    runs: Sequence[Run],
    jobs: int,
    tell: Callable[[Told], None],
) -> None:
    context = multiprocessing.get_context("spawn")
    wanted, said = context.Queue(), context.Queue()
    for pair in enumerate(runs):
        wanted.put(pair)
    for _ in range(jobs):
        wanted.put(None)
    workers = [
        context.Process(target=_worker, args=(out, benchmark, wanted, said), daemon=True)
        for _ in range(jobs)
    ]
    for worker in workers:
        worker.start()
    open_ = set(range(len(runs)))
    try:
        while open_:
            try:
                told: Told = said.get(timeout=1.0)
            except queue.Empty:
                if any(worker.is_alive() for worker in workers):
                    continue
                for number in sorted(open_):
                    tell(Told(number, 0, fault="the process that made it ended"))
                break
            if told.done or told.fault:
                open_.discard(told.number)
            tell(told)
    finally:
        for worker in workers:
            worker.terminate()
            worker.join()


def _worker(out: Path, benchmark: Benchmark, wanted: Any, said: Any) -> None:
    assessor: Assessor | None = None
    while (pair := wanted.get()) is not None:
        number, run = pair
        assessor = assessor or Assessor(benchmark, pick_device(run.settings.device))
        _one(out, assessor, number, run, said.put)
