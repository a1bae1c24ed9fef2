"""Make the pictures of the docs from a real window on the sample data.

Without a screen: ``xvfb-run -a -s "-screen 0 1366x768x24" python docs/make_screenshots.py``.
Takes about four minutes: the masks in the pictures come from a real training.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari.layers import Image, Labels
    from qtpy.QtWidgets import QDialog

BESIDE = ("numbers", "differences", "clean_up")
"""Pictures of the small windows beside the work."""
IMAGES = Path(__file__).with_name("images")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=180, help="how long to train")
    parser.add_argument("--out", type=Path, default=IMAGES)
    parser.add_argument("--theme", choices=("dark", "light"), default="dark")
    parser.add_argument("--only", nargs="+", default=(), metavar="PICTURE", help="these alone")
    parser.add_argument("--every", action="store_true", help="every tab in every state, to look at")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        # The labels in the pictures are kept there, not among the user's own.
        os.environ["XDG_DATA_HOME"] = folder
        Pictures(args.out, args.theme, args.every, args.only).make(args.seconds, Path(folder))


class Pictures:
    """One pass through the workspace."""

    def __init__(self, out: Path, theme: str, every: bool, only: Sequence[str] = ()) -> None:
        import napari

        self.out, self.theme, self.every, self.only = out, theme, every, only
        self.viewer = napari.Viewer(title="napari-dim")
        self.viewer.theme = theme
        self.viewer.window.resize(1366, 768)
        _, self.workspace = self.viewer.window.add_plugin_dock_widget("napari-dim", "Workspace")

    def make(self, seconds: float, folder: Path) -> None:
        """Go through the work and take the pictures."""
        from napari_dim.gui.commands import slice_commands as slices
        from napari_dim.gui.layers.image_layers import go_to_slice
        from napari_dim.gui.storage import project_actions as projects

        viewer, workspace = self.viewer, self.workspace
        session, annotate, train = workspace.session, workspace.annotate, workspace.train
        train.runs.path = folder / "runs"
        self.shoot("empty", 0)

        layers = viewer.open_sample("napari-dim", "phantom")
        labels = layers[-1]
        image = next(layer for layer in layers[:-1] if layer.visible)
        annotate.image.pick(image)
        annotate.labels.pick(labels)
        for layer in layers[:-1]:
            session.sites[layer] = layer.name.split("_")[1]
            if layer is not image:
                train.others.tick(layer)
        projects.from_layers(session, folder / "phantoms")
        painted = np.flatnonzero(labels.data.any(axis=(1, 2)))
        viewer.layers.selection.active = labels
        labels.mode = "paint"
        go_to_slice(viewer, image, int(painted[len(painted) // 2]))
        viewer.reset_view()
        session.show_contours(False)  # whatever the user's preferences are
        if session.crosshair is not None:
            workspace.header.views.click()
            process(0.5)
        self.shoot("annotate", 0)
        workspace.header.views.click()
        process(0.5)
        self.shoot("views", 0)
        workspace.header.views.click()
        process(0.5)
        self.look_closer(image, labels, int(painted[len(painted) // 2]))
        annotate.seeds.click()
        while session.growing is not None:
            process(0.2)
        go_to_slice(viewer, image, int(painted[len(painted) // 2] + 1))
        self.shoot("grown", 0)
        session.mask.undo()
        number = int(painted[len(painted) // 2])
        go_to_slice(viewer, image, number)
        cleaner = workspace.clean_up
        cleaner.show()
        cleaner.tool.setCurrentIndex(cleaner.tool.findData("replace"))
        cleaner.what.setCurrentIndex(cleaner.what.findData(2))
        self.shoot_beside("clean_up", cleaner)
        if self.only and not set(self.only) - {"empty", "annotate", "views", "grown", *BESIDE}:
            session.autosave.close()
            viewer.close()
            return

        workspace.tabs.setCurrentIndex(1)
        train.set_budget(seconds)
        train.button.click()
        go_to_slice(viewer, image, int(painted[len(painted) // 2] + 1))
        while session.busy and (session.share < 0.7 or not session.live):
            process(0.2)
        self.shoot("plugin", 1)
        while session.busy:
            process(0.2)
        areas = session.answer.areas  # of the suggested slices the one with most to see
        found = max(session.suggested_here, key=lambda suggested: areas[suggested.number])
        slices.show_suggested(session, found)
        self.shoot("review", 2)
        workspace.review.accept.click()
        session.open_case(image)  # the next suggestion may be of another scan
        self.shoot("export", 3)
        workspace.header.solid.click()
        self.shoot("solid", 2)
        workspace.header.solid.click()
        process(0.5)
        session.autosave.close()
        viewer.close()

    def look_closer(self, image: Image, labels: Labels, number: int) -> None:
        """Numbers, rulers, and the differences to a second reader, who drew two pixels beside."""
        from napari.layers import Labels

        from napari_dim.gui.layers.image_layers import PLACE

        session, workspace = self.workspace.session, self.workspace
        rulers = session.rulers_of(image)
        rulers.add(((number, 12, 17), (number, 12, 43)))
        rulers.add(((number, 34, 70), (number, 40, 55), (number, 55, 60)))
        self.shoot_beside("numbers", workspace.numbers)
        rulers.start([])
        place = {key: getattr(labels, key) for key in PLACE}
        moved = np.roll(labels.data, 2, axis=-1)
        reader = self.viewer.add_layer(Labels(moved, name="second reader", visible=False, **place))
        self.viewer.layers.selection.active = labels
        workspace.differences.show()
        process(2)
        workspace.differences.step(1)
        session.show_contours(True)
        self.shoot_beside("differences", workspace.differences)
        session.show_contours(False)
        self.viewer.layers.remove(reader)
        self.viewer.reset_view()  # the difference was gone to

    def shoot_beside(self, name: str, window: QDialog) -> None:
        """Save a picture of the screen with one of our small windows on it."""
        from qtpy.QtWidgets import QApplication

        window.show()
        process(2)
        ending = f"_{self.theme}" if self.every else ""
        if not self.only or name in self.only:
            screen = QApplication.primaryScreen().grabWindow(0)
            screen.save(str(self.out / f"{name}{ending}.png"))
        window.hide()

    def shoot(self, name: str, tab: int) -> None:
        """Save a picture of the whole window, or one of each tab."""
        tabs = self.workspace.tabs
        for number in range(tabs.count()) if self.every else (tab,):
            tabs.setCurrentIndex(number)
            process(1.0)
            ending = f"_{tabs.tabText(number).lower()}_{self.theme}" if self.every else ""
            path = self.out / f"{name}{ending}.png"
            if self.only and name not in self.only:
                continue
            self.viewer.screenshot(str(path), canvas_only=False, flash=False)
        tabs.setCurrentIndex(tab)


def process(seconds: float) -> None:
    """Let the window work for a while."""
    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.005)


if __name__ == "__main__":
    main()
