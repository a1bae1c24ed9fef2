"""Make the pictures of the docs from a real window on the sample data.

Without a screen: ``xvfb-run -a -s "-screen 0 1366x768x24" python docs/make_screenshots.py``.
Takes about four minutes: the masks in the pictures come from a real training.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np

IMAGES = Path(__file__).with_name("images")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=180, help="how long to train")
    parser.add_argument("--out", type=Path, default=IMAGES)
    parser.add_argument("--theme", choices=("dark", "light"), default="dark")
    parser.add_argument("--every", action="store_true", help="every tab in every state, to look at")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        # The labels in the pictures are kept there, not among the user's own.
        os.environ["XDG_DATA_HOME"] = folder
        Pictures(args.out, args.theme, args.every).make(args.seconds, Path(folder))


class Pictures:
    """One pass through the workspace."""

    def __init__(self, out: Path, theme: str, every: bool) -> None:
        import napari

        self.out, self.theme, self.every = out, theme, every
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
        self.shoot("annotate", 0)

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

    def shoot(self, name: str, tab: int) -> None:
        """Save a picture of the whole window, or one of each tab."""
        tabs = self.workspace.tabs
        for number in range(tabs.count()) if self.every else (tab,):
            tabs.setCurrentIndex(number)
            process(1.0)
            ending = f"_{tabs.tabText(number).lower()}_{self.theme}" if self.every else ""
            path = self.out / f"{name}{ending}.png"
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
