"""Make the picture of the tools of a slice: each in the middle of its gesture, in a real window.

Without a screen: ``xvfb-run -a -s "-screen 0 1366x768x24" python docs/make_tool_pictures.py``.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # the hand of the tests

SIDE = 420
"""Pixels of each picture."""
MARGIN = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("images"))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_DATA_HOME"] = folder
        Pictures().make().save(args.out / "tools.png", optimize=True)


class Pictures:
    """One window with the phantom."""

    def __init__(self) -> None:
        import napari
        from tests.hands.hand import Hand

        self.viewer = napari.Viewer(title="napari-dim")
        self.viewer.window.resize(1366, 768)
        _, self.workspace = self.viewer.window.add_plugin_dock_widget("napari-dim", "Workspace")
        self.session, self.hand = self.workspace.session, Hand(self.viewer)

    def make(self) -> Any:
        """Go through the tools; returns the pictures beside each other."""
        from skimage.measure import find_contours

        from napari_dim.gui.layers.image_layers import go_to_slice

        viewer, annotate = self.viewer, self.workspace.annotate
        layers = viewer.open_sample("napari-dim", "phantom")
        reference, image = layers[-1].data, next(one for one in layers[:-1] if one.visible)
        viewer.layers.remove(layers[-1])
        annotate.image.pick(image)
        self.hand.rest(1)
        self.hand.click(annotate.new)
        self.layer = self.session.labels
        number = int(np.argmax((reference > 0).sum((1, 2))))
        body = reference[number] > 0
        border = max(find_contours(body.astype(float), 0.5), key=len)
        self.border = border[:: len(border) // 5]
        self.low, self.high = np.argwhere(body).min(0), np.argwhere(body).max(0)
        go_to_slice(viewer, image, number)
        middle = (self.low + self.high) / 2
        viewer.camera.center = tuple(self.layer.data_to_world((number, *middle)))
        span = float(((self.high - self.low) * np.abs(self.layer.scale[1:])).max())
        viewer.camera.zoom = 0.6 * SIDE / span
        self.hand.rest(1)
        shots = [
            self.during("Shift-E", self.ellipse), self.during("9", self.threshold),
            self.during("0", self.grow), self.during("Shift-X", self.live_wire),
        ]  # fmt: skip
        self.session.autosave.close()
        viewer.close()
        return beside(shots)

    def during(self, key: str, gesture: Callable[[], Callable[[], None]]) -> np.ndarray:
        """The scan in the middle of a gesture, ``(row, column, colour)``."""
        self.hand.press(key)
        end = gesture()
        self.hand.rest(0.3)
        shot = self.viewer.screenshot(canvas_only=True, flash=False)[..., :3]
        middle = np.array(shot.shape[:2]) // 2 - SIDE // 2
        end()
        while self.session.mask.undo() is not None:
            pass
        self.hand.press("2")
        return shot[middle[0] : middle[0] + SIDE, middle[1] : middle[1] + SIDE]

    def ellipse(self) -> Callable[[], None]:
        """An ellipse around the body."""
        room = 0.06 * (self.high - self.low)
        return self.drag(self.low - room, self.high + room)

    def threshold(self) -> Callable[[], None]:
        """What is within limits that were picked in the body."""
        middle = (self.low + self.high) / 2
        self.hand.stroke(self.layer, tuple(middle), held="Shift")
        return lambda: self.session.held_range.hold(False)

    def grow(self) -> Callable[[], None]:
        """What hangs together with the middle."""
        from qtpy.QtCore import QPoint

        middle = self.hand.at(*((self.low + self.high) / 2), self.layer)
        return self.press(middle, middle + QPoint(20, 0), middle + QPoint(40, 0))

    def live_wire(self) -> Callable[[], None]:
        """Three points of an outline, and the way to the mouse."""
        for pixel in self.border[:3]:
            self.hand.sweep(self.place(pixel))
        self.hand.hover(self.place(self.border[3]))
        return lambda: self.hand.press("Escape")

    def place(self, pixel: np.ndarray) -> Any:
        """Where a pixel is seen."""
        return self.hand.at(*pixel, self.layer)

    def drag(self, *pixels: np.ndarray) -> Callable[[], None]:
        """Hold the button down from one pixel to another."""
        first, last = (self.place(pixel) for pixel in pixels)
        return self.press(first, (first + last) / 2, last)

    def press(self, *places: Any) -> Callable[[], None]:
        """Hold the button down over places; returns what lets it go."""
        from tests.hands.hand import MOVE, PRESS, RELEASE

        self.hand.mouse(PRESS, places[0])
        for place in places:
            self.hand.mouse(MOVE, place)
        return lambda: self.hand.mouse(RELEASE, places[-1])


def beside(shots: list[np.ndarray]) -> Any:
    """Pictures in two rows of two."""
    from PIL import Image

    step = SIDE + MARGIN
    whole = Image.new("RGB", (2 * step - MARGIN, 2 * step - MARGIN), "white")
    for number, shot in enumerate(shots):
        whole.paste(Image.fromarray(shot), (number % 2 * step, number // 2 * step))
    return whole


if __name__ == "__main__":
    main()
