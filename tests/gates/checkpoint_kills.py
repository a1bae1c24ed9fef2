"""A process that writes checkpoints is killed at random moments, and the disk fills up."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

import pytest
import torch

from napari_dim.config import Settings
from napari_dim.data.working_grid import WorkingGrid
from napari_dim.engine.inference.trained_model import Model
from napari_dim.engine.training.checkpoint import LATEST, PREVIOUS, Checkpoint, _keep_as_previous
from napari_dim.errors import InputError
from napari_dim.io.atomic import sweep
from tests.gates.children import fork, kill

PROMISE = "the old or the new checkpoint always loads, and so does the model"
FULL, QUICK = 200, 3

LIMIT = 3600


def run(count: int) -> str:
    """Kill so many writers, then fill a disk under one."""
    torch.set_num_threads(1)  # No thread of this process may be missing in its copies.
    chance = random.Random(0)
    steps: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        run_folder = Path(folder) / "run"
        newest = 0
        for _ in range(count):
            writer, pipe = _fork(run_folder)
            pipe.readline()  # It has written one since it began.
            time.sleep(chance.uniform(0, 0.25))
            kill(writer)
            said = pipe.read().split()
            pipe.close()
            found = Checkpoint.load(run_folder)
            acknowledged = int(said[-1]) if said else newest
            assert found.step >= acknowledged, (found.step, acknowledged)
            assert Checkpoint._read(run_folder / LATEST, run_folder).step == found.step
            assert Checkpoint._read(run_folder / PREVIOUS, run_folder).step <= found.step
            Model.load(run_folder)
            newest = found.step
            steps.append(newest)
        left = [p.name for p in run_folder.iterdir() if p.name.startswith(".")]
        assert len(left) <= 2, left  # the last killed one's; the next writer sweeps them
        full = _full_disk(run_folder)
    return f"{count} kills in {steps[-1]} checkpoints, 0 unreadable; {full}"


def _fork(run: Path) -> tuple[int, IO[bytes]]:
    """A process that writes checkpoints: a copy of this one, which has loaded all it needs."""
    reading, writing = os.pipe()
    child = fork(lambda: _write_for_ever(run, writing))
    os.close(writing)
    return child, os.fdopen(reading, "rb")


def _full_disk(run: Path) -> str:
    """A real file system without space, or, where none can be made, a limit on file sizes."""
    before = Checkpoint.load(run)
    disk = run.parent / "disk"
    disk.mkdir()
    size = sum(p.stat().st_size for p in run.iterdir()) * 5 // 4
    mounted = (
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)],
            capture_output=True,
        ).returncode
        == 0
        if sys.platform.startswith("linux")
        else False
    )
    try:
        if mounted:
            subprocess.run(["cp", "-r", *map(str, run.iterdir()), str(disk)], check=True)
            sweep(disk)  # Nothing may be left that the next write takes away.
            _keep_as_previous(disk)  # As after every checkpoint: no space comes free by another.
            with suppress(OSError), (disk / "ballast").open("wb", buffering=0) as ballast:
                while True:
                    ballast.write(bytes(4096))
            _must_fail(before, disk)
            kept = Checkpoint.load(disk)
            how = "a full file system"
        else:
            usual = resource.getrlimit(resource.RLIMIT_FSIZE)
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, usual[1]))
            try:
                _must_fail(before, run)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, usual)
            kept = Checkpoint.load(run)
            how = "a limit on file sizes"
        assert kept.step == before.step
        Model.load(disk if mounted else run)
    finally:
        if mounted:
            subprocess.run(["umount", str(disk)], check=True)
    return f"on {how} the old one stood and the fault was told"


def _must_fail(checkpoint: Checkpoint, run: Path) -> None:
    for write in (checkpoint.save, checkpoint.model.save):
        with pytest.raises(InputError, match="can't be"):
            write(run)


def _write_for_ever(run: Path, told: int) -> None:
    """Write checkpoints of a real network, one after the other; say which are written."""
    settings = Settings.make(width=8, seed=1)
    model = Model.new(settings, (1, 2), 1, 1, WorkingGrid(1.0, 128, (128, 128), 256), {})
    moments = {
        f"{index}.{name}": torch.rand(() if name == "step" else parameter.shape)
        for index, parameter in enumerate(model.networks["student"].parameters())
        for name in ("step", "exp_avg", "exp_avg_sq")
    }
    try:
        step = Checkpoint.load(run).step
    except InputError:
        step = 0
    generator = torch.Generator().get_state()
    while True:
        step += 1
        made = Checkpoint(
            model, step, 1.0, 0.0, 1.0, (4, 2), False, "cpu", moments, generator
        )  # fmt: skip
        made.save(run)
        model.save(run)
        os.write(told, f"{step}\n".encode())
