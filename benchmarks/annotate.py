"""From nothing to a mask of the whole scan with a Dice of 0.90: how long does a person need?

Without a screen: ``xvfb-run -a -s "-screen 0 1366x768x24" python benchmarks/annotate.py
--image scan.nii.gz --labels reference.nii.gz --by tools --out shots``; ``--by brush`` does the
same with the brush and the eraser alone.

Keys and mouse alone, in a real window: a few slices are drawn, a network is trained, suggested
slices are corrected, it is trained on, until the mask that would be exported has the Dice
wanted. ``tools``: Scribble makes a slice's mask from strokes along its middle and along the
middle of the largest mistake, with the right button where it is too much; what six strokes
leave far off is mended with the brush. ``brush``: paths
along the border, then along ever smaller ones within, with a wider brush; the right button
erases what is too much.

Seconds are those of a hand, `CLICK`, `REACH` and `SPEED` below, the same for both ways (the
script's own mouse is faster), and those that a person waits: for the answer to a stroke, and
for the training.
"""

from __future__ import annotations

import argparse
import json
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
from drive_plugin import Drive
from scipy import ndimage
from simulated_strokes import largest_mistake, stroke_path
from skimage.measure import approximate_polygon, find_contours, label

CLICK = 1.0
"""Seconds for a key or a button, the way there included."""
REACH = 0.8
"""Seconds to aim at the beginning of a stroke."""
SPEED = 150.0
"""Pixels of the screen that a careful stroke covers in a second."""
PAUSE = 0.03
"""Seconds between two moves of the script's own mouse, which nobody waits for."""
LOOK = 1.5
"""Seconds to look at a slice before and after it is drawn."""

ENOUGH = 0.93
"""Dice at which a person takes a slice for drawn."""
MOST_STROKES = 6
GOOD = 0.9
"""Dice below which a slice that so many strokes have made is gone over with the brush."""
FINE, WIDE = 2, 6
"""Width of the brush along a border and within, in pixels of the scan."""
LEAST = 4
"""Pixels of the smallest mistake that a person mends."""
ROUNDS = 8


class Annotation(Drive):
    """A scan annotated from nothing, the seconds of hand and waiting counted."""

    def __init__(self, args: argparse.Namespace) -> None:
        super().__init__(args)
        self.hand_seconds = self.waited = 0.0
        self.strokes = 0

    def run(self) -> dict[str, object]:
        """Do it all; returns the figures."""
        _, self.workspace = self.viewer.window.add_plugin_dock_widget("napari-dim", "Workspace")
        self.session = self.workspace.session
        self.workspace.train.runs.path = self.args.out / "runs"
        self.open()
        rounds: list[dict[str, object]] = []
        wanted = self.chosen_slices()
        for round_ in range(ROUNDS):
            for number in wanted:
                self.go(number)
                self.hand_seconds += CLICK
                self.mend(number)
            drawn = self.exported_dice()
            if drawn < self.args.dice:
                self.wait_for_training(f"{self.args.by}_{round_}")
            rounds.append({
                "slices": wanted, "dice when drawn": drawn, "dice": self.exported_dice(),
                "hand (s)": round(self.hand_seconds), "waited (s)": round(self.waited),
                "strokes": self.strokes,
            })  # fmt: skip
            print(json.dumps(rounds[-1]), flush=True)
            if self.exported_dice() >= self.args.dice:
                break
            wanted = self.suggested()
        self.shoot(f"{self.args.by}_end")
        self.viewer.close()
        return {
            "by": self.args.by, "rounds": rounds,
            "seconds": round(self.hand_seconds + self.waited), "reached": rounds[-1]["dice"],
        }  # fmt: skip

    def suggested(self) -> list[int]:
        """Slices that the network would like to be labelled, as the button shows them."""
        found: list[int] = []
        for suggestion in self.session.suggested_here[: self.args.review]:
            found.append(int(suggestion.number))
        self.turn(0)
        return found

    def wait_for_training(self, picture: str) -> None:
        """Train for a while; a person waits for it."""
        self.hand_seconds += 2 * CLICK
        began = time.monotonic()
        self.train(picture)
        self.waited += time.monotonic() - began
        self.turn(0)

    def mend(self, number: int) -> None:
        """Draw until a slice is what the reference is, nearly, class by class."""
        self.turn(0)
        self.hand_seconds += LOOK
        for row, class_id in enumerate(self.ids):
            truth = self.reference[number] == class_id
            if len(self.ids) > 1:
                self.hand.click_item(self.workspace.annotate.classes.table, row, 1)
                self.hand_seconds += CLICK
            if self.args.by == "tools":
                self.scribble(number, class_id, truth)
            else:
                self.brush(number, class_id, truth)
        if not self.session.labels.data[number].any() or self.untouched(number):
            self.hand.press("W" if self.session.answer is not None else "K")
            self.hand_seconds += CLICK
        self.hand_seconds += LOOK

    def untouched(self, number: int) -> bool:
        """Whether nobody has said anything of a slice yet."""
        from napari_dim.states import FREE

        return int(self.session.mask.states[number]) in FREE

    def shown(self, number: int, class_id: int) -> np.ndarray:
        """The mask of a class as the window shows it."""
        return np.asarray(self.session.labels.data[number]) == class_id

    def scribble(self, number: int, class_id: int, truth: np.ndarray) -> None:
        """Strokes along the middle of the largest mistake, until the slice is drawn."""
        self.hand.press("8")
        self.hand_seconds += CLICK
        for _ in range(MOST_STROKES):
            mask = self.shown(number, class_id)
            part, missing = largest_mistake(mask, truth)
            if part is None or part.sum() < LEAST or overlap(mask, truth) >= ENOUGH:
                break
            path, _ = stroke_path(part)
            self.draw(path[:: max(1, len(path) // 12)], missing)
        self.hand.press("8")
        if overlap(self.shown(number, class_id), truth) < GOOD:
            self.brush(number, class_id, truth)

    def brush(self, number: int, class_id: int, truth: np.ndarray) -> None:
        """Brush along borders and within them what is missing, erase what is too much."""
        self.hand.press("2")
        self.hand_seconds += CLICK
        layer = self.session.labels
        for missing in (True, False):
            mask = self.shown(number, class_id)
            parts = label(truth & ~mask if missing else mask & ~truth, connectivity=1)
            for one in range(1, parts.max() + 1):
                part = parts == one
                if part.sum() < LEAST or overlap(self.shown(number, class_id), truth) >= ENOUGH:
                    continue
                depth = ndimage.distance_transform_edt(np.pad(part, 1))
                reach, width = FINE / 2, FINE
                while reach <= max(depth.max() - 0.5, FINE / 2):
                    layer.brush_size = width
                    self.hand_seconds += CLICK if width != FINE or reach == FINE / 2 else 0
                    level = min(reach, depth.max() - 0.01)
                    for line in find_contours(depth, level):
                        self.draw(approximate_polygon(line - 1, 0.4), missing)
                    reach, width = reach + width / 2 + WIDE / 2 - 0.5, WIDE

    def draw(self, path: np.ndarray, wanted: bool) -> None:
        """A stroke with the left button, or with the right one where it is too much."""
        from tests.hands.hand import LEFT, RIGHT

        layer = self.session.labels
        places = [self.hand.at(row, column, layer) for row, column in path]
        length = sum(np.hypot(b.x() - a.x(), b.y() - a.y()) for a, b in pairwise(places))
        began = time.monotonic()
        self.hand.sweep(*places, button=LEFT if wanted else RIGHT)
        self.waited += max(0.0, time.monotonic() - began - PAUSE * (len(places) + 2))
        self.hand_seconds += REACH + length / SPEED
        self.strokes += 1


def overlap(mask: np.ndarray, truth: np.ndarray) -> float:
    """Dice of a slice; 1 where both are empty."""
    both = np.count_nonzero(mask) + np.count_nonzero(truth)
    return 2 * np.count_nonzero(mask & truth) / both if both else 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image", type=Path, nargs=1, required=True)
    parser.add_argument("--labels", type=Path, nargs=1, required=True, help="reference mask")
    parser.add_argument("--by", choices=["tools", "brush"], required=True)
    parser.add_argument("--dice", type=float, default=0.9, help="of the whole scan")
    parser.add_argument("--seconds", type=float, default=30, help="of each training")
    parser.add_argument("--slices", type=int, default=5, help="labelled at first")
    parser.add_argument("--review", type=int, default=3, help="suggested slices a round")
    parser.add_argument("--out", type=Path, default=Path("annotate"))
    parser.add_argument("--size", default="1366x768", help="of the window")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    result = Annotation(args).run()
    print(json.dumps(result, indent=2))
    (args.out / f"{args.by}.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
