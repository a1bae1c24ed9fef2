"""Make the pictures of the docs from a real window on the sample data.

Without a screen: ``xvfb-run -a -s "-screen 0 1366x768x24" python docs/make_screenshots.py``.
Takes about four minutes: the masks in the pictures come from a real training.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

IMAGES = Path(__file__).with_name("images")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=180, help="how long to train")
    parser.add_argument("--out", type=Path, default=IMAGES)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as runs:
        make(args.out, args.seconds, Path(runs))


def make(out: Path, seconds: float, runs: Path) -> None:
    import napari

    from napari_dim.gui.layers import go_to_slice

    viewer = napari.Viewer(title="napari-dim")
    viewer.window.resize(1366, 768)
    _, workspace = viewer.window.add_plugin_dock_widget("napari-dim", "Workspace")
    annotate, train, tabs = workspace.annotate, workspace.train, workspace.tabs
    train.runs.path = runs
    shoot(viewer, out / "empty.png")

    layers = viewer.open_sample("napari-dim", "phantom")
    labels = layers[-1]
    image = next(layer for layer in layers[:-1] if layer.visible)
    annotate.image.pick(image)
    annotate.labels.pick(labels)
    for layer in layers[:-1]:
        if layer is not image:
            train.others.tick(layer)
    painted = np.flatnonzero(labels.data.any(axis=(1, 2)))
    viewer.layers.selection.active = labels
    labels.mode = "paint"
    go_to_slice(viewer, image, int(painted[len(painted) // 2]))
    viewer.reset_view()
    shoot(viewer, out / "annotate.png")

    tabs.setCurrentIndex(1)
    train.set_budget(seconds)
    train.button.click()
    go_to_slice(viewer, image, int(painted[len(painted) // 2] + 1))
    while train.session.busy and train.session.share < 0.6:
        process(0.2)
    shoot(viewer, out / "plugin.png")
    while train.session.busy:
        process(0.2)
    labels.visible = False
    tabs.setCurrentIndex(2)
    go_to_slice(viewer, image, workspace.session.suggestions[0].number)
    shoot(viewer, out / "review.png")
    workspace.review.accept.click()
    tabs.setCurrentIndex(3)
    shoot(viewer, out / "export.png")
    viewer.close()


def process(seconds: float) -> None:
    """Let the window work for a while."""
    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.005)


def shoot(viewer: Any, path: Path) -> None:
    """Save a picture of the whole window."""
    process(1.0)
    viewer.screenshot(str(path), canvas_only=False, flash=False)


if __name__ == "__main__":
    main()
