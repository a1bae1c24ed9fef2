"""A real small disk runs full while strokes, masks and a project are written to it."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

PROMISE = "A full disk is told at once; what was saved before always loads"
FULL, QUICK = 40, 3
SHAPE = (6, 64, 64)
SIZE = 600 * 1024
"""Bytes of the small disk."""


def run(count: int) -> str:
    """`count` disks that run full; afterwards space is made and all goes on."""
    kinds = set()
    slowest = 0.0
    with tempfile.TemporaryDirectory() as home:
        os.environ["XDG_DATA_HOME"] = home
        for trial in range(count):
            with _small_disk(Path(home) / f"disk-{trial}") as (disk, kind):
                kinds.add(kind)
                slowest = max(slowest, _fill(disk, random.Random(trial)))
    return (
        f"{count} full disks ({', '.join(kinds)}): 0 unreadable, 0 strokes lost once there was "
        f"space again; told within {slowest:.2f} s"
    )


def _fill(disk: Path, rng: random.Random) -> float:
    from napari_dim.errors import InputError
    from napari_dim.io import read_mask, write_mask, write_text_atomically
    from napari_dim.project import Note, Project, writer

    writer.RETRY = 0.05
    folder = disk / "project"
    project = Project.create(folder)
    project.add_case(name="a")
    noise = np.random.default_rng(rng.randrange(2**32))
    array = np.zeros(SHAPE, np.uint8)
    project.begin("a", "labels", array.copy(), Note(states="0" * SHAPE[0]))
    volume, mask = _mask(noise)
    write_mask(disk / "mask.nii.gz", mask, volume)
    write_text_atomically(disk / "settings.json", "old")
    assert project.flush()
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(rng.randrange(SIZE // 3)))

    # Strokes until it is full.
    acknowledged, told = array.copy(), 0.0
    for _ in range(400):
        number = rng.randrange(SHAPE[0])
        array[number] = noise.integers(0, 5, SHAPE[1:], dtype=np.uint8)
        start = time.monotonic()
        project.put("a", "labels", {number: array[number].copy()}, {"slice": number})
        while not project.saved and project.fault is None:
            time.sleep(0.001)
        if project.fault is not None:
            told = time.monotonic() - start
            break
        acknowledged = array.copy()
    assert project.fault is not None, "the disk was never full"
    assert "space" in project.fault.hint or "space" in project.fault.problem, project.fault

    # Everything else is refused in one line, and what stood before stands.
    for attempt in (
        lambda: write_mask(disk / "mask.nii.gz", _mask(noise)[1], volume),
        lambda: write_text_atomically(disk / "settings.json", "new" * 200_000),
        lambda: project.update_case("a", site="s" * 200),
    ):
        with contextlib.suppress(InputError):  # a small file may still find a place
            attempt()
    assert (disk / "settings.json").read_text() == "old"
    read_mask(disk / "mask.nii.gz", volume)
    with Project.open(folder, read_only=True) as seen:
        found = seen.recover("a")
        assert found is not None
        for number in range(SHAPE[0]):  # the last stroke may be there or not
            ok = (acknowledged[number], array[number])
            assert any(np.array_equal(found.array[number], plane) for plane in ok), number

    # Space again: what waited is written without being asked.
    ballast.unlink()
    for file in disk.glob("mask*"):
        file.unlink()
    with _no_limit():
        assert project.flush(20), project.fault
        assert project.fault is None
    assert project.close()
    with Project.open(folder) as again:
        assert not again.read_only
        found = again.recover("a")
        assert found is not None
        assert np.array_equal(found.array, array)
    return told


def _mask(noise: np.random.Generator) -> tuple[object, np.ndarray]:
    from napari_dim.volume import Grid, Volume

    grid = Grid((64, 64, 12), np.diag([-1.0, -1.0, 3.0, 1.0]), 2)
    return Volume(np.zeros(grid.shape, np.uint8), grid), noise.integers(
        0, 9, grid.shape, dtype=np.uint8
    )


@contextlib.contextmanager
def _small_disk(path: Path) -> Iterator[tuple[Path, str]]:
    """A file system of its own, or a limit on the size of files where none can be mounted."""
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(path)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if mounted:
        try:
            yield path, "tmpfs"
        finally:
            subprocess.run(["umount", "-l", str(path)], check=True)
        return
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (SIZE // 4, hard))
    try:
        yield path, "limit on the size of files"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        signal.signal(signal.SIGXFSZ, before)


@contextlib.contextmanager
def _no_limit() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
