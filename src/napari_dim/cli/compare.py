"""``napari-dim compare``: every system of the paper's tables on one benchmark."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from napari_dim.cli.cluster_options import (
    ClusterAddress,
    WorkerMemory,
    check_cluster,
    on_cluster,
)
from napari_dim.cli.console import (
    Failure,
    about,
    check_folder,
    messages,
    output,
)
from napari_dim.config import Device
from napari_dim.errors import InputError
from napari_dim.words import clock, count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from napari_dim.cluster.compared_runs import BenchmarkAt
    from napari_dim.compare.benchmark import Benchmark
    from napari_dim.compare.one_run import Run
    from napari_dim.compare.runs import Told

Scale = Literal["smoke", "bench", "paper"]
Select = Literal["last", "best-on-test"]
LINE_EVERY = 30.0
"""Seconds between two lines of progress where there is no terminal."""


def compare(
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="DATA",
            help="The published Fundus, ProstateSlice, NIfTI prostate or M&Ms folder, or a "
            "cohort.csv whose site is the domain.",
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Folder for runs, tables and figures; it goes on there."),
    ] = None,
    systems: Annotated[
        str,
        typer.Option(
            metavar="all|NAME,...",
            help="Rows: all, ablation (Table 4), divergences (Table 5), or systems by name, with "
            "a change if wanted: uamt+sam, supervised+strong, dim+jeffrey.",
        ),
    ] = "all",
    labelled: Annotated[
        str, typer.Option(metavar="each|SITE", help="Whose slices are labelled: each site in turn.")
    ] = "each",
    number: Annotated[
        int | None,
        typer.Option("--count", metavar="N", min=1, help="Labelled slices. [20; prostate: 40]"),
    ] = None,
    labelled_seed: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, help="Draw them at random. [the first by name]"),
    ] = None,
    scale: Annotated[Scale, typer.Option(help="How large networks, slices and schedules are.")] = (
        "bench"
    ),
    steps: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Steps of a run. [the scale's]")
    ] = None,
    seeds: Annotated[
        str, typer.Option(metavar="0,1,2", help="One run of each row, site and seed.")
    ] = "0,1,2",
    select: Annotated[
        Select,
        typer.Option(help="Which weights the tables score; the published ones are best on test."),
    ] = "last",
    jobs: Annotated[int, typer.Option(metavar="N", min=1, help="Runs side by side.")] = 1,
    device: Annotated[Device, typer.Option(help=about("device"))] = "auto",
    merge: Annotated[
        list[str] | None,
        typer.Option(metavar="1,2=1", help="Of a cohort: count classes as one; repeatable."),
    ] = None,
    tables: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Tables and figures from what is there, no training."),
    ] = None,
    cluster: ClusterAddress = "",
    worker_memory: WorkerMemory = "",
) -> None:
    """Train systems on a benchmark, each domain labelled in turn, and make the paper's tables.

    Interrupted work goes on with the same command.
    """
    if tables is not None:
        if data is not None or out is not None:
            raise InputError("--tables trains nothing and takes no DATA and no --out")
        report(tables, select)
        return
    if data is None:
        raise InputError("DATA is missing", hint="Name a folder or a cohort.csv")
    if out is None:
        raise InputError("--out is missing", hint="Name the folder for runs and tables")
    numbers = seed_numbers(seeds)
    check_cluster(cluster, data, out, worker_memory=worker_memory)
    if cluster and jobs > 1:
        raise InputError("--jobs and --cluster exclude each other", hint="Use --cluster local:N")
    from napari_dim.compare.layouts import read_benchmark
    from napari_dim.compare.runs import planned
    from napari_dim.compare.table_rows import rows_of
    from napari_dim.engine.device import pick_device
    from napari_dim.engine.evaluation.metrics import parse_merges
    from napari_dim.engine.precision import available_cpus, too_many
    from napari_dim.io.places import fetched, is_elsewhere, place_of

    rows = rows_of(systems)
    if many := too_many(jobs, "jobs"):
        messages().print(f"Note      {many}")
        jobs = available_cpus()
    pick_device(device)
    home, source = place_of(out), place_of(data)
    if not is_elsewhere(home):
        check_folder(home)
    console = messages()
    merges = parse_merges(merge or ())
    with tempfile.TemporaryDirectory() as folder:
        benchmark = read_benchmark(fetched(source, Path(folder)), scale, merges)
    for note in benchmark.notes:
        console.print(f"Note      {note}")
    runs = planned(
        benchmark, rows, labelled=labelled, count=number, labelled_seed=labelled_seed,
        scale=scale, steps=steps, seeds=numbers, device=device, jobs=jobs,
    )  # fmt: skip
    try:
        if cluster:
            from napari_dim.cluster.compared_runs import BenchmarkAt

            pairs = tuple(sorted(merges.items()))
            at = BenchmarkAt(source, scale, pairs, benchmark.fingerprint)
            faults = _on_cluster(benchmark, at, runs, home, select, cluster, worker_memory)
        else:
            faults = _here(benchmark, runs, home, select, jobs)
    except KeyboardInterrupt:
        console.print("Note      The same command goes on from here")
        raise
    if faults:
        raise Failure(f"{count(len(faults), 'run')} could not be made: {faults[0]}")


def _here(
    benchmark: Benchmark, runs: Sequence[Run], out: Path, select: str, jobs: int
) -> Sequence[str]:
    """Make the runs on this machine; gives what could not be made."""
    from napari_dim.compare.runs import left, perform
    from napari_dim.engine.training.run_folder import held
    from napari_dim.io import make_folder

    make_folder(out, f"--out {out}")
    with held(out, "compare"):
        wanted = left(out, runs)
        progress = _begun(runs, wanted)
        perform(out, benchmark, wanted, jobs, progress.take)
        report(out, select)
    return progress.faults


def _on_cluster(
    benchmark: Benchmark,
    at: BenchmarkAt,
    runs: Sequence[Run],
    out: Path,
    select: str,
    cluster: str,
    worker_memory: str,
) -> Sequence[str]:
    """Make the runs on workers; gives what could not be made."""
    from napari_dim.cluster.compared_runs import compare_runs, copied
    from napari_dim.compare.run_pictures import keep_test_slices
    from napari_dim.compare.runs import Told, left
    from napari_dim.engine.training.run_folder import held

    with on_cluster(cluster, worker_memory, (at.data, out)) as workers:
        with copied(out) as local, held(local, "compare"):
            wanted = left(local, runs)
            keep_test_slices(local, benchmark)
        progress = _begun(runs, wanted)
        for outcome in compare_runs(workers, wanted, out, at):
            steps = wanted[outcome.number].spec["steps"]
            dc = outcome.result.get("dc")
            progress.take(
                Told(outcome.number, steps, dc, done=not outcome.fault, fault=outcome.fault)
            )
    with copied(out) as local:
        report(local, select)
    return progress.faults


def _begun(runs: Sequence[Run], wanted: Sequence[Run]) -> Progress:
    """Say how many runs are left."""
    done = len(runs) - len(wanted)
    messages().print(
        f"Runs      {count(len(wanted), 'run')} of {runs[0].spec['steps']:,} steps to make"
        + (f", {done:,} are there" if done else "")
    )
    return Progress(wanted, messages())


def report(folder: Path, select: str) -> None:
    """Write tables and figures of a folder of runs, and print the first table."""
    from napari_dim.compare.figures import write_figures
    from napari_dim.compare.tables import write_tables

    output().print(write_tables(folder, select))
    for note in write_figures(folder, select):
        messages().print(f"Note      {note}")
    messages().print(f"Tables    {folder / 'tables'}, figures beside them")


def seed_numbers(text: str) -> list[int]:
    """The numbers of ``--seeds``, each once.

    Raises
    ------
    InputError
        If it is no list of them.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts or not all(part.isdecimal() and int(part) < 2**31 for part in parts):
        raise InputError(f"{text!r} are no seeds", where="--seeds", hint="Write them as 0,1,2")
    return list(dict.fromkeys(int(part) for part in parts))


class Progress:
    """Says how far the runs are, and how long the rest takes at this pace.

    Attributes
    ----------
    faults
        What could not be made, and why.
    """

    def __init__(self, runs: Sequence[Run], console: Console) -> None:
        self._runs, self._console = runs, console
        self._start = time.monotonic()
        self._share = [0.0] * len(runs)
        self._last = self._start
        self.faults: list[str] = []

    def take(self, told: Told) -> None:
        """Tell what a run says, where it is time to."""
        run = self._runs[told.number]
        spec = run.spec
        self._share[told.number] = told.step / spec["steps"]
        now = time.monotonic()
        name = f"{run.title}, {spec['site']} labelled, seed {spec['seed']}"
        if told.fault:
            self.faults.append(f"{name}: {told.fault}")
            self._console.print(f"Failed    {name}: {told.fault}")
            return
        if not told.done and now - self._last < LINE_EVERY:
            return
        self._last = now
        share = sum(self._share)
        over = (now - self._start) / share * (len(self._runs) - share) if share else 0.0
        what = "done" if told.done else f"step {told.step:,} of {spec['steps']:,}"
        dice = "" if told.dc is None else f", Dice {told.dc:.3f}"
        self._console.print(
            f"{told.number + 1:>3} of {len(self._runs)}  {name}: {what}{dice}, "
            f"about {clock(over)} left"
        )
