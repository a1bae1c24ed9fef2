"""``napari-dim info``: what is in an image file, as napari-dim reads it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_dim.cli.console import output

if TYPE_CHECKING:
    from napari_dim.io import Part
    from napari_dim.volume import Volume

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
    from napari_dim.data.load import load_image
    from napari_dim.io import list_parts
    from napari_dim.io.formats import reader_of

    console = output()
    part = series or volume
    row = case_of(file, slice_axis=slice_axis, part=part)
    reader, own = reader_of(row.image, part)
    parts = () if own or row.channels else list_parts(row.image, part)
    scan = load_image(row) if own or not _must_choose(parts) else None
    console.print(f"{'format':<12}{reader.name}")
    if scan is not None:
        for name, value in describe(scan):
            console.print(f"{name:<12}{value}")
    for number, one in enumerate(parts):
        console.print(f"{'holds' if number == 0 else '':<12}{one.key}: {one.text}", markup=False)


def _must_choose(parts: tuple[Part, ...]) -> bool:
    """Whether a file holds so many volumes that none stands for the others."""
    from napari_dim.io.nifti.nifti_header import MAX_CHANNELS

    return len(parts) > MAX_CHANNELS and parts[0].key == "0"


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
            ("orientation", f"{grid.codes}, {grid.plane} slices along axis {grid.slice_axis}"),
            ("handedness", "left" if np.linalg.det(grid.file_affine[:3, :3]) < 0 else "right"),
        ]
    axes = ("slice", "row", "column") if volume.kind == "volume" else ("row", "column")
    spacing = " x ".join(f"{step:.4g}" for step in grid.spacing[-len(axes) :])
    lines += [
        ("spacing", f"{spacing} {grid.unit} ({' x '.join(axes)})"),
        ("type", str(volume.header.get("stored", array.dtype))),
        ("range", _range(volume)),
    ]
    if isinstance(array, np.ndarray) and array.dtype.kind in "iu" and array.ndim == 3:
        labels = np.unique(array)
        if labels.size <= _MOST_LABELS:
            lines.append(("values", " ".join(str(label) for label in labels)))
    lines += [("class", text) for text in _classes(volume)]
    if volume.kind == "volume":
        for number, row in enumerate(grid.file_affine[:3]):
            numbers = " ".join(f"{value:10.4f}" for value in row)
            lines.append(("affine" if number == 0 else "", numbers))
    lines += [("warning", warning) for warning in volume.warnings]
    return lines


def _classes(volume: Volume) -> list[str]:
    """The classes that a mask's file names, one line each."""
    from napari_dim.io import read_classes

    if volume.path is None or not volume.path.is_file():
        return []
    return [f"{item.id}: {item.name}" for item in read_classes(volume.path)]


def _range(volume: Volume) -> str:
    """Lowest and highest value; of a volume that lies on the disk, those of some slices."""
    import numpy as np

    array = volume.array
    if isinstance(array, np.ndarray):
        return f"{array.min():g} to {array.max():g}"
    numbers = np.unique(np.linspace(0, len(array) - 1, 9).round().astype(int))
    planes = [array[int(number)] for number in numbers]
    low, high = min(plane.min() for plane in planes), max(plane.max() for plane in planes)
    return f"{low:g} to {high:g} in {len(planes)} of its slices"


def _channels(count: int) -> str:
    return "1 channel" if count == 1 else f"{count} channels"
