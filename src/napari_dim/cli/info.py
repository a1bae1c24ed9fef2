"""``napari-dim info``: what is in an image file, as napari-dim reads it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_dim.cli.console import output

if TYPE_CHECKING:
    from napari_dim.io import Glance, Part

_MOST_LABELS = 64


def info(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE|FOLDER", help="A scan, a mask, a DICOM folder, or a folder of pictures."
        ),
    ],
    series: Annotated[
        str, typer.Option(help="Of a DICOM folder: number, UID or description of the series.")
    ] = "",
    volume: Annotated[str, typer.Option(help="Of a file of four axes: the volume, from 0.")] = "",
    slice_axis: Annotated[
        str, typer.Option(help="axial, coronal, sagittal, or a file axis from 0.")
    ] = "",
) -> None:
    """Show an image's geometry, type, range, classes, and anything odd about it."""
    from napari_dim.data.cohort import case_of
    from napari_dim.data.load import glance_at
    from napari_dim.io import list_parts
    from napari_dim.io.formats import reader_of

    console = output()
    part = series or volume
    row = case_of(file, slice_axis=slice_axis, part=part)
    reader, own = reader_of(row.image, part)
    parts = () if own or row.channels else list_parts(row.image, part)
    seen = glance_at(row) if own or not _must_choose(parts) else None
    console.print(f"{'format':<12}{reader.name}")
    if seen is not None:
        for name, value in describe(seen):
            console.print(f"{name:<12}{value}")
    for number, one in enumerate(parts):
        console.print(f"{'holds' if number == 0 else '':<12}{one.key}: {one.text}", markup=False)


def _must_choose(parts: tuple[Part, ...]) -> bool:
    """Whether a file holds so many volumes that none stands for the others."""
    from napari_dim.io.nifti.nifti_header import MAX_CHANNELS

    return len(parts) > MAX_CHANNELS and parts[0].key == "0"


def describe(seen: Glance) -> list[tuple[str, str]]:
    """Name and value of everything worth knowing about an image."""
    import numpy as np

    grid, sample = seen.grid, seen.sample
    lines = [
        ("file", str(seen.path) if seen.path else "-"),
        ("kind", f"{seen.kind}, {_channels(seen.channels)}"),
        ("slices", f"{grid.shape[0]} of {grid.shape[1]} x {grid.shape[2]} (rows x columns)"),
    ]
    if seen.kind == "volume":
        lines += [
            ("file shape", " x ".join(str(size) for size in grid.file_shape)),
            ("orientation", f"{grid.codes}, {grid.plane} slices along axis {grid.slice_axis}"),
            ("handedness", "left" if np.linalg.det(grid.file_affine[:3, :3]) < 0 else "right"),
        ]
    axes = ("slice", "row", "column") if seen.kind == "volume" else ("row", "column")
    spacing = " x ".join(f"{step:.4g}" for step in grid.spacing[-len(axes) :])
    values = sample[np.isfinite(sample)] if sample.dtype.kind == "f" else sample
    found = f"{values.min():g} to {values.max():g}" if values.size else "not a finite number"
    lines += [
        ("spacing", f"{spacing} {grid.unit} ({' x '.join(axes)})"),
        ("type", seen.stored),
        ("range", f"{found} {seen.where}".rstrip()),
    ]
    if sample.dtype.kind in "iu" and seen.channels == 1:
        labels = np.unique(sample)
        if labels.size <= _MOST_LABELS:
            listed = " ".join(str(label) for label in labels)
            lines.append(("values", f"{listed} {seen.where}".rstrip()))
    lines += [("class", text) for text in _classes(seen.path)]
    if seen.kind == "volume":
        for number, row in enumerate(grid.file_affine[:3]):
            numbers = " ".join(f"{value:10.4f}" for value in row)
            lines.append(("affine" if number == 0 else "", numbers))
    lines += [("warning", warning) for warning in seen.warnings]
    return lines


def _classes(path: Path | None) -> list[str]:
    """The classes that a mask's file names, one line each."""
    from napari_dim.io import read_classes

    if path is None or not path.is_file():
        return []
    return [f"{item.id}: {item.name}" for item in read_classes(path)]


def _channels(count: int) -> str:
    return "1 channel" if count == 1 else f"{count} channels"
