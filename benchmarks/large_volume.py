"""Time what an annotator does on a large volume in a real window, and state the memory.

Without a screen: ``xvfb-run -a -s "-screen 0 1366x768x24" python benchmarks/large_volume.py``.
The volume (400 x 512 x 512, int16: 200 MiB) is made here; ``--json FILE`` keeps the figures.

Hold-ups of the window are counted in seconds that its thread computes, so that they mean the
same on a busy machine; what has "from Start" in its name is by the clock.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", type=int, nargs=3, default=(400, 512, 512))
    parser.add_argument("--seconds", type=float, default=60, help="of training")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    figures = measure(tuple(args.shape), args.seconds)
    for name, value in figures.items():
        print(f"| {name} | {value} |")
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2) + "\n")


def measure(shape: tuple[int, int, int], seconds: float) -> dict[str, str]:
    import nibabel as nib

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.nii.gz"
        image, mask = made(shape)
        nib.save(nib.Nifti1Image(image.T, np.diag([0.7, 0.7, 1.0, 1.0])), path)
        del image
        return Window(path, mask, Path(folder), seconds).run()


def made(shape: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A body with an ellipsoid in it, and the ellipsoid's mask."""
    z, y, x = np.ogrid[tuple(slice(0, n) for n in shape)]

    def ball(radius: float) -> np.ndarray:
        parts = [(axis / n - 0.5) ** 2 for axis, n in zip((z, y, x), shape, strict=True)]
        return parts[0] + parts[1] + parts[2] < radius**2

    mask = ball(0.2)
    image = np.random.default_rng(0).normal(0, 30, shape).astype(np.int16)
    image += (400 * ball(0.45) + 250 * mask).astype(np.int16)
    return image, mask.astype(np.uint8)


class Window:
    """One pass through the workspace."""

    def __init__(self, path: Path, mask: np.ndarray, folder: Path, seconds: float) -> None:
        import napari

        self.path, self.mask, self.folder, self.seconds = path, mask, folder, seconds
        self.viewer = napari.Viewer()
        self.viewer.window.resize(1366, 768)
        _, self.workspace = self.viewer.window.add_plugin_dock_widget("napari-dim", "Workspace")
        self.workspace.train.runs.path = folder / "runs"
        self.figures: dict[str, str] = {}
        self.process(1)

    def run(self) -> dict[str, str]:
        """Do it all; returns the figures."""
        viewer, workspace, figures = self.viewer, self.workspace, self.figures
        session = workspace.session
        figures["memory of the empty window"] = gib(memory())
        image = self.timed("open", lambda: viewer.open(self.path, plugin="napari-dim"))[0]
        self.timed("new labels", workspace.annotate.new.click)
        labels = session.labels
        figures["memory with the scan and empty labels"] = gib(memory())
        count = len(self.mask)
        numbers = [int(n) for n in np.linspace(0.35, 0.65, 5) * count]
        strokes = []
        for number in numbers:
            viewer.dims.set_point(0, image.data_to_world((number, 0, 0))[0])
            self.process(0.3)
            index = np.nonzero(self.mask[number])
            labels.data_setitem((np.full(index[0].size, number), *index), 1)
            self.process(0.3)
            for step in range(20):  # a brush that moves on
                began = time.thread_time()
                labels.paint((number, 100 + 8 * step, 60), 1)
                self.flush()
                strokes.append(time.thread_time() - began)
            for _ in range(20):
                labels.undo()
            self.process(0.2)
        figures["a dab of the brush, median and worst"] = spread(strokes)
        turns = []
        for number in range(count // 4, count // 4 + 60):
            began = time.thread_time()
            workspace.strip.clicked.emit(number)
            self.flush()
            turns.append(time.thread_time() - began)
        figures["to another slice by the strip, median and worst"] = spread(turns)
        self.timed("redraw of the strip", lambda: (workspace._show_slices(), self.flush()))
        figures["memory after painting"] = gib(memory())
        gaps = self.train()
        figures["hold-ups while training: median, 99th percentile, worst"] = ", ".join(
            f"{1000 * value:.0f} ms" for value in np.percentile(gaps, (50, 99, 100))
        )
        figures["memory at the end of the training"] = gib(memory())
        mask = np.asarray(session.mask.layer.data) > 0
        dice = 2 * np.sum(mask & (self.mask > 0)) / (np.sum(mask) + np.sum(self.mask > 0))
        figures["Dice of the prediction"] = f"{dice:.2f}"
        self.timed("3D", workspace.header.solid.click)
        workspace.header.solid.click()
        self.timed("export", lambda: workspace.export.export(self.folder / "mask.nii.gz"))
        viewer.close()
        return figures

    def train(self) -> list[float]:
        """Train; returns how long the window was held up each time that it did something."""
        session, tab = self.workspace.session, self.workspace.train
        tab.set_budget(self.seconds)
        gaps: list[float] = []
        began = time.perf_counter()
        self.timed("press of Start", tab.button.click)
        first = None
        while session.busy:
            now = time.thread_time()
            self.flush()
            gaps.append(time.thread_time() - now)
            time.sleep(0.005)
            if first is None and session.answer is not None:
                first = time.perf_counter() - began
        self.figures["from Start to the first preview"] = f"{first:.0f} s" if first else "none"
        self.figures["from Start to the whole prediction"] = f"{time.perf_counter() - began:.0f} s"
        return [gap for gap in gaps if gap > 0.0002]  # the others did nothing

    def timed(self, name: str, what):
        """Do something and note how long the window was held up."""
        began = time.thread_time()
        found = what()
        self.figures[name] = f"{time.thread_time() - began:.2f} s"
        self.process(0.5)
        return found

    def flush(self) -> None:
        """Let the window draw what is due."""
        from qtpy.QtWidgets import QApplication

        QApplication.processEvents()

    def process(self, seconds: float) -> None:
        """Let the window work for a while."""
        end = time.monotonic() + seconds
        while True:
            self.flush()
            if time.monotonic() >= end:
                return
            time.sleep(0.002)


def memory() -> int:
    from psutil import Process

    return int(Process().memory_info().rss)


def gib(size: int) -> str:
    return f"{size / 2**30:.2f} GiB"


def spread(times: list[float]) -> str:
    return f"{1000 * np.median(times):.0f} ms, {1000 * max(times):.0f} ms"


if __name__ == "__main__":
    main()
