"""A real napari is closed while it trains, in a thread and in a process of its own."""

from __future__ import annotations

import atexit
import os
import random
import shutil
import signal
import tempfile
import threading
import time
import traceback
from pathlib import Path

import psutil

from tests.gates.stopwatch import Stopwatch

PROMISE = "closing napari while it trains: closed within 3 s, nothing left running"
FULL, QUICK = 50, 1
LIMIT = 3600

MOST = 3.0
"""Seconds from closing the window to the end of the process, less the machine's for others."""
APART_EVERY = 5
"""Every so many trials it trains in a process of its own."""


def run(count: int) -> str:
    """Open, train and close so many real windows, each in a process of its own."""
    _load()
    chance = random.Random(0)
    took: list[float] = []
    saved = 0
    for trial in range(count):
        # No TemporaryDirectory: a copy of this process would remove it when it ends.
        folder = Path(tempfile.mkdtemp())
        try:
            seconds, kept = _one(folder, apart=trial % APART_EVERY == 1, wait=chance.uniform(0, 4))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        assert seconds <= MOST, f"trial {trial}: closed after {seconds:.1f} s"
        took.append(seconds)
        saved += kept
    took.sort()
    return (
        f"{count} closes: all within {took[-1]:.2f} s, half within {took[len(took) // 2]:.2f} s, "
        f"nothing left running, what was learnt kept in {saved}"
    )


def _load() -> None:
    """Import what the copies need, once; no window and no thread is made here."""
    import napari
    import napari._qt.qt_main_window  # noqa: F401

    import napari_dim.engine.training.loop
    import napari_dim.gui.panels.workspace  # noqa: F401


def _one(folder: Path, *, apart: bool, wait: float) -> tuple[float, bool]:
    """Seconds from closing a window to the end of its process, and whether weights were kept."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.close(reading)
            os.environ["XDG_DATA_HOME"] = str(folder)
            os.environ["NAPARI_CONFIG"] = str(folder / "napari.yaml")
            _window(folder, writing, apart=apart, wait=wait)
            _end()
        except BaseException:
            traceback.print_exc()
        os._exit(1)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        closing = pipe.readline()
        assert closing, "the window did not come as far as a training"
        watch = Stopwatch(pid)
        family = psutil.Process(pid).children(recursive=True)
        deadline = time.monotonic() + 30
        while (ended := os.waitpid(pid, os.WNOHANG))[0] == 0:
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
                raise AssertionError("it was still running 30 s after it was closed")
            watch.look()
            time.sleep(0.01)
        seconds = watch.seconds(float(closing.split()[0]))
    assert os.waitstatus_to_exitcode(ended[1]) == 0, ended
    assert not [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    kept = bool(list((folder / "runs").glob("*/weights.safetensors")))
    # A process of its own that is not through in time is ended without.
    assert kept or apart, "what was learnt was not kept"
    return seconds, kept


def _end() -> None:
    """End as a program does: Qt and Python wait for what still runs in their threads."""
    from qtpy.QtCore import QThreadPool

    QThreadPool.globalInstance().waitForDone()
    threading._shutdown()
    atexit._run_exitfuncs()
    os._exit(0)


def _window(folder: Path, told: int, *, apart: bool, wait: float) -> None:
    """Open napari, train, and close the window after a while."""
    import napari
    from qtpy.QtCore import QTimer

    from napari_dim.gui.panels.workspace import Workspace
    from tests.gui.conftest import TINY, tiny_image

    viewer = napari.Viewer()
    workspace = Workspace(viewer)
    viewer.window.add_dock_widget(workspace, name="Workspace", area="right")
    image, mask = tiny_image()
    viewer.add_image(image, name="ball", scale=(3, 1, 1))
    mask[[0, 1, 2, 4, 5, 7, 8, 10, 11]] = 0
    viewer.add_labels(mask, name="mine", scale=(3, 1, 1))
    panel = workspace.train
    for name, value in {**TINY, "device": "cpu", "apart": apart}.items():
        if name in panel.form.values():
            panel.form.set_value(name, value)
    panel.set_budget(600)
    panel.runs.path = folder / "runs"
    panel.button.click()
    began: list[float] = []

    def look() -> None:
        if not panel.session.busy:
            os._exit(3)  # It never trained: the parent takes this for a failure.
        if not panel.session.history:
            return
        began.append(began[0] if began else time.monotonic())
        if time.monotonic() - began[0] >= wait:
            timer.stop()
            os.write(told, f"{time.monotonic()}\n".encode())
            viewer.window._qt_window.close()

    timer = QTimer()
    timer.timeout.connect(look)
    timer.start(50)
    napari.run()
