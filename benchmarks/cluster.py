"""A cohort on Dask workers: throughput, overhead a task, killed workers, and 64 GPU workers.

Small scans are predicted by one process and by 1, 2 and 4 workers on the loopback; then a worker
is killed every so often, and how often each case was done is counted. What a task costs the
scheduler and the client is their processor time over tasks that do nothing. With it, and with the
time of a case on a card (docs/results/gpu.md), a hundred thousand scans on 64 workers are
simulated: workers that wait for a scheduler which serves one task after the other.

    OMP_NUM_THREADS=1 python benchmarks/cluster.py [--scans 1000] [--workers 1 2 4] [--kill 10]
        [--parts workers killed task]
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

# Each worker that starts imports this file again: what is heavy is imported where it is used.

SHAPE = (48, 48, 8)
CARD = 4 * 13.5 / 100
"""Seconds a case on a card: 100 volumes in 13.5 s, four at a time (docs/results/gpu.md)."""
CARDS, STUDY = 64, 100_000


class Silent:
    """Watches nothing."""

    def begin(self, name: str, notes: Any) -> None:
        """Nothing."""

    def part(self, share: float) -> None:
        """Nothing."""

    def end(self) -> None:
        """Nothing."""


@dataclass(frozen=True)
class Nothing:
    """A piece that costs no time."""

    number: int
    kind = "nothing"
    record = None

    @property
    def name(self) -> str:
        """Its number."""
        return str(self.number)

    def made_of(self) -> str:
        """Nothing."""
        return ""

    def is_there(self, result: dict[str, Any]) -> bool:
        """Never."""
        return False

    def do(self, folder: Path) -> dict[str, Any]:
        """Nothing."""
        return {}


def made(folder: Path, scans: int) -> tuple[Path, Path]:
    """So many small scans in a cohort, and a model of a few steps."""
    import nibabel as nib
    import numpy as np

    from napari_dim import fit

    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij"))
    ball = np.sqrt((grid**2).sum(0)) < 0.6
    rows = ["image,labels,slices,site,split"]
    affine = np.diag([1.5, 1.5, 4.0, 1.0])
    for number in range(scans):
        image = (100 + 80 * ball + rng.normal(0, 12, SHAPE)).astype(np.int16)
        nib.save(nib.Nifti1Image(image, affine), folder / f"s{number}.nii.gz")
        rows.append(f"s{number}.nii.gz,,,,test")
    (folder / "cohort.csv").write_text("\n".join(rows) + "\n")
    fit(100 + 80 * ball.T + rng.normal(0, 12, SHAPE[::-1]), ball.T.astype(np.uint8),
        slices=[2, 3, 4], spacing=(4, 1.5, 1.5), run=folder / "run", steps=5, width=4, min_size=32,
        device="cpu", progress=False)  # fmt: skip
    return folder / "cohort.csv", folder / "run"


def one_process(cohort: Path, run: Path, out: Path) -> dict[str, float]:
    """Seconds of `predict` without a cluster, and of processor time a case."""
    from napari_dim.data.cohort import read_cohort
    from napari_dim.engine.inference.predict_files import planned, predict_files
    from napari_dim.engine.inference.trained_model import Model

    rows = read_cohort(cohort).split("test")
    out.mkdir()
    start, busy = time.perf_counter(), time.process_time()
    for _ in predict_files(Model.load(run), planned(rows, out), Silent()):
        pass
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    return {"seconds": seconds, "per_s": len(rows) / seconds, "cpu_ms": 1000 * busy / len(rows)}


def on_workers(cohort: Path, run: Path, out: Path, workers: int, batch: int) -> dict[str, Any]:
    """Seconds on so many workers, their start apart; and those that a case took at its worker."""
    from napari_dim.cluster.connection import connected
    from napari_dim.cluster.predicted_cases import predict_cases
    from napari_dim.data.cohort import read_cohort

    rows = read_cohort(cohort).split("test")
    begun = time.perf_counter()
    with connected(f"local:{workers}") as cluster:
        # Each worker has loaded its libraries before time is taken.
        cluster.client.run(_load)
        own = time.process_time()
        before = sum(cluster.client.run(time.process_time).values())
        start = time.perf_counter()
        took = [
            one.result["seconds"] for one in predict_cases(cluster, run, rows, out, batch=batch)
        ]
        seconds = time.perf_counter() - start
        theirs = sum(cluster.client.run(time.process_time).values()) - before
        own = time.process_time() - own
    assert len(took) == len(rows)
    found = {
        "workers": workers, "batch": batch, "start_s": start - begun, "seconds": seconds,
        "per_s": len(rows) / seconds, "case_ms": 1000 * statistics.median(took),
        "worker_cpu_ms": 1000 * theirs / len(rows),
        "scheduler_and_client_cpu_ms": 1000 * own / len(rows),
    }  # fmt: skip
    print(found, file=sys.stderr)
    return found


def _load() -> None:
    import napari_dim.engine.inference.predictor  # noqa: F401


def killed(cohort: Path, run: Path, out: Path, workers: int, every: float) -> dict[str, Any]:
    """A worker is killed every so many seconds: what is missing, and what was done twice."""
    from napari_dim.cluster import predicted_cases
    from napari_dim.cluster.connection import connected
    from napari_dim.data.cohort import read_cohort

    case = predicted_cases.PredictCase

    @dataclass(frozen=True)
    class Counted(case):
        """A case that leaves a line each time it has been done."""

        def do(self, folder: Path) -> dict[str, Any]:
            """The mask, and a line."""
            result = case.do(self, folder)
            with (self.out / "log").open("ab", buffering=0) as file:
                file.write(f"{self.row.name} {os.getpid()}\n".encode())
            return result

    rows = read_cohort(cohort).split("test")
    stop, deaths = threading.Event(), []
    predicted_cases.PredictCase = Counted
    out.mkdir()
    log = out / "log"
    start = time.perf_counter()
    with connected(f"local:{workers}") as cluster:

        def kill() -> None:
            while not stop.wait(every):
                lines = log.read_text().splitlines() if log.exists() else []
                last = [int(line.split()[1]) for line in lines[-1:]]  # who did a case last
                if last and last[0] not in deaths:
                    os.kill(last[0], signal.SIGKILL)
                    deaths.append(last[0])

        thread = threading.Thread(target=kill, daemon=True)
        thread.start()
        outcomes = list(predicted_cases.predict_cases(cluster, run, rows, out))
        stop.set()
        thread.join()
    seconds = time.perf_counter() - start
    predicted_cases.PredictCase = case
    done = Counter(line.split()[0] for line in log.read_text().splitlines())
    masks = {path.name.removesuffix("_dim.nii.gz") for path in out.glob("*.nii.gz")}
    entries = json.loads((out / "predictions.json").read_text())["cases"]
    return {
        "workers": workers, "kill_every_s": every, "killed": len(deaths), "seconds": seconds,
        "lost": len({row.name for row in rows} - masks), "entries": len(entries),
        "failed": sum(bool(one.fault) for one in outcomes),
        "twice": sum(number > 1 for number in done.values()),
        "half_written": len(list(out.glob(".dim-*"))),
    }  # fmt: skip


def task_cost(tasks: int) -> dict[str, float]:
    """Milliseconds of processor time that a task takes at the scheduler and at the client."""
    from distributed import Client

    from napari_dim.cluster.connection import Cluster
    from napari_dim.cluster.pieces_of_work import carried_out

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "scheduler.json"
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        dask = [sys.executable, "-m", "dask"]
        scheduler = subprocess.Popen(
            [*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
             "--scheduler-file", str(file)], **quiet)  # fmt: skip
        worker = subprocess.Popen(
            [*dask, "worker", "--scheduler-file", str(file), "--nthreads", "64", "--no-nanny",
             "--no-dashboard", "--local-directory", folder], **quiet)  # fmt: skip
        try:
            while not file.exists():
                time.sleep(0.1)
            address = json.loads(file.read_text())["address"]
            with Client(address, set_as_default=False) as client:
                client.wait_for_workers(1)
                cluster = Cluster(client, "", 64)
                assert len(list(carried_out(cluster, [Nothing(n) for n in range(200)]))) == 200
                before = _spent(scheduler.pid), time.process_time(), time.perf_counter()
                works = [Nothing(number) for number in range(tasks)]
                assert len(list(carried_out(cluster, works))) == tasks
                after = _spent(scheduler.pid), time.process_time(), time.perf_counter()
        finally:
            for process in (worker, scheduler):
                process.terminate()
                process.wait()
    names = ("scheduler_ms", "client_ms", "wall_ms")
    return {
        name: 1000 * (b - a) / tasks for name, a, b in zip(names, before, after, strict=True)
    }  # fmt: skip


def _spent(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def simulated(cost: float, case: float, batch: int, workers: int, cases: int) -> dict[str, Any]:
    """A study on workers that wait for a scheduler.

    Parameters
    ----------
    cost
        Seconds of a task at the scheduler, which serves one after the other.
    case
        Mean seconds of a case; each takes half to one and a half of it.
    batch, workers, cases
        Cases a task, and how many of each.
    """
    rng = random.Random(0)
    free = [0.0] * workers  # when each asks for its next task
    heapq.heapify(free)
    served = end = 0.0
    for first in range(0, cases, batch):
        asked = heapq.heappop(free)
        served = max(served, asked) + cost
        many = min(batch, cases - first)
        done = served + sum(case * rng.uniform(0.5, 1.5) for _ in range(many))
        end = max(end, done)
        heapq.heappush(free, done)
    best = cases * case / workers
    return {"batch": batch, "case_s": case, "minutes": end / 60, "efficiency": best / end}


def main() -> None:
    from runs import machine

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--scans", type=int, default=1000)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--kill", type=float, default=10.0, help="seconds between two kills")
    parser.add_argument("--tasks", type=int, default=5000, help="tasks that do nothing")
    parser.add_argument("--parts", nargs="+", default=["workers", "killed", "task"])
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found: dict[str, Any] = {"machine": machine(), "scans": given.scans}
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        if {"workers", "killed"} & {*given.parts}:
            cohort, run = made(folder, given.scans)
            print("scans and model are made", file=sys.stderr)
        if "workers" in given.parts:
            found["one_process"] = one_process(cohort, run, folder / "alone")
            print(found["one_process"], file=sys.stderr)
            found["workers"] = [
                on_workers(cohort, run, folder / f"w{workers}b{batch}", workers, batch)
                for workers in given.workers for batch in ((1, 20) if workers == 2 else (1,))
            ]  # fmt: skip
        if "killed" in given.parts:
            found["killed"] = killed(cohort, run, folder / "killed", 2, given.kill)
            print(found["killed"], file=sys.stderr)
    if "task" in given.parts:
        found["task"] = task_cost(given.tasks)
        print(found["task"], file=sys.stderr)
        cost = max(found["task"]["scheduler_ms"], found["task"]["client_ms"]) / 1000
        found["study"] = [
            simulated(cost, case, batch, CARDS, STUDY)
            for case in (CARD, CARD / 10, CARD / 100) for batch in (1, 10, 100)
        ]  # fmt: skip
        found["limit_s"] = cost * CARDS
    if given.json:
        print(json.dumps(found))
        return
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
