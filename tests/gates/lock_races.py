"""Processes that open one project at the same moment: one writes, the others know who."""

from __future__ import annotations

import json
import os
import random
import tempfile
import time
from pathlib import Path

from tests.gates.children import ended, fork

PROMISE = "Of two windows on one project the second is read-only and says who holds it"
FULL, QUICK = 100, 3
WINDOWS = 5


def run(count: int) -> str:
    """`count` races of `WINDOWS` processes; every other one for a lock that a dead one left."""
    import napari_dim.project  # once, before the children are forked  # noqa: F401

    rng = random.Random(5)
    slowest = 0.0
    for trial in range(count):
        with tempfile.TemporaryDirectory() as home:
            os.environ["XDG_DATA_HOME"] = home
            slowest = max(slowest, _race(Path(home), stale=trial % 2 == 1, rng=rng))
    return (
        f"{count} races of {WINDOWS} processes, {count // 2} of them for a stale lock: 1 writer "
        f"in each, the others told its process; at most {slowest:.2f} s to open"
    )


def _race(home: Path, *, stale: bool, rng: random.Random) -> float:
    from napari_dim.project import Project

    folder = home / "project"
    with Project.create(folder) as project:
        project.add_case(name="a")
    if stale:
        assert ended(fork(lambda: _die_with_it(folder))) == 0
        with Project.open(folder) as told:
            assert told.read_only, "a stale lock was taken without asking"
            assert told.holder.stale, told.holder
    start = time.time() + 0.15
    done = home / "done"
    delays = [rng.choice([0.0, 0.0, rng.uniform(0, 0.02)]) for _ in range(WINDOWS)]
    children = [
        fork(lambda number=n, at=start + delay: _open(folder, home / f"{number}.json", at, done))
        for n, delay in enumerate(delays)
    ]
    files = [home / f"{number}.json" for number in range(WINDOWS)]
    end = time.monotonic() + 60
    while not all(file.exists() for file in files):
        assert time.monotonic() < end, "a process did not open the project"
        time.sleep(0.005)
    done.touch()
    assert [ended(child) for child in children] == [0] * WINDOWS
    said = [json.loads(file.read_text()) for file in files]
    writers = [one["pid"] for one in said if one["writes"]]
    assert len(writers) == 1, f"{len(writers)} processes write"
    assert all(one["holder"] == writers[0] for one in said if not one["writes"]), said
    with Project.open(folder) as after:
        assert not after.read_only, "the lock was not given back"
        assert [case.name for case in after.cases] == ["a", f"by {writers[0]}"]
    return max(one["seconds"] for one in said)


def _die_with_it(folder: Path) -> None:
    from napari_dim.project import Project

    project = Project.open(folder)
    assert not project.read_only
    os._exit(0)


def _open(folder: Path, file: Path, at: float, done: Path) -> None:
    from napari_dim.errors import InputError
    from napari_dim.project import Project

    time.sleep(max(0.0, at - time.time()))
    start = time.perf_counter()
    project = Project.open(folder, recover=True)
    seconds = time.perf_counter() - start
    if project.read_only:
        try:
            project.add_case(name="never")
        except InputError:
            pass
        else:
            raise AssertionError("a read-only project was changed")
    else:
        project.add_case(name=f"by {os.getpid()}")
    said = {
        "pid": os.getpid(),
        "writes": not project.read_only,
        "holder": project.holder.pid if project.holder else 0,
        "seconds": seconds,
    }
    beside = file.with_suffix(".new")
    beside.write_text(json.dumps(said))
    beside.replace(file)
    while not done.exists():
        time.sleep(0.002)
    project.close()
