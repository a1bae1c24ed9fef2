"""Kill a process that paints, at a random moment, and look for what it had called saved."""

from __future__ import annotations

import os
import random
import tempfile
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from tests.gates.children import fork, kill, offscreen, wait_for

PROMISE = "A stroke once acknowledged is on disk, whatever happens to the process"
FULL, QUICK = 200, 3
LIMIT = 3600


def run(count: int) -> str:
    """`count` SIGKILLs; every slice must be as it was at the last "saved", or later."""
    from napari_dim.project import Project
    from napari_dim.project.local import recovery_folders

    offscreen(Path(tempfile.gettempdir()))
    from tests.gates.strokes import application, session_with_labels

    # Made once: the children are copies of this process. No thread runs before the first stroke.
    app = application()
    window = app, *session_with_labels(app)
    strokes_seen = saved = 0
    slowest = 0.0
    rng = random.Random(4)
    for trial in range(count):
        with tempfile.TemporaryDirectory() as home:
            log = Path(home) / "seen.log"
            child = fork(lambda seed=trial, home=home, log=log: _paint(seed, home, log, *window))
            wait_for(log, child)
            _wait_for_strokes(log, rng.randint(1, 60))
            time.sleep(rng.uniform(0, 0.1))
            kill(child)
            ack, after = _read(log)
            strokes_seen += after[-1][0] if after else 0
            saved += ack
            os.environ["XDG_DATA_HOME"] = home
            start = time.perf_counter()
            folders = recovery_folders()
            if not folders:
                assert ack == 0, "strokes were called saved and no folder is there"
                continue
            with Project.open(folders[0], recover=True) as project:
                assert not project.read_only
                found = project.recover("scan") if project.cases else None
            slowest = max(slowest, time.perf_counter() - start)
            assert found is not None or ack == 0, "strokes were called saved and none is there"
            if found is not None:
                _check(found.array, ack, after, trial)
    return (
        f"{count} kills, {strokes_seen} strokes painted, {saved} of them called saved: 0 lost; "
        f"at most {slowest:.2f} s to read them again"
    )


def _paint(seed: int, home: str, log: Path, app: Any, viewer: Any, session: Any) -> None:
    """Paint until killed; write what each slice holds after a stroke, and when it is saved."""
    os.environ["XDG_DATA_HOME"] = home
    from tests.gates.strokes import operate

    layer = viewer.layers["mine"]
    rng = random.Random(seed)
    with log.open("ab", buffering=0) as file:
        number, untold = 0, False
        while True:
            number += 1
            kind = operate(rng, viewer, layer, reshape=False)
            # What napari sends no event for is found in turn, or by `flush`.
            untold |= kind == "write" or not layer.visible
            sums = [f"{zlib.crc32(np.ascontiguousarray(plane)):08x}" for plane in layer.data]
            file.write(f"{number} {' '.join(sums)}\n".encode())
            pause = time.monotonic() + rng.uniform(0, 0.04)
            while time.monotonic() < pause:
                app.processEvents()
            if rng.random() < 0.1:
                untold = not session.autosave.flush(20)
            if session.autosave.text == "saved" and not untold:
                file.write(f"saved {number}\n".encode())


def _wait_for_strokes(log: Path, count: int) -> None:
    """Wait until so many strokes were painted."""
    end = time.monotonic() + 60
    while log.read_bytes().count(b"\n") < count:
        assert time.monotonic() < end, "the process does not paint"
        time.sleep(0.005)


def _read(log: Path) -> tuple[int, list[tuple[int, list[str]]]]:
    """The last stroke called saved, and what the slices held after each stroke."""
    ack, seen = 0, []
    for line in log.read_text().splitlines(keepends=True):
        if not line.endswith("\n"):
            break
        words = line.split()
        if words[0] == "saved":
            ack = int(words[1])
        else:
            seen.append((int(words[0]), words[1:]))
    return ack, seen


def _check(array: np.ndarray, ack: int, seen: list[tuple[int, list[str]]], trial: int) -> None:
    empty = [f"{zlib.crc32(plane):08x}" for plane in np.zeros_like(array)]
    for number, plane in enumerate(array):
        held = [sums[number] for stroke, sums in seen if stroke >= ack]
        if ack == 0:
            held.insert(0, empty[number])
        found = f"{zlib.crc32(np.ascontiguousarray(plane)):08x}"
        assert found in held, (
            f"trial {trial}: slice {number} is not as it was after stroke {ack} or later"
        )
