"""``napari-dim info``: what is in an image file, as napari-dim reads it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_dim.cli.console import output

if TYPE_CHECKING:
    from napari_dim.volume import Volume

_MOST_LABELS = 64


def info(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="NIfTI, PNG, JPEG or TIFF.")],
) -> None:
    """Show an image's geometry, type, range and anything odd about it."""
    from napari_dim.io import read_volume

    console = output()
    for name, value in describe(read_volume(file)):
        console.print(f"{name:<12}{value}")


def describe(volume: Volume) -> list[tuple[str, str]]:
    """Name and value of everything worth knowing about a volume."""
    import numpy as np

    grid, array = volume.grid, volume.array
    lines = [
        ("file", str(volume.path) if volume.path else "-"),
        ("kind", f"{volume.kind}, {_channels(volume.channels)}"),
        ("slices", f"{grid.shape[0]} of {grid.shape[1]} x {grid.shape[2]} (rows x columns)"),
    ]
    if volume.kind == "volume":
        lines += [
            ("file shape", " x ".join(str(size) for size in grid.file_shape)),
            ("orientation", f"{grid.codes}, slices along axis {grid.slice_axis + 1} of 3"),
            ("handedness", "left" if np.linalg.det(grid.file_affine[:3, :3]) < 0 else "right"),
        ]
    axes = ("slice", "row", "column") if volume.kind == "volume" else ("row", "column")
    spacing = " x ".join(f"{step:.4g}" for step in grid.spacing[-len(axes) :])
    lines += [
        ("spacing", f"{spacing} {grid.unit} ({' x '.join(axes)})"),
        ("type", str(volume.header.get("stored", array.dtype))),
        ("range", f"{array.min():g} to {array.max():g}"),
    ]
    if array.dtype.kind in "iu" and array.ndim == 3:
        labels = np.unique(array)
        if labels.size <= _MOST_LABELS:
            lines.append(("values", " ".join(str(label) for label in labels)))
    if volume.kind == "volume":
        for number, row in enumerate(grid.file_affine[:3]):
            numbers = " ".join(f"{value:10.4f}" for value in row)
            lines.append(("affine" if number == 0 else "", numbers))
    lines += [("warning", warning) for warning in volume.warnings]
    return lines


def _channels(count: int) -> str:
    return "1 channel" if count == 1 else f"{count} channels"
