"""DICOM Segmentation objects: masks that a viewer or a PACS lays on the series they belong to.

highdicom builds and writes them. A SEG belongs to the patient and study of its series, so it
names both: unlike all other files that are written here, it is not anonymous unless its
series is.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_dim import __version__
from napari_dim.errors import Foreseen, InputError, one_line
from napari_dim.io.atomic import atomic_path
from napari_dim.io.labels import LabelClass, as_labels, classes_in, smallest_type
from napari_dim.volume import Grid, Volume

SCHEME = "99NAPARIDIM"
"""Coding scheme of the segments' types: the code is the class id, the meaning its name."""

_MOST_SEGMENTS = 65535
_MISSING: Foreseen = {
    ImportError: (
        "DICOM-SEG needs the packages pydicom and highdicom",
        'Install them with: pip install "napari-dim[dicom]"',
    )
}
_APART = 0.05  # How far from a voxel of the grid a pixel may lie, in voxels.
_MAY_BE_EMPTY = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyID", "StudyDate",
    "StudyTime", "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip
_TO_RAS = np.array([-1.0, -1.0, 1.0])


def write_dicom_seg(
    path: Path, mask: np.ndarray, volume: Volume, classes: Sequence[LabelClass] = ()
) -> Path:
    """Write a mask as a DICOM-SEG that refers to the images of its series.

    Parameters
    ----------
    path
        The file, usually ``.dcm``.
    mask
        Class ids, ``(slice, row, column)``.
    volume
        A volume read from DICOM: its header names the images, its path leads to them.
    classes
        Names and colours; each that is given is there, also without a voxel.

    Raises
    ------
    InputError
        If the volume is not from DICOM, its series is not there any more or doesn't have an
        image of each slice that is labelled, or the file can't be written.
    """
    labels = as_labels(mask, where=path)
    found = {item.id: item for item in (*classes, *classes_in(labels, classes)) if item.id > 0}
    segments = [found[class_id] for class_id in sorted(found)]
    if not segments:
        raise InputError("the mask is empty and no class is named", where=path)
    if len(segments) > _MOST_SEGMENTS:
        raise InputError(
            f"DICOM-SEG holds {_MOST_SEGMENTS} classes, this are {len(segments)}", where=path
        )
    with one_line(path, "DICOM-SEG", "written", _MISSING):
        sources = series_of(volume)
        frames, used = _planes(_numbered(labels, segments), volume.grid, sources, path)
        _write(path, frames, used, segments)
    return path


def series_of(volume: Volume) -> list[Any]:
    """The headers of the images that a volume was read from, in no particular order.

    Raises
    ------
    InputError
        If it was not read from DICOM, or the files are gone.
    """
    import pydicom

    from napari_dim.io.dicom.series_reader import find_instances

    uids = {uid for uid, _ in volume.header.get("instances", ()) if uid}
    if volume.path is None or not uids:
        raise InputError(
            "the scan did not come from DICOM: there is no series that a DICOM-SEG could refer to",
            where=volume.path,
            hint="Save it as NIfTI",
        )
    files = find_instances(volume.path, uids)
    images = [pydicom.dcmread(file, stop_before_pixels=True) for file in files.values()]
    for image in images:
        for name in _MAY_BE_EMPTY:
            if name not in image:  # anonymisers leave out what should be there, if empty
                setattr(image, name, None)
    return images


def read_dicom_seg(path: Path, like: Volume) -> np.ndarray:
    """The ids of a DICOM-SEG on the grid of `like`, ``(slice, row, column)``.

    Segments that were not written here have their segment's number as id. Where segments
    overlap, the later one is kept.

    Raises
    ------
    InputError
        If it can't be read, or doesn't lie on the grid.
    """
    with one_line(path, "DICOM-SEG", known=_MISSING):
        data = _segmentation(path)
        ids = {number: item.id for number, item in _segments(data).items()}
        mask = np.zeros(like.grid.shape, smallest_type(max(ids.values(), default=0)))
        pixels = _pixels(data)
        for frame, place, number in zip(pixels, _places(data), _numbers(data), strict=True):
            index = _index(place, like.grid)
            if index is None:
                raise InputError(
                    "the segmentation does not lie on this image", where=path,
                    hint="Use one made for this series",
                )  # fmt: skip
            mask[index] = np.where(frame > 0, ids[number], mask[index])
        return mask


def open_dicom_seg(path: Path) -> Volume:
    """A DICOM-SEG without its series: ids on the grid that its own frames span.

    Raises
    ------
    InputError
        If it can't be read, or its frames don't lie on one grid.
    """
    with one_line(path, "DICOM-SEG", known=_MISSING):
        grid = _own_grid(_segmentation(path), path)
        empty = np.broadcast_to(np.uint8(0), grid.shape)
        return Volume(read_dicom_seg(path, Volume(empty, grid)), grid, path)


def classes_of(path: Path) -> list[LabelClass]:
    """The classes that a DICOM-SEG holds, by id.

    Raises
    ------
    InputError
        If it can't be read.
    """
    with one_line(path, "DICOM-SEG", known=_MISSING):
        return sorted(_segments(_segmentation(path)).values(), key=lambda item: item.id)


def _numbered(labels: np.ndarray, segments: Sequence[LabelClass]) -> np.ndarray:
    """Segment numbers 1, 2, ... in place of ids."""
    ids = np.array([0, *(item.id for item in segments)])
    numbers = np.searchsorted(ids, labels)
    return numbers.astype(smallest_type(len(segments)))


def _planes(
    numbers: np.ndarray, grid: Grid, sources: Sequence[Any], path: Path
) -> tuple[np.ndarray, list[Any]]:
    """The part of a mask that lies on each image, and the images, in the slices' order."""
    found: list[tuple[np.ndarray, Any]] = []
    covered = np.zeros(numbers.shape, bool)
    for source in sources:
        for place in _places(source):
            index = _index(place, grid)
            if index is None:
                if len(sources) == 1:  # frames of one file can't be left out
                    raise InputError("a frame of the series does not lie on the scan", where=path)
                continue
            if len(sources) > 1 and covered[index].all():
                continue  # a slice that is there twice
            covered[index] = True
            found.append((numbers[index], source))
    if not found:
        raise InputError("the mask does not lie on the series", where=path)
    left = np.flatnonzero((numbers.astype(bool) & ~covered).any((1, 2)))
    if left.size:
        raise InputError(
            f"slice {left[0]} is labelled but the series has no image there", where=path,
            hint="Save the mask as NIfTI",
        )  # fmt: skip
    frames = np.stack([frame for frame, _ in found])
    return frames, [sources[0]] if len(sources) == 1 else [source for _, source in found]


def _write(
    path: Path, frames: np.ndarray, sources: Sequence[Any], segments: Sequence[LabelClass]
) -> None:
    import highdicom as hd
    from pydicom.sr.codedict import codes

    algorithm = hd.AlgorithmIdentificationSequence(
        name="DiM", family=codes.DCM.ArtificialIntelligence, version=__version__
    )
    described = [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=item.label[:64],
            segmented_property_category=codes.SCT.AnatomicalStructure,
            segmented_property_type=hd.sr.CodedConcept(str(item.id), SCHEME, item.label[:64]),
            algorithm_type=hd.seg.SegmentAlgorithmTypeValues.SEMIAUTOMATIC,
            algorithm_identification=algorithm,
            tracking_uid=hd.UID(),
            tracking_id=item.label[:64],
            display_color=hd.color.CIELabColor.from_rgb(*item.rgb),
        )
        for number, item in enumerate(segments, start=1)
    ]
    made = hd.seg.Segmentation(
        source_images=list(sources),
        pixel_array=frames,
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=described,
        series_instance_uid=hd.UID(),
        series_number=int(getattr(sources[0], "SeriesNumber", None) or 0) + 1000,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer="napari-dim",
        manufacturer_model_name="napari-dim",
        software_versions=__version__,
        device_serial_number="0",
        content_label="SEGMENTATION",
        series_description="napari-dim segmentation",
    )
    with atomic_path(path) as temporary:
        made.save_as(temporary, enforce_file_format=True)


Place = tuple[np.ndarray, np.ndarray, tuple[int, int]]
"""Position of the first pixel and steps along rows' and columns' index, RAS+ mm; the size."""


def _places(data: Any) -> list[Place]:
    """Where each frame of an image lies."""
    size = int(data.Rows), int(data.Columns)
    if "PerFrameFunctionalGroupsSequence" not in data:
        return [
            _place(data.ImagePositionPatient, data.ImageOrientationPatient, data.PixelSpacing, size)
        ]
    shared = data.SharedFunctionalGroupsSequence[0]
    found = []
    for own in data.PerFrameFunctionalGroupsSequence:

        def group(name: str, own: Any = own) -> Any:
            return (own if name in own else shared)[name].value[0]

        found.append(
            _place(
                group("PlanePositionSequence").ImagePositionPatient,
                group("PlaneOrientationSequence").ImageOrientationPatient,
                group("PixelMeasuresSequence").PixelSpacing,
                size,
            )
        )
    return found


def _place(position: Any, orientation: Any, spacing: Any, size: tuple[int, int]) -> Place:
    turn = np.array([float(value) for value in orientation])
    # Along a row the column's index grows: its direction comes first in DICOM, its step last.
    down = turn[3:] * float(spacing[0]) * _TO_RAS
    across = turn[:3] * float(spacing[1]) * _TO_RAS
    return np.array([float(v) for v in position]) * _TO_RAS, np.stack([down, across]), size


def _index(place: Place, grid: Grid) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Where the pixels of a frame are in an array on `grid`; None if they are not on it."""
    origin, steps, (rows, columns) = place
    to_index = np.linalg.inv(grid.affine)
    start = to_index[:3, :3] @ origin + to_index[:3, 3]
    moves = to_index[:3, :3] @ steps.T
    ends = np.stack([start, start + moves[:, 0] * (rows - 1), start + moves[:, 1] * (columns - 1)])
    whole = np.rint(ends)
    if np.abs(ends - whole).max() > _APART or np.abs(moves - np.rint(moves)).max() > _APART:
        return None
    first, step = whole[0].astype(int), np.rint(moves).astype(int)
    index = (
        first[:, None, None]
        + step[:, 0, None, None] * np.arange(rows)[None, :, None]
        + step[:, 1, None, None] * np.arange(columns)[None, None, :]
    )
    limits = np.array(grid.shape)[:, None, None]
    if (index < 0).any() or (index >= limits).any():
        return None
    return index[0], index[1], index[2]


def _segmentation(path: Path) -> Any:
    import pydicom

    data = pydicom.dcmread(path)
    if getattr(data, "Modality", "") != "SEG" or "SegmentSequence" not in data:
        raise InputError("this is not a DICOM-SEG", where=path)
    if data.SegmentationType not in ("BINARY", "FRACTIONAL"):
        raise InputError(f"a SEG of type {data.SegmentationType} can't be read", where=path)
    return data


def _segments(data: Any) -> dict[int, LabelClass]:
    """Segment number -> class."""
    from highdicom.color import CIELabColor

    found = {}
    for segment in data.SegmentSequence:
        number = int(segment.SegmentNumber)
        code = segment.SegmentedPropertyTypeCodeSequence[0]
        ours = getattr(code, "CodingSchemeDesignator", "") == SCHEME
        class_id = int(code.CodeValue) if ours else number
        lab = getattr(segment, "RecommendedDisplayCIELabValue", None)
        colour = ""
        if lab is not None:
            colour = "#{:02X}{:02X}{:02X}".format(*CIELabColor.from_dicom_value(lab).to_rgb())
        found[number] = LabelClass(class_id, str(segment.SegmentLabel), colour)
    return found


def _numbers(data: Any) -> list[int]:
    """The segment that each frame belongs to; where there is one alone, all frames share it."""
    shared = data.SharedFunctionalGroupsSequence[0]
    name = "SegmentIdentificationSequence"
    return [
        int((own if name in own else shared)[name].value[0].ReferencedSegmentNumber)
        for own in data.PerFrameFunctionalGroupsSequence
    ]


def _pixels(data: Any) -> np.ndarray:
    """``(frame, row, column)``."""
    pixels = np.asarray(data.pixel_array)
    return pixels[None] if pixels.ndim == 2 else pixels


def _own_grid(data: Any, path: Path) -> Grid:
    """The smallest grid that holds all frames."""
    places = _places(data)
    origin, steps, (rows, columns) = places[0]
    normal = np.cross(steps[1], steps[0])
    normal /= np.linalg.norm(normal)
    heights = np.unique(np.round([normal @ (place[0] - origin) for place in places], 4))
    gaps = np.diff(heights)
    if gaps.size:
        gap = float(gaps.min())
        count = round(float(heights[-1] - heights[0]) / gap) + 1
    else:
        shared = data.SharedFunctionalGroupsSequence[0]
        measures = shared.get("PixelMeasuresSequence", [None])[0]
        gap, count = float(getattr(measures, "SliceThickness", None) or 1.0), 1
    lowest = min(places, key=lambda place: float(normal @ (place[0] - origin)))[0]
    affine = np.eye(4)
    affine[:3, :3] = np.stack([steps[1], steps[0], normal * gap], 1)
    affine[:3, 3] = lowest
    return Grid((columns, rows, count), affine, 2)
