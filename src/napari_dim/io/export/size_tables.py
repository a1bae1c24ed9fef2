"""Sizes of what was segmented, as a table: volumes in ml, areas of each slice in mm²."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_dim.io.atomic import write_text_atomically
from napari_dim.io.labels import LabelClass, as_labels, classes_in
from napari_dim.volume import Grid, Placed
from napari_dim.words import figure

COLUMNS = ("id", "class", "slice", "area_mm2", "volume_ml", "voxels")


@dataclass(frozen=True)
class Sizes:
    """How much of a mask is one class.

    Attributes
    ----------
    item
        The class.
    voxels
        Of each slice, ``(slice,)``.
    area
        Of each slice, ``(slice,)``, in mm²; in pixels for pictures without a physical size.
    volume
        In ml; NaN for pictures.
    """

    item: LabelClass
    voxels: np.ndarray
    area: np.ndarray
    volume: float


def pixel_and_voxel(grid: Grid) -> tuple[float, float]:
    """The area of a pixel in mm², and the volume of a voxel in ml.

    For pictures without a physical size they are 1 and NaN.
    """
    steps = grid.affine[:3, :3]
    pixel = float(np.linalg.norm(np.cross(steps[:, 1], steps[:, 2])))
    physical = grid.unit == "mm"
    return pixel, float(abs(np.linalg.det(steps))) / 1000 if physical else float("nan")


def sizes_of(mask: np.ndarray, volume: Placed, classes: Sequence[LabelClass] = ()) -> list[Sizes]:
    """The sizes of each class of a mask ``(slice, row, column)``; those named are all there.

    The volume is that of the voxels: the area of each slice times the distance of the slices
    (along their normal: also right for slices that are sheared against each other).
    """
    labels = as_labels(mask)
    known = {item.id: item for item in (*classes, *classes_in(labels, classes)) if item.id > 0}
    pixel, voxel = pixel_and_voxel(volume.grid)
    found = []
    for class_id in sorted(known):
        voxels = np.array([np.count_nonzero(plane == class_id) for plane in labels], dtype=int)
        found.append(Sizes(known[class_id], voxels, voxels * pixel, int(voxels.sum()) * voxel))
    return found


def write_sizes(
    path: Path, mask: np.ndarray, volume: Placed, classes: Sequence[LabelClass] = ()
) -> Path:
    """Write the sizes of each class as CSV, whole or not at all.

    A class has one row with ``slice`` "all" and its volume in ml, and one for each slice that
    shows it, counted from 0, with the area there in mm². For pictures without a physical size
    the areas are in pixels, and the column says so.

    Raises
    ------
    InputError
        If it can't be written.
    """
    physical = volume.grid.unit == "mm"
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS if physical else [name.replace("mm2", "px") for name in COLUMNS])
    for sizes in sizes_of(mask, volume, classes):
        start = (sizes.item.id, sizes.item.label)
        ml = figure(sizes.volume, 6) if physical else ""
        writer.writerow((*start, "all", "", ml, int(sizes.voxels.sum())))
        for number in np.flatnonzero(sizes.voxels):
            area = figure(sizes.area[number], 6)
            writer.writerow((*start, int(number), area, "", int(sizes.voxels[number])))
    return write_text_atomically(path, text.getvalue())
