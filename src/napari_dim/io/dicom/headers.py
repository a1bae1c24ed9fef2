"""What a DICOM file says of itself, read once: the image planes in it, or why there are none.

Only the tags below and the makers' b values are read, none of which names a patient. pydicom
takes a value apart when it is first asked for, and raises any exception then: all is asked here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from napari_dim.errors import InputError, without_quotes
from napari_dim.io.dicom.folder_walk import starts_like_dicom
from napari_dim.io.dicom.frames import Frame, frames_in
from napari_dim.io.dicom.mosaic import is_mosaic, tiles_of
from napari_dim.io.dicom.private_tags import TAGS
from napari_dim.io.dicom.splitters import SPLITTERS
from napari_dim.io.library_words import withheld

_TAGS = (
    "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID",
    "FrameOfReferenceUID", "SeriesDescription", "SeriesNumber", "InstanceNumber", "Modality",
    "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "NumberOfFrames",
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "ImageType",
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "ImagerPixelSpacing",
    "NominalScannedPixelSpacing", "SequenceOfUltrasoundRegions",
    "SliceThickness", "SpacingBetweenSlices",
    "PixelPaddingValue", "PixelPaddingRangeLimit",
    "RescaleSlope", "RescaleIntercept", "DoseGridScaling", "ModalityLUTSequence",
    "WindowCenter", "WindowWidth", "VOILUTFunction",
    "GridFrameOffsetVector", "DetectorInformationSequence",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
    *(tag[0] for one in SPLITTERS for tag in one.tags), *TAGS,
)  # fmt: skip
_DIRECTORY = "1.2.840.10008.1.3.10"
_MOST_KEPT = 20_000
"""Files whose header is remembered: what lists a folder is asked again when it is read."""


@dataclass(frozen=True)
class Header:
    """What one file says of itself.

    Attributes
    ----------
    frames
        Its image planes.
    refused, hint
        Why there are none, and what to do about it.
    uid
        Its SOP instance.
    segmentation
        It is a DICOM-SEG.
    directory
        It is a DICOMDIR, a list of other files.
    """

    frames: tuple[Frame, ...] = ()
    refused: str = ""
    hint: str = ""
    uid: str = ""
    segmentation: bool = False
    directory: bool = False


def read_header(path: Path) -> Header | None:
    """What a file says of itself; None if it does not begin as DICOM does.

    A file that has not changed since is not read again.
    """
    try:
        now = path.stat()
    except OSError:
        return None
    with withheld():
        return _read(path, now.st_ino, now.st_size, now.st_mtime_ns)


@lru_cache(_MOST_KEPT)
def _read(path: Path, *_: int) -> Header | None:
    import pydicom

    if not starts_like_dicom(path):
        return None
    try:
        data = pydicom.dcmread(path, force=True, stop_before_pixels=True, specific_tags=list(_TAGS))
        _mend_commas(data)
        uid = str(data.get("SOPInstanceUID", "") or "")
        segmentation = data.get("Modality") == "SEG"
        meta = getattr(data, "file_meta", None)
        if str(getattr(meta, "MediaStorageSOPClassUID", "")) == _DIRECTORY:
            return Header(uid=uid, directory=True)
        frames = frames_in(path, data)
        if is_mosaic(data):
            frames = tiles_of(path, frames)
    except InputError as error:
        return Header(refused=error.problem, hint=error.hint, uid=uid, segmentation=segmentation)
    except Exception as error:
        # One damaged file does not keep a folder from being read.
        return Header(refused=f"the header can't be understood: {without_quotes(error)}")
    return Header(tuple(frames), uid=uid, segmentation=segmentation)


def _mend_commas(data: Any) -> None:
    """Take commas in decimal numbers for what their programs meant, by the language they ran in.

    A comma is no part of such a number: beside points it stands between two, else it is one.
    """
    from pydicom.datadict import dictionary_has_tag, dictionary_VR
    from pydicom.dataelem import DataElement, RawDataElement

    for tag in list(data.keys()):
        raw = data.get_item(tag)
        if not isinstance(raw, RawDataElement) or not raw.value or b"," not in raw.value:
            continue
        kind = raw.VR or (dictionary_VR(tag) if dictionary_has_tag(tag) else "")
        if kind == "DS":
            point = b"\\" if b"." in raw.value else b"."
            data[tag] = DataElement(tag, "DS", raw.value.replace(b",", point).decode("latin-1"))
