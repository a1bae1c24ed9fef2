"""Drive the plugin in a real window, as an annotator would, and say how good the masks are.

Without a screen: ``xvfb-run -a -s "-screen 0 1366x768x24" python benchmarks/drive_plugin.py
--image scan.nii.gz --labels reference.nii.gz --out shots``. With several images of one size,
they are opened as a stack.

Opens the scan, copies some slices of the reference into a labels layer, trains, goes through
the suggested slices, corrects each from the reference and accepts it, trains again, exports,
and prints the Dice of the mask that would be exported after each step.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np


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
        self.result: dict[str, object] = {
            "image": args.image[0].name if len(args.image) == 1 else f"{len(args.image)} images",
            "seconds": args.seconds,
        }

    def run(self) -> dict[str, object]:
        """Do it all; returns the figures."""
        from napari_dim.gui.layers.image_layers import go_to_slice

        viewer, result = self.viewer, self.result
        _, self.workspace = viewer.window.add_plugin_dock_widget("napari-dim", "Workspace")
        workspace = self.workspace
        self.session = session = workspace.session
        workspace.train.runs.path = self.args.out / "runs"
        self.shoot("1_empty")

        image = self.open()
        workspace.annotate.new.click()
        labels = workspace.annotate.labels.layer
        chosen = self.chosen_slices()
        for number in chosen:
            go_to_slice(viewer, image, number)
            self.paint(labels, number)
        result["labelled"] = chosen
        self.process(0.5)
        self.shoot("2_annotate")

        for round_ in range(1, self.args.rounds + 1):
            result[f"training {round_}"] = self.train(f"{round_ + 2}_train")
            result[f"dice after training {round_}"] = self.exported_dice()
            if round_ < self.args.rounds:
                result["corrected"] = self.review()
                result["dice after the corrections"] = self.exported_dice()
                workspace.tabs.setCurrentIndex(2)
                self.shoot("5_review")
        workspace.tabs.setCurrentIndex(3)
        self.shoot("6_export")
        name = "saved.nii.gz"
        workspace.export.export(self.args.out / name)
        result["message"] = session.message
        if len(self.args.image) == 1:
            from napari_dim.io import read_mask, read_volume

            saved = read_mask(self.args.out / name, read_volume(self.args.image[0]))
            result["dice of the saved file"] = self.dice(saved)
        viewer.close()
        return result

    def open(self) -> object:
        """The scan, or the stack of pictures, as napari opens it."""
        paths = self.args.image
        if len(paths) == 1:
            return self.viewer.open(paths[0], plugin="napari-dim")[0]
        return self.viewer.open(paths, stack=True, plugin="napari", name="pictures")[0]

    def paint(self, layer: object, number: int) -> None:
        """Make a slice of a layer what the reference is."""
        index = np.nonzero(np.asarray(layer.data)[number] != self.reference[number])
        if index[0].size:
            layer.data_setitem(
                (np.full(index[0].size, number), *index),
                self.reference[number][index].astype(layer.data.dtype),
            )
        self.process(0.1)

    def train(self, picture: str) -> dict[str, float]:
        """Press Train and wait; returns what it took."""
        tab, session = self.workspace.train, self.session
        self.workspace.tabs.setCurrentIndex(1)
        tab.set_budget(self.args.seconds)
        began = time.monotonic()
        tab.button.click()
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

    def review(self) -> list[int]:
        """Correct the suggested slices, one after the other."""
        from napari_dim.gui.layers.image_layers import go_to_slice

        self.workspace.tabs.setCurrentIndex(2)
        done = []
        for _ in range(self.args.review):
            number = self.session.suggestions[0].number
            go_to_slice(self.viewer, self.session.image, number)
            self.paint(self.session.labels, number)
            self.workspace.review.accept.click()
            self.process(0.2)
            done.append(number)
        return done

    def exported_dice(self) -> float:
        """Of the mask that Export would write now."""
        from napari_dim.gui.logic.mask_contents import SHOWN, exported

        return self.dice(exported(self.session.mask, SHOWN)[0])

    def chosen_slices(self) -> list[int]:
        """Slices spread evenly over those that show something."""
        present = np.flatnonzero(self.reference.any(axis=(1, 2)))
        shares = (np.arange(self.args.slices) + 0.5) / self.args.slices
        return [int(present[int(share * len(present))]) for share in shares]

    def dice(self, mask: np.ndarray) -> float:
        """Mean over the reference's classes."""
        values = []
        for class_id in np.unique(self.reference[self.reference > 0]):
            a, b = mask == class_id, self.reference == class_id
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
