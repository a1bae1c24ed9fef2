"""Kill a process that saves masks, a project and settings, at a random moment."""

from __future__ import annotations

import json
import os
import random
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.gates.children import fork, kill, wait_for

PROMISE = "Of masks, projects and settings the old file or the new one always loads"
FULL, QUICK = 200, 4
SHAPE = (40, 96, 96)


def run(count: int) -> str:
    """`count` SIGKILLs in the middle of saving, in one folder that is never cleaned by hand."""
    from napari_dim.io import read_mask, write_mask, write_text_atomically
    from napari_dim.io.nifti import nifti_writer
    from napari_dim.project import Project

    assert nifti_writer  # imported once, before the children are forked
    rng = random.Random(7)
    leftovers = 0
    with tempfile.TemporaryDirectory() as home:
        os.environ["XDG_DATA_HOME"] = str(Path(home) / "user")
        folder = Path(home) / "work"
        with Project.create(folder) as project:
            project.add_case(name="a", site="0")
        volume = _volume()
        write_mask(folder / "mask.nii.gz", np.zeros(SHAPE, np.uint8), volume)
        write_text_atomically(folder / "settings.json", "{}")
        for _ in range(count):
            began = Path(home) / "began"
            began.unlink(missing_ok=True)
            child = fork(lambda began=began: _save(folder, began))
            wait_for(began, child)
            time.sleep(rng.uniform(0, 0.25))
            kill(child)
            leftovers += len(list(folder.glob(".dim-*")))
            mask = read_mask(folder / "mask.nii.gz", volume)
            number = int(mask.flat[0])
            assert (mask == number).all(), "a mask is a mixture of two"
            json.loads((folder / "settings.json").read_text())
            with Project.open(folder, recover=True) as project:
                assert [case.name for case in project.cases] == ["a"]
                assert not project.notes, project.notes
        write_text_atomically(folder / "settings.json", "{}")
        assert not list(folder.glob(".dim-*")), "leftovers were not swept"
    return f"{count} kills: 0 unreadable; {leftovers} temporary files left by them, all swept"


def _volume() -> object:
    from napari_dim.volume import Grid, Volume

    grid = Grid((SHAPE[2], SHAPE[1], SHAPE[0]), np.diag([-1.0, -1.0, 3.0, 1.0]), 2)
    return Volume(np.zeros(SHAPE, np.uint8), grid)


def _save(folder: Path, began: Path) -> None:
    from napari_dim.io import write_mask, write_text_atomically
    from napari_dim.project import Project

    volume = _volume()
    noise = np.random.default_rng(os.getpid())
    with Project.open(folder, recover=True) as project:
        began.touch()
        for number in range(1, 10**6):
            write_mask(folder / "mask.nii.gz", np.full(SHAPE, number % 250, np.uint8), volume)
            project.update_case("a", site=str(number))
            text = json.dumps({"numbers": noise.integers(0, 9, 20_000).tolist()})
            write_text_atomically(folder / "settings.json", text)
