"""Segmentations of 3D Slicer in NRRD files: segments by layer and value, with names and colours."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_dim.errors import InputError
from napari_dim.io.labels import LabelClass, as_labels, smallest_type
from napari_dim.io.overlaps import WINNERS, Painting, Winner, painting_order

_NUMBER = re.compile(r"Segment(\d+)_ID|Segment(\d+)_LabelValue")


@dataclass(frozen=True)
class Segment:
    """One segment: the layer and the value that its voxels have, and the class that it is."""

    layer: int
    value: int
    item: LabelClass


def segments_in(path: Path) -> list[Segment]:
    """The segments that a NRRD file describes, in its order; none if it describes none.

    A segment's class has the value of its voxels as id. Where two segments have one value in
    different layers, all are numbered from 1 in their order instead.

    Raises
    ------
    InputError
        If the header can't be read.
    """
    import nrrd

    try:
        with path.open("rb") as file:
            header = nrrd.read_header(_text(file))
    except (Exception, StopIteration) as error:
        # Damaged headers end in many types, whose words may quote the header; the user needs one.
        raise InputError(
            "this is not a usable NRRD file: its header can't be understood", where=path,
            hint="Save it again with the program that made it",
        ) from error  # fmt: skip
    numbers = sorted({int(found[1] or found[2]) for key in header if (found := _NUMBER.match(key))})
    described = [_described(header, number, path) for number in numbers]
    values = [value for _, value, _, _ in described]
    own = len(set(values)) == len(values) and 0 not in values
    return [
        Segment(layer, value, LabelClass(value if own else place, name, colour))
        for place, (layer, value, name, colour) in enumerate(described, start=1)
    ]


def _text(lines: Iterable[bytes]) -> Iterator[str]:
    """The lines of a header; 3D Slicer writes names as UTF-8, of which pynrrd keeps ASCII alone."""
    for line in lines:
        try:
            yield line.decode()
        except UnicodeDecodeError:
            yield line.decode("latin-1")


def segments_of(path: Path) -> list[LabelClass]:
    """The classes that a NRRD file names, by id; none if it names none.

    Raises
    ------
    InputError
        If the file can't be read.
    """
    return sorted((one.item for one in segments_in(path)), key=lambda item: item.id)


def merged(
    array: np.ndarray, segments: Sequence[Segment], wins: Winner, path: Path
) -> tuple[np.ndarray, tuple[str, ...]]:
    """One mask of all layers ``(i, j, k[, layer])``, and what there is to say of it.

    Raises
    ------
    InputError
        If a segment's layer is not there, or a value is no class id.
    """
    layers = as_labels(array if array.ndim == 4 else array[..., None], where=path)
    for one in segments:
        if one.layer >= layers.shape[3]:
            raise InputError(
                f"{one.item.label} is in layer {one.layer} by its header, counted from 0, and the "
                f"file has {layers.shape[3]}",
                where=path, hint="Save the segmentation again in 3D Slicer",
            )  # fmt: skip
    inside = [(layers[..., one.layer] == one.value) for one in segments]
    out = np.zeros(layers.shape[:3], smallest_type(max(one.item.id for one in segments)))
    painting = Painting(out)
    sizes = [int(np.count_nonzero(voxels)) for voxels in inside]
    for number in painting_order(sizes, wins):
        painting.put((slice(None),) * 3, inside[number], segments[number].item.id)
    notes = painting.notes([one.item for one in segments], WINNERS[wins])
    unnamed = int(np.count_nonzero(layers)) - sum(sizes)
    if unnamed > 0:
        notes += (f"{unnamed} voxels belong to no segment and are left out",)
    return out, notes


def _described(header: Mapping[str, Any], number: int, path: Path) -> tuple[int, int, str, str]:
    """Layer, value, name and colour of a segment."""
    start = f"Segment{number}_"
    try:
        # Before it had values, Slicer gave each segment a layer of its own.
        value = int(header.get(f"{start}LabelValue", 1))
        layer = int(header.get(f"{start}Layer", 0 if f"{start}LabelValue" in header else number))
        colour = [float(part) for part in str(header.get(f"{start}Color", "")).split()[:3]]
    except ValueError as error:
        raise InputError(
            f"value, layer or colour of segment {number} is no number in its header", where=path,
            hint="Save the segmentation again in 3D Slicer",
        ) from error  # fmt: skip
    if value < 0 or layer < 0:
        raise InputError(f"segment {number} has the value {value} in layer {layer}", where=path)
    text = "".join(f"{round(255 * min(max(part, 0.0), 1.0)):02X}" for part in colour)
    name = str(header.get(f"{start}Name", ""))
    return layer, value, name, f"#{text}" if len(text) == 6 else ""
