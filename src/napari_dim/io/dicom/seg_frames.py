"""Where the frames of a DICOM image or segmentation lie, as grids of one slice each."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_dim.errors import Foreseen
from napari_dim.volume import Grid

SCHEME = "99NAPARIDIM"
"""Coding scheme of the segments' types: the code is the class id, the meaning its name."""

MISSING: Foreseen = {
    ImportError: (
        "DICOM-SEG needs the packages pydicom and highdicom",
        'Install them with: pip install "napari-dim[dicom]"',
    )
}
NO_SOURCES = "no_sources"
"""Key of a volume's header: why no segmentation can refer to the images it was read from."""

NEARLY_EVEN = 0.1
"""How far beside its slice a frame of the image's own series may lie: see `stacks`."""

_TO_RAS = np.array([-1.0, -1.0, 1.0])


def frame_grids(data: Any) -> list[Grid | None]:
    """The grid of each frame, (column, row, 1) voxels; None for one without a position."""
    size = int(data.Rows), int(data.Columns)
    if "PerFrameFunctionalGroupsSequence" not in data:
        return [
            _grid(
                data.get("ImagePositionPatient"),
                data.get("ImageOrientationPatient"),
                data.get("PixelSpacing"),
                size,
            )
        ] * int(data.get("NumberOfFrames", 1) or 1)
    return [
        _grid(
            _value(data, own, "PlanePositionSequence", "ImagePositionPatient"),
            _value(data, own, "PlaneOrientationSequence", "ImageOrientationPatient"),
            _value(data, own, "PixelMeasuresSequence", "PixelSpacing"),
            size,
        )
        for own in data.PerFrameFunctionalGroupsSequence
    ]


def _value(data: Any, own: Any, group: str, name: str) -> Any:
    """A value of a frame's functional groups, else of those that all frames share."""
    for groups in (own, *data.get("SharedFunctionalGroupsSequence", ())[:1]):
        if group in groups and len(groups[group].value):
            return groups[group].value[0].get(name)
    return None


def segment_numbers(data: Any) -> list[int | None]:
    """The segment that each frame belongs to; None where its values say it."""
    name, key = "SegmentIdentificationSequence", "ReferencedSegmentNumber"
    found = [_value(data, own, name, key) for own in data.PerFrameFunctionalGroupsSequence]
    return [None if number is None else int(number) for number in found]


def sources_of(data: Any) -> list[tuple[str, int] | None]:
    """UID and frame index, from 0, of the image that each frame was drawn on, if it is told."""
    found: list[tuple[str, int] | None] = []
    for own in data.PerFrameFunctionalGroupsSequence:
        images = _value(data, own, "DerivationImageSequence", "SourceImageSequence")
        if not images:
            found.append(None)
            continue
        number = images[0].get("ReferencedFrameNumber") or 1
        first = number if isinstance(number, int) else next(iter(number))
        found.append((str(images[0].ReferencedSOPInstanceUID), int(first) - 1))
    return found


def _grid(position: Any, orientation: Any, spacing: Any, size: tuple[int, int]) -> Grid | None:
    if position is None or orientation is None or spacing is None:
        return None
    turn = np.array([float(value) for value in orientation])
    affine = np.eye(4)
    # Along a row the column's index grows: its direction comes first in DICOM, its step last.
    affine[:3, 0] = turn[:3] * float(spacing[1]) * _TO_RAS
    affine[:3, 1] = turn[3:] * float(spacing[0]) * _TO_RAS
    affine[:3, 2] = np.cross(turn[:3], turn[3:]) * _TO_RAS
    affine[:3, 3] = np.array([float(value) for value in position]) * _TO_RAS
    return Grid((size[1], size[0], 1), affine, 2)
