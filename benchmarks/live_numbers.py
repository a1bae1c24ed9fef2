"""How fast the numbers of a mask and the differences of two follow, on a scan of 512x512x400.

Without a screen: ``xvfb-run -a -s "-screen 0 1366x768x24" python benchmarks/live_numbers.py``.

In a real napari window: the seconds from the key until all slices are counted or compared, and
meanwhile the gaps between the beats of a 5 ms timer, which are how long the window did not
react; then, of strokes by mouse events, the milliseconds from the release of the button until
the table shows the new numbers (they wait 80 ms on purpose, differences 120 ms). `--alone`
measures the counting of each slice without a window, in milliseconds of one core, which other
programs change little.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # the hand of the tests

BEAT = 5
"""Milliseconds between two beats."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, default=400)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--strokes", type=int, default=30)
    parser.add_argument("--alone", action="store_true", help="without a window")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    args = parser.parse_args()
    if args.alone:
        alone(args.slices, args.side)
        return
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_DATA_HOME"] = folder
        rows = Window(args.slices, args.side).measure(args.strokes)
    titles = ("what", "all of it", "gap 50 %", "99 %", "largest", "stroke 50 %", "99 %", "load")
    print(f"| {' | '.join(titles)} |\n|{'---|' * len(titles)}")
    for row in rows:
        print(
            f"| {row['what']} | {row['all_s']:.1f} s | {row['gap_50']:.0f} ms | "
            f"{row['gap_99']:.0f} ms | {row['gap_max']:.0f} ms | {row['stroke_50']:.0f} ms | "
            f"{row['stroke_99']:.0f} ms | {row['load']:.1f} |"
        )
    if args.json:
        args.json.write_text(json.dumps(rows, indent=2) + "\n")


def alone(slices: int, side: int) -> None:
    """The time that each slice takes a core, as a table."""
    from napari_dim.gui.logic.live_numbers import tally
    from napari_dim.gui.logic.mask_differences import compare

    image, mask = scan(slices, side)
    reader = np.roll(mask, 5, 1)
    print("| what | 50 % | 99 % | all slices |\n|---|---|---|---|")
    for what, count in (
        ("numbers", lambda n: tally(mask[n], image[n])),
        ("differences", lambda n: compare(n, mask[n], reader[n])),
    ):
        took = []
        for number in range(slices):
            start = time.process_time()
            count(number)
            took.append((time.process_time() - start) * 1e3)
        low, high = np.percentile(took, (50, 99))
        print(f"| {what} | {low:.1f} ms | {high:.1f} ms | {sum(took) / 1e3:.2f} s |")


def scan(slices: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """A scan with two structures, one within the other, in every slice, and their mask."""
    rows, columns = np.ogrid[:side, :side]
    away = np.hypot(rows - side / 2, columns - side / 2) / side
    plane = np.where(away < 0.12, 2, np.where(away < 0.25, 1, 0)).astype(np.uint8)
    mask = np.repeat(plane[None], slices, 0)
    noise = np.random.default_rng(0).normal(0, 30, (side, side))
    image = np.empty(mask.shape, np.int16)
    for number in range(slices):
        image[number] = 100 * mask[number] + np.roll(noise, number, 1)
    return image, mask


class Window:
    """A window with the scan, its mask, and a reader's that differs in every slice."""

    def __init__(self, slices: int, side: int) -> None:
        import napari
        from napari.layers import Labels
        from tests.hands.hand import Hand

        self.viewer = napari.Viewer(title="napari-dim")
        self.viewer.window.resize(1366, 768)
        _, self.workspace = self.viewer.window.add_plugin_dock_widget("napari-dim", "Workspace")
        self.hand = Hand(self.viewer)
        image, mask = scan(slices, side)
        place: dict[str, Any] = {"scale": (1.5, 0.7, 0.7), "units": ("mm",) * 3}
        self.viewer.add_image(image, name="scan", **place)
        self.viewer.add_labels(mask, name="mask", **place)
        self.hand.rest(1)
        self.labels: Labels = self.workspace.session.labels
        self.viewer.add_labels(np.roll(mask, 5, 1), name="reader", visible=False, **place)
        self.viewer.layers.selection.active = self.labels
        self.hand.rest(20)  # until all of it is saved

    def measure(self, strokes: int) -> list[dict[str, Any]]:
        """Figures of the numbers, then of the differences."""
        numbers, differences = self.workspace.numbers, self.workspace.differences
        made = []
        for what, key, follower, known in (
            ("numbers", "Shift-N", numbers.counting, lambda: numbers.counting.numbers),
            ("differences", "Shift-D", differences.comparing, lambda: differences.comparing.found),
        ):
            gaps: list[float] = []
            start = time.perf_counter()
            self.hand.press(key)
            self.beat(gaps, lambda f=follower, k=known: k() is not None and not f.waiting)
            whole = time.perf_counter() - start
            # Other rows each time: what is painted already changes nothing.
            first = 20 + len(made) * strokes * 2
            took = [self.stroke(first + place * 2, follower) for place in range(strokes)]
            made.append(
                {
                    "what": what,
                    "all_s": whole,
                    "gap_50": np.percentile(gaps, 50),
                    "gap_99": np.percentile(gaps, 99),
                    "gap_max": max(gaps),
                    "stroke_50": np.percentile(took, 50),
                    "stroke_99": np.percentile(took, 99),
                    "load": os.getloadavg()[0],
                }
            )
            self.hand.press(key)
        return made

    def beat(self, gaps: list[float], until: Any) -> None:
        """Let the window work, and write down how long it does not react, in ms."""
        from qtpy.QtCore import QTimer
        from qtpy.QtWidgets import QApplication

        last = [time.perf_counter()]

        def tick() -> None:
            now = time.perf_counter()
            gaps.append((now - last[0]) * 1e3)
            last[0] = now

        timer = QTimer(interval=BEAT)
        timer.timeout.connect(tick)
        timer.start()
        while not until():
            QApplication.processEvents()
        timer.stop()

    def stroke(self, row: int, follower: Any) -> float:
        """Milliseconds from the end of a stroke along a row until its slice is counted."""
        from qtpy.QtWidgets import QApplication

        from napari_dim.gui.commands import slice_commands as slices

        session = self.workspace.session
        number = (row * 7) % len(session.mask.planes)
        slices.go_to(session, number)
        self.hand.press("Alt-1")
        self.labels.brush_size = 9
        side = self.labels.data.shape[1]
        self.hand.rest(0.3)
        before = session.mask.versions[number]
        self.hand.stroke(self.labels, (row, 20), (row, side // 3))
        start = time.perf_counter()
        while time.perf_counter() < start + 10:
            QApplication.processEvents()
            now = session.mask.versions[number]
            if now != before and self.known(follower, number) == now:
                break
        return (time.perf_counter() - start) * 1e3

    @staticmethod
    def known(follower: Any, number: int) -> int:
        """The version of a slice of the mask that is counted or compared by now."""
        known = follower.numbers if hasattr(follower, "numbers") else follower.found
        version = known.version_of(number)
        return int(version[0] if isinstance(version, tuple) else version)


if __name__ == "__main__":
    main()
