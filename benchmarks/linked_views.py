"""What the linked views cost on a large scan, and what two more napari canvases would.

Without a screen: ``xvfb-run -a -s "-screen 0 1366x768x24" python benchmarks/linked_views.py``.

In a real window on 400 slices of 512 x 512: how long each thing a person does keeps the window
busy until everything is painted again. Without other views, with the linked views, and (napari's
way with several viewers) with two further viewers whose layers share the same arrays. The time
of the processor, all threads together, says the same on a busy machine.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

WAYS = ("none", "linked", "napari")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--shape", nargs=3, type=int, default=(400, 512, 512))
    parser.add_argument("--times", type=int, default=60, help="repeats of each thing")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_DATA_HOME"] = os.environ["XDG_CONFIG_HOME"] = folder
        for way in args.ways:
            rows += Window(way, tuple(args.shape)).measure(args.times)
    print("| what | views | processor | 50 % | 95 % | 99 % |\n|---|---|---|---|---|---|")
    for row in sorted(rows, key=lambda row: row["what"]):
        figures = " | ".join(f"{row[name]:.0f} ms" for name in ("cpu", "p50", "p95", "p99"))
        print(f"| {row['what']} | {row['way']} | {figures} |")
    if args.json:
        args.json.write_text(json.dumps(rows, indent=2) + "\n")


class Window:
    """One window."""

    def __init__(self, way: str, shape: tuple[int, int, int]) -> None:
        import napari

        self.way = way
        self.viewer = napari.Viewer(title="napari-dim")
        self.viewer.window.resize(1366, 768)
        _, self.workspace = self.viewer.window.add_plugin_dock_widget("napari-dim", "Workspace")
        random = np.random.default_rng(0)
        scan = random.integers(0, 1000, shape, dtype=np.int16)
        mask = np.zeros(shape, np.uint8)
        quarter = [slice(n // 4, 3 * n // 4) for n in shape]
        mask[tuple(quarter)] = 1
        image = self.viewer.add_image(scan, name="scan", contrast_limits=(0, 1000))
        self.labels = self.viewer.add_labels(mask, name="mask")
        self.session = self.workspace.session
        self.session.open_case(image)
        self.wait(1)
        self.others: list[Any] = []
        self.rows: list[dict[str, Any]] = []

    def measure(self, times: int) -> list[dict[str, Any]]:
        """How long each thing takes, in ms."""
        from psutil import Process

        before = Process().memory_info().rss
        self.timed("open", 1, lambda _: self.open())
        self.wait(2)
        grown = (Process().memory_info().rss - before) / 2**20
        print(f"{self.way}: {grown:.0f} MiB more", flush=True)
        self.labels.mode = "paint"
        with self.labels.block_history():
            self.timed("move of a stroke on the canvas", times, self.move_on_canvas)
        self.timed("to the next slice", times, lambda n: self.viewer.dims.set_current_step(0, n))
        if self.way == "linked":
            coronal = self.views()[0]
            self.timed("to the next coronal plane", times, lambda n: self.go(n))
            self.timed("picture of a plane anew", times, lambda n: self.picture(coronal, n))
            self.strokes(coronal, times)
            for title, state in (("a person's", 1), ("the machine's", 3), ("untouched", 0)):
                self.timed(f"end of a stroke through all of {title} slices", 5, self.ended(state))
        self.session.autosave.close()
        self.viewer.close()
        self.wait(0.5)
        return self.rows

    def open(self) -> None:
        """Show the other planes."""
        if self.way == "linked":
            self.workspace.header.views.click()
        elif self.way == "napari":
            self.open_viewers()

    def open_viewers(self) -> None:
        """Two further viewers in this window, on the same arrays."""
        from napari.components import ViewerModel
        from napari.qt import QtViewer
        from qtpy.QtCore import Qt
        from qtpy.QtWidgets import QSplitter

        both = QSplitter(Qt.Orientation.Vertical)
        for order in ((1, 0, 2), (2, 0, 1)):
            model = ViewerModel()
            model.add_image(self.session.image.data, contrast_limits=(0, 1000))
            labels = model.add_labels(self.labels.data)
            model.dims.order = order
            canvas = QtViewer(model)
            both.addWidget(canvas)
            self.others.append((model, canvas, labels))

            def follow(event: Any, labels: Any = labels) -> None:
                labels.refresh()

            self.labels.events.labels_update.connect(follow)
        self.viewer.window.add_dock_widget(both, name="planes", area="right")

    def move_on_canvas(self, number: int) -> None:
        """What napari does for one move of a stroke of the brush."""
        rows, columns = np.mgrid[200:212, 100 + number : 112 + number]
        at = (np.full(rows.size, 200), rows.ravel(), columns.ravel())
        self.labels.data_setitem(at, 2)

    def go(self, number: int) -> None:
        """Go through the coronal planes."""
        at = self.session.crosshair.at
        self.session.crosshair.go(at[0], 100 + number, at[2])

    def picture(self, view: Any, number: int) -> None:
        """Make the picture of another plane, without the window."""
        view.number = 100 + number
        view._made(view.glass)

    def strokes(self, view: Any, times: int) -> None:
        """Moves of a stroke in a side view."""
        from napari_dim.gui.tools.cross_strokes import CrossStroke

        self.labels.brush_size = 12
        stroke = CrossStroke(self.session.mask, view.plane, view.number)
        self.timed(
            "move of a stroke in the coronal view",
            times,
            lambda n: stroke.go(np.array([150.0 + n, 60.0 + n])),
        )
        stroke.end()

    def ended(self, state: int) -> Callable[[int], None]:
        """The end of a stroke from the first slice to the last, all of one state."""
        from napari_dim.gui.tools.cross_strokes import CrossStroke
        from napari_dim.states import SliceState

        mask = self.session.mask
        count = len(mask.planes)
        truth = self.labels.data.copy()
        mask.act("state", dict.fromkeys(range(count), SliceState(1)), dict(enumerate(truth)))
        if state != SliceState.PAINTED:
            mask.act("state", dict.fromkeys(range(count)))
        if state == SliceState.MACHINE:
            mask.take(np.arange(count), np.where(truth > 0, 1, 0).astype(np.uint8))
            assert (mask.states == SliceState.MACHINE).all()
        view = self.views()[0]

        def end(number: int) -> None:
            if number:
                mask.undo()
            stroke = CrossStroke(mask, view.plane, view.number)
            stroke.go(np.array([0.0, 30.0]))
            stroke.go(np.array([count - 1.0, 30.0]))
            self.begin()
            stroke.end()

        return end

    def views(self) -> Any:
        """The linked views."""
        from napari_dim.gui.panels.views_dock import _DOCKS

        return _DOCKS[self.session].views.views

    def timed(self, what: str, times: int, act: Callable[[int], Any]) -> None:
        """Do something so many times, each until all of it is painted."""
        took, busy = [], []
        for number in range(times):
            self.begin()
            act(number)
            self.painted()
            took.append(1000 * (time.perf_counter() - self.begun))
            busy.append(1000 * (time.process_time() - self.busy))
            self.wait(0.05)
        p50, p95, p99 = (float(value) for value in np.percentile(took, (50, 95, 99)))
        figures = {"cpu": float(np.median(busy)), "p50": p50, "p95": p95, "p99": p99}
        self.rows.append({"what": what, "way": self.way, **figures})

    def begin(self) -> None:
        """What is measured begins here."""
        self.begun, self.busy = time.perf_counter(), time.process_time()

    def painted(self) -> None:
        """Paint all that waits to be painted, at once."""
        from qtpy.QtWidgets import QApplication

        QApplication.processEvents()
        if self.way == "linked" and self.workspace.header.views.isChecked():
            for view in self.views():
                if view._image is None:
                    view.repaint()
        for _, canvas, _ in self.others:
            canvas.canvas.native.repaint()
        QApplication.processEvents()

    def wait(self, seconds: float) -> None:
        """Let the window work for a while."""
        from qtpy.QtWidgets import QApplication

        end = time.monotonic() + seconds
        while time.monotonic() < end:
            QApplication.processEvents()
            time.sleep(0.002)


if __name__ == "__main__":
    main()
