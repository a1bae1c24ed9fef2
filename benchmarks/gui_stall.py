"""Does the window stall while it trains? A heartbeat in a real window, with a person painting.

Without a screen: ``xvfb-run -a -s "-screen 0 1366x768x24" python benchmarks/gui_stall.py``.

A timer fires every 5 ms in a real napari window, in which strokes are painted by mouse events
on the canvas. The gap between two beats is how long the window did not react. It is measured
without training, with training in a thread (the default), and in a process of its own.
``watched`` trains in a thread while nobody touches the window: how many steps does it leave?
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

MODES = ("idle", "thread", "process", "watched")
BEAT = 5
"""Milliseconds between two beats."""
STROKE_EVERY = 0.5
"""Seconds between the beginnings of two strokes."""
MOVES = 12
"""Mouse events of a stroke."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60, help="of each mode")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES[:3]))
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--image", type=Path, help="a scan; by default a phantom is made")
    parser.add_argument("--shape", type=int, nargs=3, default=(90, 256, 256), help="of the phantom")
    parser.add_argument("--views", action="store_true", help="with the linked views beside it")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    args = parser.parse_args()
    rows = []
    for round_ in range(args.repeat):
        for mode in args.modes:
            rows.append({"run": round_ + 1, **made(args).measure(mode, args.seconds)})
            print(json.dumps(rows[-1]), flush=True)
    print(f"\n{table(rows)}\n")
    if args.json:
        args.json.write_text(json.dumps(rows, indent=2) + "\n")


def made(args: argparse.Namespace) -> Stall:
    """A window as it is asked for."""
    window = Stall(args.image, tuple(args.shape))
    if args.views:
        window.workspace.header.views.click()
        window.process(3)
    return window


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as Markdown, with how far each is above idle."""
    idle = {row["run"]: row["p99"] for row in rows if row["mode"] == "idle"}
    lines = [
        "| run | mode | 50 % | 95 % | 99 % | largest | 99 % above idle | strokes | steps | load |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        above = row["p99"] - idle[row["run"]] if row["run"] in idle else float("nan")
        lines.append(
            f"| {row['run']} | {row['mode']} | {row['p50']:.0f} ms | {row['p95']:.0f} ms | "
            f"{row['p99']:.0f} ms | {row['largest']:.0f} ms | {above:+.0f} ms | "
            f"{row['strokes']} | {row['steps']} | {row['load']:.1f} |"
        )
    return "\n".join(lines)


class Stall:
    """One window."""

    def __init__(self, image: Path | None, shape: tuple[int, int, int] = (90, 256, 256)) -> None:
        import napari

        self.viewer = napari.Viewer(title="napari-dim")
        self.viewer.window.resize(1366, 768)
        _, self.workspace = self.viewer.window.add_plugin_dock_widget("napari-dim", "Workspace")
        self.session = self.workspace.session
        if image is None:
            self.layer = self.viewer.add_image(scan(shape), name="scan", scale=(3.0, 1.0, 1.0))
        else:
            self.layer = self.viewer.open(image, plugin="napari-dim")[0]
        self.workspace.annotate.new.click()
        self.labels = self.workspace.annotate.labels.layer
        count = len(self.labels.data)
        rows, columns = self.labels.data.shape[1:]
        y, x = np.ogrid[:rows, :columns]
        disc = (y - rows / 2) ** 2 + (x - columns / 2) ** 2 < (rows / 5) ** 2
        for number in (count // 4, count // 2, 3 * count // 4):
            self.labels.data[number][disc] = 1
        self.labels.refresh()
        self.viewer.layers.selection.active = self.labels
        self.labels.mode = "paint"
        self.labels.brush_size = 8
        self.viewer.dims.set_current_step(0, count // 3)
        self.viewer.reset_view()
        self.random = np.random.default_rng(0)
        self.runs = Path(tempfile.mkdtemp(prefix="stall-"))
        self.process(3)

    def measure(self, mode: str, seconds: float) -> dict[str, Any]:
        """Percentiles of the gap between two beats, in ms."""
        from qtpy.QtCore import Qt, QTimer

        if mode != "idle":
            self.train(apart=mode == "process")
        gaps: list[float] = []
        last = [time.perf_counter()]

        def beat() -> None:
            now = time.perf_counter()
            gaps.append(1000 * (now - last[0]))
            last[0] = now

        timer = QTimer()
        timer.setTimerType(Qt.TimerType.PreciseTimer)
        timer.timeout.connect(beat)
        first = self.session.history[-1].step if self.session.history else 0
        before = int((np.asarray(self.labels.data) > 0).sum())
        last[0] = time.perf_counter()
        timer.start(BEAT)
        strokes = 0
        if mode == "watched":
            self.process(seconds)
        else:
            strokes = self.paint(seconds)
        timer.stop()
        steps = self.session.history[-1].step - first if self.session.history else 0
        painted = int((np.asarray(self.labels.data) > 0).sum()) - before
        assert painted > 0 or mode == "watched", "no stroke reached the layer"
        assert mode == "idle" or self.session.busy, self.session.message
        if mode != "idle":
            for _ in range(2):  # stop, and at once
                self.workspace.train.button.click()
        while self.session.busy:
            self.process(0.1)
        self.viewer.close()
        self.process(0.5)
        shutil.rmtree(self.runs, ignore_errors=True)
        p50, p95, p99 = np.percentile(gaps, (50, 95, 99))
        return {
            "mode": mode, "p50": p50, "p95": p95, "p99": p99, "largest": max(gaps),
            "beats": len(gaps), "strokes": strokes, "pixels": painted, "steps": steps,
            "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan"),
        }  # fmt: skip

    def train(self, *, apart: bool) -> None:
        """Start a training and wait for its first previews."""
        tab = self.workspace.train
        tab.runs.path = self.runs
        tab.form.set_value("apart", apart)
        tab.set_budget(3600)
        tab.button.click()
        deadline = time.monotonic() + 600
        while len(self.session.history) < 5 and time.monotonic() < deadline:
            self.process(0.1)
        assert self.session.history, self.session.message

    def paint(self, seconds: float) -> int:
        """Strokes on the canvas, one move at a time as a person makes them."""
        canvas = self.viewer.window._qt_viewer.canvas.native
        width, height = canvas.width(), canvas.height()
        begin = time.monotonic()
        strokes = 0
        while (now := time.monotonic()) < begin + seconds:
            place = np.array((width, height)) * self.random.uniform(0.35, 0.65, 2)
            heading = self.random.uniform(-6, 6, 2)
            send(canvas, "press", place)
            for _ in range(MOVES):
                place = place + heading
                self.process(0.02)
                send(canvas, "move", place)
            send(canvas, "release", place)
            strokes += 1
            if strokes % 10 == 0:  # Now and then to another slice.
                step = self.viewer.dims.current_step[0]
                self.viewer.dims.set_current_step(0, (step + 1) % len(self.labels.data))
            self.process(max(0.0, now + STROKE_EVERY - time.monotonic()))
        return strokes

    def process(self, seconds: float) -> None:
        """Let the window work, as its event loop does."""
        from qtpy.QtCore import QEventLoop, QTimer

        loop = QEventLoop()
        QTimer.singleShot(int(1000 * seconds), loop.quit)
        loop.exec()


def send(canvas: Any, kind: str, place: np.ndarray) -> None:
    """One mouse event to the canvas, through Qt as from the mouse."""
    from qtpy.QtCore import QEvent, QPointF, Qt
    from qtpy.QtGui import QMouseEvent
    from qtpy.QtWidgets import QApplication

    left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    what, button, buttons = {
        "press": (QEvent.Type.MouseButtonPress, left, left),
        "move": (QEvent.Type.MouseMove, none, left),
        "release": (QEvent.Type.MouseButtonRelease, left, none),
    }[kind]
    here = QPointF(*map(float, place))
    there = QPointF(canvas.mapToGlobal(here.toPoint()))
    event = QMouseEvent(what, here, there, button, buttons, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(canvas, event)


def scan(shape: tuple[int, int, int] = (90, 256, 256)) -> np.ndarray:
    """A bright ball in noise."""
    z, y, x = np.ogrid[tuple(slice(-1, 1, n * 1j) for n in shape)]
    ball = (z / 0.89) ** 2 + (y / 0.47) ** 2 + (x / 0.47) ** 2 < 1
    noise = np.random.default_rng(0).standard_normal(ball.shape, np.float32)
    return (100 + 200 * ball + 20 * noise).astype(np.int16)


if __name__ == "__main__":
    main()
