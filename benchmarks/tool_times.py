"""How long each tool of a slice takes to answer, by mouse events in a real window.

Without a screen: ``xvfb-run -a -s "-screen 0 1366x768x24" python benchmarks/tool_times.py``.
On one core; a made scan of 512x512 pixels a slice, or any other (`--image`).

Each gesture is done at many places and sizes. The time of an answer is from an event of the
mouse until mask or preview hold what it asks for; until all is drawn comes on top. What the
window's thread computed in it is told apart: other work on the machine does not count there.
Of tools that draw while the mouse moves, moves are timed apart from the end, where the mask is
made.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # the hand of the tests

ASKED = 100
"""Milliseconds that an answer may take."""
SIZE = 512
MOVES = 8
"""Places that the mouse is seen at in one gesture."""
PAUSE = 0.02
"""Seconds between two moves: napari leaves faster ones out."""
Answer = tuple[float, float, float]
"""Seconds of an answer, of computing in them, and until all is drawn."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image", type=Path, help="a scan; by default one is made")
    parser.add_argument("--gestures", type=int, default=60, help="of each tool")
    parser.add_argument("--core", type=int, default=0, help="the core that it runs on")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    args = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {args.core})
    times = Times(args.image, args.gestures)
    rows = [row_of(name, found) for name, found in times.measure()]
    print("\n" + table(rows))
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")


def row_of(name: str, found: list[Answer]) -> dict[str, Any]:
    """Median and 99th percentile of answers, of their computing, and with drawing, in ms."""
    row: dict[str, Any] = {"what": name, "answers": len(found)}
    for part, values in zip(("", "computing_", "drawn_"), 1000 * np.array(found).T, strict=True):
        row[f"{part}median"], row[f"{part}p99"] = np.percentile(values, (50, 99))
    middle, late = row["median"], row["p99"]
    print(f"{name}: {middle:.0f} ms, 99 % {late:.0f} ms", file=sys.stderr, flush=True)
    return row


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as Markdown."""
    lines = [
        "| tool | answers | median | 99 % | computing | 99 % | with drawing | 99 % |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        over = "" if row["p99"] <= ASKED else " (over)"
        lines.append(
            f"| {row['what']} | {row['answers']} | {row['median']:.0f} ms | "
            f"{row['p99']:.0f} ms{over} | {row['computing_median']:.0f} ms | "
            f"{row['computing_p99']:.0f} ms | {row['drawn_median']:.0f} ms | "
            f"{row['drawn_p99']:.0f} ms |"
        )
    return "\n".join(lines)


def scan(count: int = 12) -> np.ndarray:
    """Bright bodies and threads of all sizes in noise, ``(slice, row, column)`` int16."""
    from scipy import ndimage

    random = np.random.default_rng(0)
    made = np.zeros((count, SIZE, SIZE), np.float32)
    for blur, height in ((40, 120), (12, 60), (4, 30)):
        field = ndimage.gaussian_filter(random.normal(size=made.shape), (2, blur, blur))
        made += height * np.tanh(2 * field / field.std())
    return (made + random.normal(0, 12, made.shape)).astype(np.int16)


class Times:
    """One window."""

    def __init__(self, image: Path | None, gestures: int) -> None:
        import napari
        from tests.hands.hand import Hand

        self.viewer = napari.Viewer(title="napari-dim")
        self.viewer.window.resize(1366, 768)
        _, self.workspace = self.viewer.window.add_plugin_dock_widget("napari-dim", "Workspace")
        self.session = self.workspace.session
        if image is None:
            self.viewer.add_image(scan(), name="scan", scale=(3.0, 1.0, 1.0))
        else:
            self.viewer.open(image, plugin="napari-dim")
        self.hand, self.gestures = Hand(self.viewer), gestures
        self.hand.rest(2)
        self.hand.click(self.workspace.annotate.new)
        self.layer = self.session.labels
        self.viewer.reset_view()
        self.hand.rest(1)
        self.random = np.random.default_rng(1)
        self.found: dict[str, list[Answer]] = defaultdict(list)

    def measure(self) -> Iterator[tuple[str, list[Answer]]]:
        """The seconds of each answer, without and with drawing, tool after tool."""
        tools = {
            "8": self.scribble, "Shift-B": self.box, "Shift-E": self.ellipse,
            "9": self.threshold, "0": self.grow, "Shift-X": self.live_wire,
        }  # fmt: skip
        for key, gesture in tools.items():
            self.hand.press(key)
            assert self.session.tool is not None, self.session.message
            for number in range(self.gestures):
                self.viewer.dims.set_current_step(0, number % len(self.layer.data))
                self.hand.rest(0.1)
                gesture()
                while self.session.mask.undo() is not None:  # the next one finds nothing there
                    pass
                self.hand.rest(0.05)
            yield from self.found.items()
            self.found.clear()
        self.session.autosave.close()
        self.viewer.close()

    def scribble(self) -> None:
        """Strokes of the class and of what it is not; each one is an answer."""
        from tests.hands.hand import RIGHT

        self.layer.brush_size = int(self.random.integers(3, 16))
        for number in range(3):
            self.stroke("scribble", button=RIGHT if number == 2 else None)

    def box(self) -> None:
        """A box of any size."""
        self.stroke("box")

    def ellipse(self) -> None:
        """An ellipse of any size."""
        self.stroke("ellipse")

    def threshold(self) -> None:
        """A stroke with a wide brush, and other limits."""
        self.layer.brush_size = int(self.random.integers(10, 60))
        self.stroke("threshold")
        low, high = sorted(self.random.uniform(-200, 200, 2))
        held = self.session.held_range
        self.timed("limits of the threshold", lambda: held.give(np.array([low]), np.array([high])))
        held.hold(False)

    def grow(self) -> None:
        """From a spot, a drag to the right and back."""
        self.stroke("grow")

    def live_wire(self) -> None:
        """Some points far apart, with the mouse under way between, then closed."""
        from qtpy.QtCore import Qt
        from tests.hands.hand import LEFT, MOVE, PRESS, RELEASE

        none = Qt.MouseButton.NoButton
        points = self.random.uniform(0.1, 0.9, (4, 2)) * SIZE
        for number, point in enumerate(points):
            for share in np.linspace(0.2, 1, MOVES) if number else ():
                way = points[number - 1] + share * (point - points[number - 1])
                self.mouse("live wire, mouse moves", MOVE, way, none)
            self.mouse("live wire, click", PRESS, point, LEFT)
            self.mouse("", RELEASE, point, LEFT)
        self.timed("live wire, closing", self.session.tool.close)

    def stroke(self, name: str, button: Any = None) -> None:
        """A drag between two places of the slice, at least a twentieth of it apart."""
        from tests.hands.hand import LEFT, MOVE, PRESS, RELEASE

        button = button or LEFT
        start = self.random.uniform(0.15, 0.85, 2) * SIZE
        reach = self.random.uniform(0.05, 0.4) * SIZE
        angle = self.random.uniform(0, 2 * np.pi)
        end = np.clip(start + reach * np.array([np.sin(angle), np.cos(angle)]), 2, SIZE - 3)
        self.mouse(f"{name}, press", PRESS, start, button)
        for share in np.linspace(0.2, 1, MOVES):
            self.mouse(f"{name}, mouse moves", MOVE, start + share * (end - start), button)
        self.mouse(f"{name}, end", RELEASE, end, button)

    def mouse(self, name: str, kind: Any, pixel: np.ndarray, button: Any) -> None:
        """One event of the mouse over a pixel of the slice."""
        from qtpy.QtCore import QPointF, Qt
        from qtpy.QtGui import QMouseEvent
        from qtpy.QtWidgets import QApplication
        from tests.hands.hand import MOVE, RELEASE

        none, canvas = Qt.MouseButton.NoButton, self.hand.canvas
        place = QPointF(self.hand.at(*pixel, self.layer))
        event = QMouseEvent(
            kind, place, QPointF(canvas.mapToGlobal(place.toPoint())),
            none if kind == MOVE else button, none if kind == RELEASE else button,
            Qt.KeyboardModifier.NoModifier,
        )  # fmt: skip
        self.timed(name, lambda: QApplication.sendEvent(canvas, event))
        self.hand.rest(PAUSE)

    def timed(self, name: str, act: Any) -> None:
        """Do something, and note how long it took, without and with drawing."""
        from qtpy.QtWidgets import QApplication

        QApplication.processEvents()
        begun, computed = time.perf_counter(), time.thread_time()
        act()
        answered, computed = time.perf_counter() - begun, time.thread_time() - computed
        QApplication.processEvents()
        if name:
            self.found[name].append((answered, computed, time.perf_counter() - begun))


if __name__ == "__main__":
    main()
