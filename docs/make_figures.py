"""Draw the figures of docs/method.md and docs/study.md: ``python docs/make_figures.py``.

Those of the method are of the phantom, that of a study of made-up volumes.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch

from napari_dim.data.cohort import read_cohort
from napari_dim.data.phantom import make_phantom
from napari_dim.io import read_mask, read_volume
from napari_dim.method.mixing import mix_amplitude, paste
from napari_dim.study.bland_altman import draw
from napari_dim.study.reader_agreement import Pair

mpl.use("Agg")
from matplotlib import pyplot as plt

IMAGES = Path(__file__).with_name("images")
ORGAN, CHAMBER = "#e69f00", "#56b4e9"


def main() -> None:
    """Draw all of them."""
    with tempfile.TemporaryDirectory() as folder:
        scans = middle_slices(Path(folder))
    scanners(scans, IMAGES / "method_scanners.png")
    between(scans, IMAGES / "method_between.png")
    agreement(IMAGES / "bland_altman.png")


def agreement(path: Path) -> None:
    """The plot of a study whose three readers differ as drawn at random."""
    draws = np.random.default_rng(3)
    pairs = []
    for number in range(24):
        volume = draws.uniform(30, 120)
        readers = (("Ann", "Ben"), ("Ben", "Cem"), ("Cem", "Ann"))[number % 3]
        volumes = (volume + draws.normal(1.5, 3), volume)
        pairs.append(Pair(f"{number}", "", 1, "atrium", readers, 0.9, 2.0, volumes, "mm"))
    draw(pairs, path)


def middle_slices(folder: Path) -> dict[str, tuple[np.ndarray, np.ndarray, float]]:
    """By site: a slice through the organ in [0, 1], its mask, and the aspect of its pixels."""
    scans = {}
    for case in read_cohort(make_phantom(folder)).cases:
        if case.site in scans or case.labels is None:
            continue
        volume = read_volume(case.image)
        mask = read_mask(case.labels, volume)
        number = int(np.argmax((mask > 0).sum(axis=(1, 2))))
        plane = volume.array[number].astype(np.float32)
        low, high = np.percentile(plane, (0.5, 99.5))
        aspect = volume.spacing[1] / volume.spacing[2]
        scans[case.site] = np.clip((plane - low) / (high - low), 0, 1), mask[number], aspect
    return dict(sorted(scans.items()))


def scanners(scans: dict[str, tuple[np.ndarray, np.ndarray, float]], path: Path) -> None:
    """The same kind of organ from four scanners; the first one is labelled."""
    figure, axes = plt.subplots(1, len(scans), figsize=(10, 3.3), layout="constrained")
    for axis, (site, (plane, mask, aspect)) in zip(axes, scans.items(), strict=True):
        show(axis, plane, aspect)
        labelled = site == "A"
        if labelled:
            outline(axis, mask)
        axis.set_title(f"scanner {site}" + (", labelled" if labelled else ", no labels"))
    save(figure, path)


def between(scans: dict[str, tuple[np.ndarray, np.ndarray, float]], path: Path) -> None:
    """What lies between a labelled and an unlabelled slice."""
    (labelled, mask, _), (other, _, _) = scans["A"], scans["C"]
    rows, columns = labelled.shape
    x = torch.from_numpy(labelled)[None, None]
    style = torch.nn.functional.interpolate(
        torch.from_numpy(other)[None, None], size=(rows, columns), mode="bilinear", antialias=True
    )
    moved = mix_amplitude(x, style, torch.ones(1), 0.02)
    box = torch.zeros(1, 1, rows, columns)
    box[..., rows // 4 : 3 * rows // 4, columns // 4 : 5 * columns // 8] = 1
    pictures = {
        "labelled": x,
        "unlabelled": style,
        "labelled, in its look": moved,
        "in between: box inside": paste(moved, style, box),
        "in between: box outside": paste(style, moved, box),
    }
    figure, axes = plt.subplots(1, len(pictures), figsize=(12, 3.2), layout="constrained")
    inside = box[0, 0].numpy().astype(bool)
    known = {
        "labelled": mask,
        "labelled, in its look": mask,
        "in between: box inside": np.where(inside, mask, 0),
        "in between: box outside": np.where(inside, 0, mask),
    }
    for axis, (title, picture) in zip(axes, pictures.items(), strict=True):
        show(axis, np.clip(picture[0, 0].numpy(), 0, 1), 1.0)
        if title in known:
            outline(axis, known[title])
        if title.startswith("in between"):
            axis.contour(inside, levels=[0.5], colors="white", linewidths=1, linestyles="dashed")
        axis.set_title(title)
    save(figure, path)


def show(axis: plt.Axes, plane: np.ndarray, aspect: float) -> None:
    """One slice, without ticks."""
    axis.imshow(plane, cmap="gray", vmin=0, vmax=1, aspect=aspect)
    axis.set_axis_off()


def outline(axis: plt.Axes, mask: np.ndarray) -> None:
    """Outlines of organ and chamber, as far as the slice shows them."""
    for shape, colour in ((mask > 0, ORGAN), (mask == 2, CHAMBER)):
        if shape.any():
            axis.contour(shape, levels=[0.5], colors=colour, linewidths=1.5)


def save(figure: plt.Figure, path: Path) -> None:
    """Write a figure without the date, so that the same figure is the same file."""
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)


if __name__ == "__main__":
    main()
