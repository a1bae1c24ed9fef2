"""A lab's server on the loopback: Dask's own scheduler and worker, as people start them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Lab:
    """Scheduler and worker in processes of their own; what they keep lies in `folder`.

    Parameters
    ----------
    folder
        Where caches, logs and Dask's own files go.
    resources
        The worker's.
    protocol
        ``"tcp"``, or ``"tls"`` with the keys that `environment` names.
    """

    def __init__(self, folder: Path, resources="GPU=1", protocol="tcp", **environment: str):
        self.folder, self._resources, self._protocol = folder, resources, protocol
        self.port = free_port()
        self.address = f"{protocol}://127.0.0.1:{self.port}"
        self.cache = folder / "cache"
        self._environment = {
            **os.environ, "XDG_CACHE_HOME": str(self.cache), "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join(sys.path), **environment,
        }  # fmt: skip
        self.scheduler = self.worker = None

    def start(self):
        before = self._connected()
        self.start_scheduler()
        self.start_worker()
        wait_until(lambda: self._connected() > before)
        return self

    def _connected(self):
        """How often a worker found the scheduler."""
        log = self.folder / "worker.log"
        return log.read_text(errors="replace").count("Starting established") if log.exists() else 0

    def start_scheduler(self):
        self.scheduler = self._run(
            "scheduler", "--protocol", self._protocol, "--host", "127.0.0.1", "--port", self.port,
            "--no-dashboard",
        )  # fmt: skip

    def start_worker(self, *more):
        resources = ("--resources", self._resources) if self._resources else ()
        self.worker = self._run(
            "worker", self.address, "--nworkers", "1", "--nthreads", "1", "--no-dashboard",
            "--memory-limit", "0", "--local-directory", self.folder / "scratch", *resources, *more,
        )  # fmt: skip

    def _run(self, kind, *arguments):
        log = (self.folder / f"{kind}.log").open("ab")
        return subprocess.Popen(
            [sys.executable, "-m", "dask", kind, *map(str, arguments)],
            env=self._environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def worker_process(self) -> psutil.Process:
        """The process that works; its nanny starts it again when it dies."""
        for child in psutil.Process(self.worker.pid).children():
            with suppress(psutil.Error):
                if "multiprocessing" in " ".join(child.cmdline()) and "spawn_main" in " ".join(
                    child.cmdline()
                ):
                    return child
        raise AssertionError("no worker")

    def kill_worker(self):
        self.worker_process().kill()

    def trainings(self) -> list[psutil.Process]:
        """The processes that train."""
        found = []
        for one in psutil.Process(self.worker.pid).children(recursive=True):
            with suppress(psutil.Error):
                if "napari_dim.engine.training.child" in one.cmdline():
                    found.append(one)
        return found

    @property
    def runs(self) -> list[Path]:
        folder = self.cache / "napari-dim" / "elsewhere" / "runs"
        return sorted(folder.iterdir()) if folder.is_dir() else []

    def said(self, kind="worker") -> str:
        return (self.folder / f"{kind}.log").read_text(errors="replace")

    def stop_scheduler(self):
        self.scheduler.kill()
        self.scheduler.wait()

    def stop_worker(self):
        if self.worker is None:
            return
        with suppress(psutil.Error):
            family = psutil.Process(self.worker.pid).children(recursive=True)
            self.worker.kill()
            for one in family:
                with suppress(psutil.Error):
                    one.kill()
        self.worker.wait()

    def close(self):
        self.stop_worker()
        if self.scheduler is not None:
            self.stop_scheduler()


class Relay:
    """A network between here and a port of the loopback, which can be cut."""

    def __init__(self, port: int) -> None:
        self._to = port
        self.sent = bytearray()
        self.keep = False
        self._passed = [0, 0]
        self._open = threading.Event()
        self._open.set()
        self._over = False
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Nothing passes any more; nobody is told."""
        self._open.clear()

    def mend(self) -> None:
        self._open.set()

    def close(self) -> None:
        self._over = True
        self._open.set()
        self._server.close()

    @property
    def passed(self) -> tuple[int, int]:
        """Bytes to the port, and back."""
        return self._passed[0], self._passed[1]

    def _accept(self):
        while not self._over:
            with suppress(OSError):
                here, _ = self._server.accept()
                there = socket.create_connection(("127.0.0.1", self._to))
                for a, b, way in ((here, there, 0), (there, here, 1)):
                    threading.Thread(target=self._pass, args=(a, b, way), daemon=True).start()

    def _pass(self, a, b, way):
        with suppress(OSError):
            while data := a.recv(65536):
                self._open.wait()
                self._passed[way] += len(data)
                if self.keep and way == 0:
                    self.sent += data
                b.sendall(data)
        for one in (a, b):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


def wait_until(what, seconds=60.0):
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)
    return found
