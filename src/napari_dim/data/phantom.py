"""A phantom of four scanners: an organ with a chamber inside, and look-alikes beside it.

Anatomy is drawn in mm, anew for every case, and then imaged by one of four scanners that
differ in spacing, orientation, contrast, bias field, blur and noise. Only some slices of
one case of one scanner are labelled. The same seed gives the same files.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from napari_dim.data.cohort import COLUMNS
from napari_dim.io import make_folder, write_mask, write_text_atomically
from napari_dim.io.nifti.nifti_writer import write_nifti
from napari_dim.volume import Grid, Volume

ORGAN, CHAMBER = 1, 2

_EDGE = 0.5  # mm over which one tissue passes into the next
_OUTSIDE = -99.0  # depth, in mm, of slices that a shape does not reach


@dataclass(frozen=True)
class Scanner:
    """How one site images.

    `shape`, `spacing` (mm), `axes` (the world axis that a file axis runs along) and `signs`
    (its direction in RAS+) describe the file; `tilt` is an oblique scan's rotation in
    degrees. `tissues` are the signals of fat, muscle, organ, chamber and bone, in [0, 1];
    `bias` is the strength of the field, `blur` in mm, `noise` relative to full signal.
    """

    site: str
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    slice_axis: int
    axes: tuple[int, int, int]
    signs: tuple[int, int, int]
    tilt: tuple[float, float, float]
    tissues: tuple[float, float, float, float, float]
    gamma: float
    bias: float
    blur: float
    noise: float
    scale: float

    def grid(self, rng: np.random.Generator) -> Grid:
        """The grid of one scan, its centre near the origin."""
        affine = np.eye(4)
        affine[:3, :3] = 0.0
        for file_axis, (axis, sign) in enumerate(zip(self.axes, self.signs, strict=True)):
            affine[axis, file_axis] = sign * self.spacing[file_axis]
        turned = Rotation.from_euler("xyz", self.tilt, degrees=True).as_matrix()
        affine[:3, :3] = turned @ affine[:3, :3]
        middle = (np.array(self.shape) - 1) / 2
        affine[:3, 3] = rng.uniform(-20, 20, 3) - affine[:3, :3] @ middle
        # A NIfTI-1 file holds float32.
        return Grid(self.shape, affine.astype(np.float32), self.slice_axis)


SCANNERS = (
    # Straight; rather clean. The one with labels.
    Scanner("A", (80, 96, 24), (1.0, 0.9, 3.5), 2, (0, 1, 2), (1, 1, 1), (0, 0, 0),
            (0.80, 0.40, 0.58, 0.88, 0.12), 1.0, 0.10, 0.6, 0.030, 200),
    # Oblique; flat contrast, fat bright.
    Scanner("B", (84, 88, 22), (1.0, 1.0, 4.0), 2, (0, 1, 2), (-1, -1, 1), (14, -9, 6),
            (0.95, 0.47, 0.66, 0.88, 0.25), 0.80, 0.30, 0.8, 0.030, 190),
    # Left-handed and oblique; dark muscle, strong bias field, fine pixels.
    Scanner("C", (104, 108, 20), (0.8, 0.8, 4.2), 2, (0, 1, 2), (-1, 1, 1), (5, 12, -4),
            (0.55, 0.38, 0.60, 0.92, 0.10), 1.5, 0.50, 0.7, 0.030, 220),
    # Sagittal, slices first in the file; coarse, blurred, noisy.
    Scanner("D", (24, 72, 76), (3.6, 1.2, 1.2), 0, (0, 1, 2), (1, 1, 1), (0, 7, 0),
            (0.70, 0.45, 0.62, 0.80, 0.20), 1.1, 0.25, 1.1, 0.050, 120),
)  # fmt: skip

# (scanner, split), in order; the first is the one with labelled slices.
_CASES = (
    *[(0, "train")] * 2, *[(1, "train")] * 2, *[(2, "train")] * 2, *[(3, "train")] * 2,
    *[(0, "test")] * 1, *[(1, "test")] * 2, *[(2, "test")] * 2, *[(3, "test")] * 1,
)  # fmt: skip
_LABELLED = 6


def make_phantom(folder: Path, seed: int = 0) -> Path:
    """Make the cohort: 14 volumes of four sites with reference masks, under 5 MB.

    Parameters
    ----------
    folder
        Where to write; made if missing, files of the same names are replaced.
    seed
        The same seed gives the same anatomy and noise.

    Returns
    -------
    Path
        The cohort file, ``cohort.csv``.

    Raises
    ------
    InputError
        If the folder can't be written.
    """
    folder = make_folder(Path(folder))
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(COLUMNS)
    for number, (index, split) in enumerate(_CASES):
        scanner = SCANNERS[index]
        volume, mask = make_case(scanner, np.random.default_rng([seed, number]))
        stem = f"phantom{number:02d}_{scanner.site}"
        write_nifti(folder / f"{stem}_image.nii.gz", volume)
        write_mask(folder / f"{stem}_label.nii.gz", mask, volume)
        slices = ";".join(map(str, labelled_slices(mask))) if number == 0 else ""
        names = (f"{stem}_image.nii.gz", f"{stem}_label.nii.gz")
        writer.writerow([*names, slices, scanner.site, split])
    return write_text_atomically(folder / "cohort.csv", table.getvalue())


def labelled_slices(mask: np.ndarray) -> list[int]:
    """Slices that an annotator would pick: evenly over the organ, one beyond its end."""
    there = np.flatnonzero((mask > 0).any(axis=(1, 2)))
    chosen = np.linspace(there[0], there[-1] + 1, _LABELLED).round().astype(int)
    return sorted({int(min(number, len(mask) - 1)) for number in chosen})


def make_case(scanner: Scanner, rng: np.random.Generator) -> tuple[Volume, np.ndarray]:
    """One scan, int16, and its mask, uint8; both ``(slice, row, column)``."""
    grid = scanner.grid(rng)
    depths = _anatomy(grid, rng)
    signal = _image(depths, grid, scanner, rng)
    mask = np.zeros(grid.shape, dtype=np.uint8)
    mask[depths["organ"] > 0] = ORGAN
    mask[depths["chamber"] > 0] = CHAMBER
    return Volume(np.round(signal * scanner.scale).astype(np.int16), grid), mask


def _anatomy(grid: Grid, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Depth in mm below the surface of each structure, negative outside, in drawing order."""
    z, y, x = np.meshgrid(
        *(
            (np.arange(size) - (size - 1) / 2) * step
            for size, step in zip(grid.shape, grid.spacing, strict=True)
        ),
        indexing="ij",
        sparse=True,
    )

    def vary(value: float, by: float) -> float:
        return value + float(rng.uniform(-by, by))

    def blob(
        centre: tuple[float, float, float], radius: float, length: float, *,
        stretch: float = 1.0, wobble: float = 0.1, drift: float = 3.0,
    ) -> np.ndarray:  # fmt: skip
        """A body round an axis along z, its outline and place changing from slice to slice."""
        along = (z - centre[0]) / length
        phases = rng.uniform(0, 2 * np.pi, 2)
        cy = centre[1] + drift * np.sin(1.5 * along + phases[0])
        cx = centre[2] + drift * np.sin(1.5 * along + phases[1])
        turn = rng.uniform(0, np.pi) + 0.4 * along
        dy, dx = y - cy, x - cx
        v = (np.cos(turn) * dy - np.sin(turn) * dx) * np.sqrt(stretch)
        u = (np.sin(turn) * dy + np.cos(turn) * dx) / np.sqrt(stretch)
        angle = np.arctan2(v, u)
        outline = np.ones_like(angle)
        for k in range(2, 6):
            size = wobble * rng.normal() / (k - 1)
            bend, start = rng.uniform(0, 2 * np.pi, 2)
            outline = outline + size * np.cos(k * angle + start) * np.sin(2 * along + bend)
        profile = np.maximum(1 - along**2, 0) ** 0.4
        depth = radius * profile * outline - np.hypot(u, v)
        return np.where(np.abs(along) < 1, depth, _OUTSIDE)

    everywhere = 1e3
    body = blob((0, 0, 0), vary(38, 2), everywhere, stretch=vary(1.1, 0.05), wobble=0.03, drift=0)
    place = (vary(0, 6), vary(-6, 4), vary(-11, 3))
    organ = blob(place, vary(14, 2), vary(31, 4), stretch=vary(1.25, 0.15), wobble=0.12)
    # The chamber lies off the middle, so that the wall is thick on one side.
    inside = (place[0] + vary(0, 4), place[1] + vary(0, 2.5), place[2] + vary(0, 2.5))
    chamber = blob(inside, vary(9, 1.5), vary(23, 4), stretch=vary(1.4, 0.2), wobble=0.2, drift=2)
    chamber = np.minimum(chamber, organ - vary(2.2, 0.5))

    # Look-alikes: the same signals as organ and chamber, elsewhere and of another shape.
    far = (vary(0, 8), vary(-4, 5), vary(16, 3))
    other = blob(far, vary(9, 1.5), vary(26, 4), stretch=vary(1.7, 0.2), wobble=0.15)
    pool = np.minimum(blob(far, vary(4, 1), vary(12, 3), stretch=1.6), other - 2)
    vessels = np.full(grid.shape, _OUTSIDE)
    for _ in range(3):
        spot = (vary(0, 10), vary(8, 14), vary(0, 22))
        vessels = np.maximum(vessels, blob(spot, vary(3, 0.8), vary(40, 15), drift=6))
    bone = blob((0, vary(24, 2), vary(0, 2)), vary(7.5, 1), everywhere, wobble=0.08, drift=1)
    room = np.minimum(body - 5, -organ - 2)  # inside the body, 2 mm from the organ
    other, pool, vessels, bone = (np.minimum(d, room) for d in (other, pool, vessels, bone))
    organ, chamber = np.minimum(organ, body - 4), np.minimum(chamber, body - 6)
    return {
        "fat": body, "muscle": body - vary(4, 1), "other": other, "pool": pool,
        "vessels": vessels, "bone": bone, "organ": organ, "chamber": chamber,
    }  # fmt: skip


def _image(
    depths: dict[str, np.ndarray], grid: Grid, scanner: Scanner, rng: np.random.Generator
) -> np.ndarray:
    """What the scanner makes of the anatomy, about [0, 1]."""
    fat, muscle, organ, chamber, bone = (
        value + float(rng.normal(0, 0.02)) for value in scanner.tissues
    )
    signals = {
        "fat": fat, "muscle": muscle, "other": organ - 0.03, "pool": chamber - 0.05,
        "vessels": chamber, "bone": bone, "organ": organ, "chamber": chamber,
    }  # fmt: skip
    image = np.full(grid.shape, 0.02)
    for name, depth in depths.items():
        share = 1 / (1 + np.exp(-np.clip(depth / _EDGE, -30, 30)))
        image += share * (signals[name] - image)
    inside = np.clip(depths["fat"], 0, 1)
    image += inside * 0.035 * _smooth(grid, rng, 3.0)
    image = np.clip(image, 0, None) ** scanner.gamma
    image *= np.exp(scanner.bias * np.clip(_smooth(grid, rng, 40.0), -1.5, 1.5))
    image = ndimage.gaussian_filter(image, [scanner.blur / step for step in grid.spacing])
    # Magnitude images have Rician noise: no signal is not zero.
    real, imaginary = rng.normal(0, scanner.noise, (2, *grid.shape))
    magnitude: np.ndarray = np.hypot(image + real, imaginary)
    return magnitude


def _smooth(grid: Grid, rng: np.random.Generator, length: float) -> np.ndarray:
    """A random field that varies over `length` mm, mean 0 and standard deviation 1."""
    noise = rng.normal(size=grid.shape)
    # On wide fields the border mode matters: reflection keeps them smooth to the edge.
    field = ndimage.gaussian_filter(noise, [length / step for step in grid.spacing], mode="reflect")
    scaled: np.ndarray = (field - field.mean()) / field.std()
    return scaled
