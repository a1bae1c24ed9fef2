"""Drive the plugin in a real window, as an annotator would, and say how good the masks are.

Without a screen: ``xvfb-run -a -s "-screen 0 1366x768x24" python benchmarks/drive_plugin.py
--image scan.nii.gz --labels reference.nii.gz --out shots``.

Opens the scan, copies some slices of the reference into a labels layer, trains, waits for the
prediction, corrects its worst slice from the reference, saves, and prints the Dice of each.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True, help="the reference mask")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--slices", type=int, default=5, help="how many slices are labelled")
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

        from napari_dim.io import read_mask, read_volume

        self.args = args
        self.viewer = napari.Viewer(title="napari-dim")
        width, height = (int(n) for n in args.size.split("x"))
        self.viewer.window.resize(width, height)
        self.reference = read_mask(args.labels, read_volume(args.image))
        self.result: dict[str, object] = {"image": args.image.name, "seconds": args.seconds}

    def run(self) -> dict[str, object]:
        """Do it all; returns the figures."""
        from napari_dim.gui.layers import go_to_slice
        from napari_dim.io import read_mask, read_volume

        viewer, reference = self.viewer, self.reference
        _, workspace = viewer.window.add_plugin_dock_widget("napari-dim", "Workspace")
        self.panel = panel = workspace.train
        self.shoot("1_empty")

        (image,) = viewer.open(self.args.image, plugin="napari-dim")
        panel.new.click()
        labels = panel.labels.layer
        chosen = self.chosen_slices()
        for number in chosen:
            go_to_slice(viewer, image, number)
            where = reference[number] > 0
            rows, columns = np.nonzero(where)
            index = (np.full(len(rows), number), rows, columns)
            labels.data_setitem(index, reference[number][where])
            self.process(0.1)
        self.process(0.5)
        self.result["labelled"] = chosen
        self.shoot("2_labelled")

        panel.set_budget(self.args.seconds)
        began = time.monotonic()
        panel.button.click()
        session = panel.session
        middle = chosen[len(chosen) // 2] + 4
        go_to_slice(viewer, image, middle)
        while session.busy and time.monotonic() - began < self.args.seconds * 0.7:
            self.process(0.2)
        self.shoot("3_training")
        while session.busy:
            self.process(0.2)
        self.result["until predicted (s)"] = round(time.monotonic() - began, 1)
        self.result["message"] = session.message
        prediction = session.prediction_of(image)
        layer = prediction.layer
        # What the annotator painted is theirs: the score is over the slices they did not.
        rest = np.setdiff1d(np.arange(len(reference)), chosen)
        self.result["dice"] = self.dice(layer.data)
        self.result["dice without the labelled slices"] = self.dice(layer.data, rest)
        labels.visible = False
        self.shoot("4_predicted")

        present = [n for n in rest if reference[n].any()]
        worst = min(present, key=lambda n: self.dice(layer.data, [n]))
        go_to_slice(viewer, image, worst)
        self.shoot("5_worst")
        viewer.layers.selection.active = layer
        index = np.nonzero(np.ones_like(reference[worst]))
        layer.data_setitem(
            (np.full(index[0].size, worst), *index),
            reference[worst][index].astype(layer.data.dtype),
        )
        self.process(0.3)
        self.result["corrected"] = int(worst)
        self.result["dice corrected"] = self.dice(layer.data)
        self.shoot("6_corrected")

        target = self.args.out / "saved.nii.gz"
        panel.save.layer.pick(layer)
        assert panel.save.save(target)
        saved = read_mask(target, read_volume(self.args.image))
        self.result["saved as it is shown"] = bool(np.array_equal(saved, layer.data))
        workspace.tabs.setCurrentIndex(1)
        self.shoot("7_predict")
        viewer.close()
        return self.result

    def chosen_slices(self) -> list[int]:
        """Slices spread evenly over those that show something."""
        present = np.flatnonzero(self.reference.any(axis=(1, 2)))
        shares = (np.arange(self.args.slices) + 0.5) / self.args.slices
        return [int(present[int(share * len(present))]) for share in shares]

    def dice(self, mask: np.ndarray, slices: object = slice(None)) -> float:
        """Mean over the reference's classes, over the slices given."""
        a, b = np.asarray(mask)[slices], self.reference[slices]
        values = []
        for label in np.unique(self.reference[self.reference > 0]):
            both = np.count_nonzero((a == label) & (b == label))
            size = np.count_nonzero(a == label) + np.count_nonzero(b == label)
            values.append(2 * both / size if size else 1.0)
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
