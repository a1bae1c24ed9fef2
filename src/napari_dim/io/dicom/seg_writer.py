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
from napari_dim.errors import InputError, one_line
from napari_dim.io.atomic import atomic_path
from napari_dim.io.dicom.seg_frames import (
    MISSING,
    NEARLY_EVEN,
    NO_SOURCES,
    SCHEME,
    frame_grids,
)
from napari_dim.io.geometry import fit
from napari_dim.io.labels import LabelClass, as_labels, classes_in, smallest_type
from napari_dim.volume import Grid, Placed

_MOST_SEGMENTS = 65535
_MAY_BE_EMPTY = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyID", "StudyDate",
    "StudyTime", "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip


def write_dicom_seg(
    path: Path, mask: np.ndarray, volume: Placed, classes: Sequence[LabelClass] = ()
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
    with one_line(path, "DICOM-SEG", "written", MISSING):
        sources = series_of(volume)
        frames, used = _planes(_numbered(labels, segments), volume, sources, path)
        _write(path, frames, used, segments)
    return path


def series_of(volume: Placed) -> list[Any]:
    """The headers of the images that a volume was read from, in no particular order.

    Raises
    ------
    InputError
        If it was not read from DICOM, or the files are gone.
    """
    import pydicom

    from napari_dim.io.dicom.series_reader import find_instances

    uids = check_source(volume.path, volume)
    assert volume.path is not None
    files = find_instances(volume.path, uids, str(volume.header.get("series", "")))
    # Files without a preamble are read, too: their images are segmented like others.
    images = [pydicom.dcmread(file, stop_before_pixels=True, force=True) for file in files]
    for image in images:
        for name in _MAY_BE_EMPTY:
            if name not in image:  # anonymisers leave out what should be there, if empty
                setattr(image, name, None)
    return images


def check_source(path: Path | None, volume: Placed) -> set[str]:
    """The UIDs of the images that a segmentation of this scan would refer to.

    Raises
    ------
    InputError
        If there can't be one.
    """
    uids = {uid for uid, _ in volume.header.get("instances", ()) if uid}
    if volume.path is None or "series" not in volume.header:
        raise InputError(
            "the scan did not come from DICOM: there is no series that a DICOM-SEG could refer to",
            where=volume.path,
            hint="Save it as NIfTI",
        )
    if not uids:
        reason = volume.header.get(NO_SOURCES, "its images have no UID")
        raise InputError(
            f"a DICOM-SEG can't refer to the images of this scan: {reason}",
            where=volume.path,
            hint="Save it as NIfTI",
        )
    slices = volume.grid.shape[0]
    if not volume.grid.placed and slices > 1:
        raise InputError(
            f"a DICOM-SEG of images without a place holds one, this scan has {slices}",
            where=volume.path,
            hint="Save it as NIfTI, or the masks of single images",
        )
    return uids


def _numbered(labels: np.ndarray, segments: Sequence[LabelClass]) -> np.ndarray:
    """Segment numbers 1, 2, ... in place of ids."""
    ids = np.array([0, *(item.id for item in segments)])
    numbers = np.searchsorted(ids, labels)
    return numbers.astype(smallest_type(len(segments)))


def _planes(
    numbers: np.ndarray, volume: Placed, sources: Sequence[Any], path: Path
) -> tuple[np.ndarray, list[Any]]:
    """The part of a mask that lies on each image, and the images, in the slices' order."""
    inside = volume.grid.to_file(numbers)
    covered = np.zeros(inside.shape[2], bool)
    found: list[tuple[np.ndarray, Any]] = []
    for source in sources:
        for index, grid in enumerate(frame_grids(source)):
            number = _slice_of((str(source.SOPInstanceUID), index), grid, volume)
            if number is None and len(sources) == 1:  # frames of one file can't be left out
                raise InputError("a frame of the series does not lie on the scan", where=path)
            if number is None or (len(sources) > 1 and covered[number]):
                continue  # elsewhere, or a slice that is there twice
            covered[number] = True
            found.append((inside[:, :, number].T, source))
    if not found:
        raise InputError("the mask does not lie on the series", where=path)
    left = np.flatnonzero(inside.any((0, 1)) & ~covered)
    if left.size:
        raise InputError(
            f"slice {left[0]} is labelled but the series has no image there", where=path,
            hint="Save the mask as NIfTI",
        )  # fmt: skip
    frames = np.stack([frame for frame, _ in found])
    return frames, [sources[0]] if len(sources) == 1 else [source for _, source in found]


def _slice_of(source: tuple[str, int], grid: Grid | None, volume: Placed) -> int | None:
    """The slice of a volume that a frame is, by its place, else by what the volume was read from.

    None if it is none of them.
    """
    instances = list(volume.header.get("instances", ()))
    if grid is None:
        return instances.index(source) if source in instances else None
    try:
        found = fit(grid, volume.grid, NEARLY_EVEN)
    except InputError:
        return None
    here = found.turn.tolist() == [[0, 1], [1, 1], [2, 1]] and not any(found.offset[:2])
    return found.offset[2] if here and found.shape[:2] == volume.grid.file_shape[:2] else None


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
