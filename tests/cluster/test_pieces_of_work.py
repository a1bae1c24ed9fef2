"""Pieces of work on real workers that are killed: nothing is lost, nothing is done twice."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from napari_dim.cluster.connection import Cluster, ClusterLostError, connected
from napari_dim.cluster.pieces_of_work import carried_out
from napari_dim.engine.precision import available_cpus
from napari_dim.errors import InputError


@dataclass(frozen=True)
class Slow:
    """Takes a moment, and writes down that it was done."""

    folder: Path
    number: int
    hungry: bool = False
    kind = "slow"

    @property
    def name(self) -> str:
        return f"piece {self.number}"

    @property
    def record(self) -> Path:
        return self.folder / ".done" / f"{self.number}.json"

    def made_of(self) -> str:
        return str(self.number)

    def is_there(self, result: dict[str, Any]) -> bool:
        return True

    def do(self, folder: Path) -> dict[str, Any]:
        assert folder.is_dir()
        eaten = []
        while self.hungry and len(eaten) < 200:  # 4 GB
            eaten.append(b"x" * 20_000_000)
            time.sleep(0.02)
        time.sleep(0.15)
        if self.number == 3:
            raise InputError("it is bent", where="piece 3")
        line = f"{self.number} {os.getpid()}\n".encode()
        with (self.folder / "log").open("ab", buffering=0) as log:
            log.write(line)
        return {"square": self.number**2}


def test_that_there_are_more_workers_than_cpus_is_told():
    wanted = available_cpus() + 1
    with connected(f"local:{wanted}", in_process=True) as cluster:
        assert cluster.threads == wanted
        assert f"{wanted} workers, memory not bounded" in cluster.told
        assert "they wait for each other" in cluster.told


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="kills a process")
def test_killed_workers_lose_nothing_and_do_nothing_twice(tmp_path):
    works = [Slow(tmp_path, number) for number in range(30)]
    stop = threading.Event()
    killed = []
    with connected("local:2") as cluster:

        def kill() -> None:
            while not stop.wait(1.0):
                log = (tmp_path / "log").read_text() if (tmp_path / "log").exists() else ""
                if log and len(killed) < 2:
                    pid = int(log.splitlines()[-1].split()[1])
                    if pid not in killed:
                        os.kill(pid, signal.SIGKILL)
                        killed.append(pid)

        thread = threading.Thread(target=kill)
        thread.start()
        try:
            found = {one.number: one for one in carried_out(cluster, works)}
        finally:
            stop.set()
            thread.join()
    assert killed
    assert set(found) == set(range(30))
    assert found.pop(3).fault == "piece 3: it is bent"
    assert {number: one.result["square"] for number, one in found.items()} == {
        number: number**2 for number in found
    }
    lines = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
    times = Counter(int(number) for number, *_ in lines)
    assert set(times) == set(found)
    # Who is killed between a piece and the word of it can't have told of that last one.
    untold = {int(number) for number, pid, *_ in lines if int(pid) in killed}
    assert {number for number, count in times.items() if count > 1} <= untold
    assert sum(times.values()) <= len(found) + len(killed)


@pytest.mark.slow
def test_a_piece_that_needs_too_much_memory_is_named_and_the_others_come_through(tmp_path):
    import dask

    works = [Slow(tmp_path, number, hungry=number == 1) for number in range(3)]
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        connected("local:1", memory="700MB") as cluster,
    ):
        assert "1 worker, at most 667.57 MiB of memory each" in cluster.told
        found = {one.number: one for one in carried_out(cluster, works, batch=3)}
    assert "the worker that did it died" in found[1].fault
    assert (found[0].result, found[2].result) == ({"square": 0}, {"square": 4})


def test_a_size_that_is_none_is_refused():
    with pytest.raises(InputError, match="'much' is no size"), connected("local", memory="much"):
        pass


@pytest.mark.slow
def test_work_that_all_workers_have_left_is_given_up(tmp_path, monkeypatch):
    from distributed import LocalCluster
    from distributed.client import Client

    monkeypatch.setattr("napari_dim.cluster.pieces_of_work.DESERTED", 0.5)
    monkeypatch.setattr("napari_dim.cluster.pieces_of_work.LOOK_EVERY", 0.1)
    how = {"n_workers": 0, "processes": False, "dashboard_address": "127.0.0.1:0"}
    with (
        LocalCluster(**how) as nobody,
        Client(nobody, set_as_default=False) as client,
        pytest.raises(ClusterLostError, match="all its workers did"),
    ):
        list(carried_out(Cluster(client, "", 1), [Slow(tmp_path, 1)]))
