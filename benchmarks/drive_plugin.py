"""Drive the plugin in a real window, as an annotator would, and say how good the masks are.

Without a screen: ``xvfb-run -a -s "-screen 0 1366x768x24" python benchmarks/drive_plugin.py
--image scan.nii.gz --labels reference.nii.gz --out shots``. A folder of pictures is given by
all of its pictures.

All but the length of the training is done by keys and mouse: the scan is dropped on the window,
outlines of the reference are clicked as polygons on some slices, the suggested slices are
corrected by polygons around what is missing and what is too much, or accepted where there is
neither. Prints the Dice of the mask that would be exported after each step.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # the hand of the tests

LEAST = 4
"""Pixels of the smallest difference that a person mends."""
ROUNDS = 3
"""How often a person goes over one slice."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image", type=Path, nargs="+", required=True)
    parser.add_argument("--labels", type=Path, nargs="+", required=True, help="reference masks")
    parser.add_argument("--seconds", type=float, default=60, help="of each training")
    parser.add_argument("--slices", type=int, default=5, help="labelled at first")
    parser.add_argument("--review", type=int, default=5, help="suggested slices that are corrected")
    parser.add_argument("--rounds", type=int, default=2, help="how often it is trained")
    parser.add_argument("--out", type=Path, default=Path("drive"))
    parser.add_argument("--size", default="1366x768", help="of the window")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    result = Drive(args).run()
    print(json.dumps(result, indent=2))
    (args.out / "drive.json").write_text(json.dumps(result, indent=2) + "\n")


class Drive:
    """One pass through the plugin."""

    def __init__(self, args: argparse.Namespace) -> None:
        import napari
        from tests.hands.hand import Hand

        from napari_dim.io import read_mask, read_volume

        self.args = args
        self.viewer = napari.Viewer(title="napari-dim")
        width, height = (int(n) for n in args.size.split("x"))
        self.viewer.window.resize(width, height)
        self.reference = np.concatenate(
            [
                read_mask(label, read_volume(image))
                for image, label in zip(args.image, args.labels, strict=True)
            ]
        )
        self.ids = [int(i) for i in np.unique(self.reference) if i]
        self.hand, self.clicks = Hand(self.viewer), 0
        self.result: dict[str, object] = {
            "image": args.image[0].name if len(args.image) == 1 else f"{len(args.image)} images",
            "seconds": args.seconds,
        }

    def run(self) -> dict[str, object]:
        """Do it all; returns the figures."""
        viewer, result = self.viewer, self.result
        _, self.workspace = viewer.window.add_plugin_dock_widget("napari-dim", "Workspace")
        workspace = self.workspace
        self.session = workspace.session
        workspace.train.runs.path = self.args.out / "runs"
        self.shoot("1_empty")
        self.open()
        began = time.monotonic()
        result["labelled"] = self.chosen_slices()
        for number in self.chosen_slices():
            self.go(number)
            self.trace(number)
        result["drawing (s, clicks)"] = [round(time.monotonic() - began, 1), self.clicks]
        result["dice of the drawn slices"] = self.drawn_dice(self.chosen_slices())
        self.process(0.5)
        self.shoot("2_annotate")

        for round_ in range(1, self.args.rounds + 1):
            result[f"training {round_}"] = self.train(f"{round_ + 2}_train")
            result[f"dice after training {round_}"] = self.exported_dice()
            if round_ < self.args.rounds:
                result["corrected"] = self.review()
                result["dice after the corrections"] = self.exported_dice()
                self.turn(2)
                self.shoot("5_review")
        self.turn(3)
        self.shoot("6_export")
        if len(self.args.image) == 1:
            result["dice of the saved file"] = self.dice(self.saved(self.args.out / "saved.nii.gz"))
        viewer.close()
        return result

    def open(self) -> None:
        """Drop the files on the window, begin a mask and give it its classes."""
        self.hand.drop(*self.args.image)
        while self.session.image is None:
            self.process(0.1)
        annotate = self.workspace.annotate
        if self.session.labels is None:
            self.hand.click(annotate.new)
        while len(annotate.classes.classes) < len(self.ids):
            self.hand.click(annotate.classes.add)
        self.process(0.3)

    def turn(self, tab: int) -> None:
        """Click a tab."""
        from qtpy.QtTest import QTest
        from tests.hands.hand import LEFT

        bar = self.workspace.tabs.tabBar()
        QTest.mouseClick(bar, LEFT, pos=bar.tabRect(tab).center())
        self.process(0.1)

    def go(self, number: int) -> None:
        """Click a slice in the strip."""
        from qtpy.QtCore import QPoint
        from qtpy.QtTest import QTest
        from tests.hands.hand import LEFT

        strip = self.workspace.strip
        x = round((number + 0.5) * strip.width() / len(self.reference))
        QTest.mouseClick(strip, LEFT, pos=QPoint(x, strip.height() // 2))
        self.process(0.1)

    def trace(self, number: int) -> bool:
        """Make a slice what the reference is, as far as polygons do; whether there was need."""
        self.turn(0)
        wanted, began = self.reference[number], self.clicks
        for _ in range(ROUNDS):
            before = self.clicks
            table = self.workspace.annotate.classes.table
            self.hand.click_item(table, 0, 1)
            self.hand.press("3")
            self.hand.press("X")  # napari's: the background in place of the class
            self.outline(lambda shown: (shown > 0) & (wanted == 0))
            self.hand.press("X")
            for row, class_id in enumerate(self.ids):
                self.hand.click_item(table, row, 1)
                self.outline(lambda shown, c=class_id: (wanted == c) & (shown != c))
            if self.clicks == before:
                break
        return self.clicks > began

    def outline(self, differs: Callable[[np.ndarray], np.ndarray]) -> None:
        """Click polygons around the parts where what is shown differs."""
        from qtpy.QtTest import QTest
        from skimage.measure import approximate_polygon, find_contours, label
        from tests.hands.hand import LEFT

        layer, canvas = self.session.labels, self.hand.canvas
        number = self.hand.viewer.dims.current_step[0]
        parts = label(differs(np.asarray(layer.data[number])), connectivity=1)
        for part in range(1, parts.max() + 1):
            one = parts == part
            if one.sum() < LEAST:
                continue
            longest = max(find_contours(np.pad(one, 1).astype(float), 0.5), key=len) - 1
            for row, column in approximate_polygon(longest, 0.5)[:-1]:
                place = self.hand.at(row, column, layer)
                QTest.mouseMove(canvas, place)
                QTest.mouseClick(canvas, LEFT, pos=place)
                self.hand.rest()
                self.clicks += 1
            QTest.mouseDClick(canvas, LEFT, pos=place)
            self.hand.rest()

    def train(self, picture: str) -> dict[str, float]:
        """Press Train and wait; returns what it took."""
        tab, session = self.workspace.train, self.session
        self.turn(1)
        tab.set_budget(self.args.seconds)
        began = time.monotonic()
        self.hand.click(tab.button)
        first = None
        shot = False
        while session.busy:
            self.process(0.1)
            if first is None and session.answer is not None:
                first = round(time.monotonic() - began, 1)
            if not shot and session.share > 0.7:
                shot = True
                self.shoot(picture)
        return {
            "first preview (s)": first,
            "until predicted (s)": round(time.monotonic() - began, 1),
            "steps": session.history[-1].step,
        }

    def review(self) -> dict[str, object]:
        """Correct or accept the suggested slices, one after the other."""
        began, clicks = time.monotonic(), self.clicks
        corrected, accepted = [], []
        for _ in range(self.args.review):
            self.turn(2)
            self.hand.click(self.workspace.review.following)
            number = int(self.viewer.dims.current_step[0])
            if self.trace(number):
                corrected.append(number)
            else:
                self.turn(2)
                self.hand.click(self.workspace.review.accept)
                accepted.append(number)
        took = round(time.monotonic() - began, 1)
        return {
            "corrected": corrected,
            "accepted": accepted,
            "seconds": took,
            "clicks": self.clicks - clicks,
        }

    def saved(self, path: Path) -> np.ndarray:
        """Click Export, answer its dialog, and read the file."""
        from tests.hands.hand import choose

        from napari_dim.io import read_mask, read_volume

        with self.hand.answering(choose(path)):
            self.hand.click(self.workspace.export.button)
        while self.session.busy or not path.exists():
            self.process(0.1)
        self.result["message"] = self.session.message
        return read_mask(path, read_volume(self.args.image[0]))

    def exported_dice(self) -> float:
        """Of the mask that Export would write now."""
        from napari_dim.gui.logic.mask_contents import SHOWN, exported

        return self.dice(exported(self.session.mask, SHOWN)[0])

    def chosen_slices(self) -> list[int]:
        """Slices spread evenly over those that show something."""
        present = np.flatnonzero(self.reference.any(axis=(1, 2)))
        shares = (np.arange(self.args.slices) + 0.5) / self.args.slices
        return [int(present[int(share * len(present))]) for share in shares]

    def drawn_dice(self, numbers: list[int]) -> float:
        """How well the polygons follow the reference."""
        shown = np.asarray(self.session.labels.data)
        return self.dice(shown[numbers], self.reference[numbers])

    def dice(self, mask: np.ndarray, reference: np.ndarray | None = None) -> float:
        """Mean over the reference's classes."""
        values = []
        reference = self.reference if reference is None else reference
        for class_id in self.ids:
            a, b = mask == class_id, reference == class_id
            values.append(2 * np.sum(a & b) / (np.sum(a) + np.sum(b)))
        return round(float(np.mean(values)), 4)

    def process(self, seconds: float) -> None:
        """Let the window work for a while."""
        from qtpy.QtWidgets import QApplication

        end = time.monotonic() + seconds
        while time.monotonic() < end:
            QApplication.processEvents()
            time.sleep(0.005)

    def shoot(self, name: str) -> None:
        """Save a picture of the whole window."""
        self.process(0.7)
        self.viewer.screenshot(str(self.args.out / f"{name}.png"), canvas_only=False, flash=False)


if __name__ == "__main__":
    main()
