"""Which files are DICOM, and what their headers say of each image in them.

Only the tags below are read. None of them names a patient; what a series is called is shown
when someone has to choose one, and kept nowhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from napari_dim.errors import InputError

MAX_FILES = 100_000
"""A folder with more files is refused."""
_LOOKED_AT = 300
"""So many files of a folder are opened to see whether it holds DICOM."""

_TAGS = (
    "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID",
    "FrameOfReferenceUID", "SeriesDescription", "SeriesNumber", "InstanceNumber", "Modality",
    "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "NumberOfFrames",
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "ImageType",
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "ImagerPixelSpacing",
    "NominalScannedPixelSpacing", "SliceThickness", "SpacingBetweenSlices",
    "RescaleSlope", "RescaleIntercept", "DoseGridScaling", "ModalityLUTSequence",
    "WindowCenter", "WindowWidth", "VOILUTFunction", "PresentationLUTShape",
    "TemporalPositionIdentifier", "AcquisitionNumber", "EchoTime", "TriggerTime",
    "DiffusionBValue", "GridFrameOffsetVector", "DetectorInformationSequence",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
)  # fmt: skip
_INNER = (
    "PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence",
    "PixelValueTransformationSequence", "FrameVOILUTSequence", "FrameContentSequence",
    "MREchoSequence", "MRDiffusionSequence", "EffectiveEchoTime", "TemporalPositionIndex",
    "StackID", "FrameAcquisitionNumber", "MediaStorageSOPClassUID",
)  # fmt: skip
"""Those that stand in a sequence, or before the data set."""
_DIRECTORY = "1.2.840.10008.1.3.10"
_NO_IMAGES = {"SEG": "a segmentation", "RTSTRUCT": "drawn contours", "SR": "a report",
              "PR": "a way of showing images", "KO": "a choice of images",
              "ECG": "a waveform", "RTPLAN": "a treatment plan"}  # fmt: skip

SPLITTERS = ("image type", "echo time", "b value", "time point", "trigger time",
             "stack", "acquisition")  # fmt: skip
"""What may tell apart several images of one place in one series, in the order tried."""


@dataclass(frozen=True)
class Frame:
    """One image plane: a single-frame file, or one frame of a multi-frame one.

    `position` and `orientation` are DICOM's, LPS in mm; `spacing` is (row, column) in mm, and
    `thickness` the distance of the slices that the header claims; None where nothing is said.
    `table`: stored values become real ones by a table, not by `scaling`.
    """

    file: Path
    index: int
    uid: str
    series: str
    study: str
    reference: str
    sop_class: str
    modality: str
    description: str
    series_number: int
    instance: int
    shape: tuple[int, int]
    color: bool
    inverted: bool
    bits: tuple[int, int, bool]
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    spacing: tuple[float, float] | None
    thickness: float | None
    scaling: tuple[float, float]
    table: bool
    window: tuple[float, float] | None
    parts: tuple[str, ...]


def is_dicom(path: Path) -> bool:
    """Whether a file's first bytes, or a folder's files, are DICOM."""
    path = Path(path)
    if path.is_dir():
        return any(_starts_like_dicom(file) for file in islice(_walk(path), _LOOKED_AT))
    return _starts_like_dicom(path)


def _starts_like_dicom(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            start = file.read(136)
    except OSError:
        return False
    if start[128:132] == b"DICM":
        return True
    # Old files begin with the data set at once: group 8, a small even element, then its type.
    plausible = start[:2] == b"\x08\x00" and start[3:4] == b"\0" and len(start) > 12
    return plausible and (start[4:6].isalpha() or start[6:8] == b"\0\0")


def _walk(folder: Path) -> Iterator[Path]:
    """All files below a folder, in a fixed order, hidden ones left out."""
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                yield Path(where, name)


def dicom_files(path: Path) -> list[Path]:
    """The DICOM files of a folder, or those that may be of one series with a file.

    Raises
    ------
    InputError
        If there are none, or too many to look through.
    """
    if not path.is_dir():
        return [file for file in sorted(path.parent.iterdir()) if file.is_file()]
    files: list[Path] = []
    for file in _walk(path):
        files.append(file)
        if len(files) > MAX_FILES:
            raise InputError(f"the folder holds more than {MAX_FILES} files", where=path,
                             hint="Open the folder of one study")  # fmt: skip
    return files


def read_header(path: Path) -> Any | None:
    """The tags above of a DICOM file; None if it is none, or one of them is damaged.

    pydicom takes a value apart when it is first asked for, and raises any exception then. Here
    all are asked for, so that nobody else has to reckon with it.
    """
    import pydicom
    from pydicom.datadict import tag_for_keyword

    if not _starts_like_dicom(path):
        return None
    try:
        data = pydicom.dcmread(path, force=True, stop_before_pixels=True, specific_tags=list(_TAGS))
        wanted = {tag_for_keyword(name) for name in (*_TAGS, *_INNER)}
        _take_apart(data, wanted)
        _take_apart(getattr(data, "file_meta", {}), wanted)
    except Exception:
        return None  # One damaged file does not keep a folder from being read.
    return data


def _take_apart(data: Any, wanted: set[int | None]) -> None:
    for tag in [tag for tag in data.keys() if tag in wanted]:  # noqa: SIM118  A data set iterates over its elements
        element = data[tag]
        if element.VR == "SQ":
            for item in element.value:
                _take_apart(item, wanted)


def is_directory(header: Any) -> bool:
    """Whether a header is that of a DICOMDIR, a list of other files."""
    meta = getattr(header, "file_meta", None)
    return str(getattr(meta, "MediaStorageSOPClassUID", "")) == _DIRECTORY


def frames_of(headers: Iterable[tuple[Path, Any]]) -> tuple[list[Frame], list[str]]:
    """The image planes of files, and why others were left out."""
    frames: list[Frame] = []
    refused: list[str] = []
    for path, header in headers:
        try:
            frames += _frames(path, header)
        except InputError as error:
            refused.append(error.problem)
        except Exception as error:
            text = " ".join(str(error).split()) or type(error).__name__
            refused.append(f"the header can't be understood: {text}")
    return frames, refused


def _frames(path: Path, header: Any) -> list[Frame]:
    modality = str(header.get("Modality", "") or "")
    if modality in _NO_IMAGES:
        raise InputError(f"this holds {_NO_IMAGES[modality]}, no image")
    if not header.get("Rows") or not header.get("Columns"):
        raise InputError("this DICOM file holds no image")
    count = int(header.get("NumberOfFrames") or 1)
    if count < 1:
        raise InputError("the header declares no frame")
    per_frame = header.get("PerFrameFunctionalGroupsSequence") or []
    shared = (header.get("SharedFunctionalGroupsSequence") or [None])[0]
    if per_frame and len(per_frame) != count:
        raise InputError(f"the header declares {count} frames and describes {len(per_frame)}")
    photometric = str(header.get("PhotometricInterpretation", "MONOCHROME2") or "MONOCHROME2")
    samples = int(header.get("SamplesPerPixel") or 1)
    if samples not in (1, 3):
        raise InputError(f"images of {samples} samples a pixel can't be used")
    frames = []
    for index in range(count):
        groups = _Groups(header, shared, per_frame[index] if per_frame else None)
        position, orientation = groups.place(index, count)
        frames.append(
            Frame(
                file=path,
                index=index,
                uid=str(header.get("SOPInstanceUID", "") or ""),
                series=str(header.get("SeriesInstanceUID", "") or ""),
                study=str(header.get("StudyInstanceUID", "") or ""),
                reference=str(header.get("FrameOfReferenceUID", "") or ""),
                sop_class=str(header.get("SOPClassUID", "") or ""),
                modality=modality,
                description=str(header.get("SeriesDescription", "") or ""),
                series_number=_whole(header.get("SeriesNumber")),
                instance=_whole(header.get("InstanceNumber")),
                shape=(int(header.Rows), int(header.Columns)),
                color=samples == 3 or photometric.startswith("PALETTE"),
                inverted=photometric == "MONOCHROME1"
                or str(header.get("PresentationLUTShape", "")) == "INVERSE",
                bits=(
                    int(header.get("BitsAllocated") or 8),
                    int(header.get("BitsStored") or header.get("BitsAllocated") or 8),
                    bool(header.get("PixelRepresentation")),
                ),
                position=position,
                orientation=orientation,
                spacing=groups.spacing(),
                thickness=groups.thickness(),
                scaling=groups.scaling(),
                table=bool(header.get("ModalityLUTSequence")),
                window=groups.window(),
                parts=groups.parts(),
            )
        )
    return frames


@dataclass(frozen=True)
class _Groups:
    """Values of one frame: from its own group, the group shared by all, or the top level."""

    top: Any
    shared: Any
    own: Any

    def find(self, keyword: str, macro: str = "") -> Any:
        for group in (self.own, self.shared):
            if group is not None and macro:
                items = group.get(macro)
                if items and items[0].get(keyword) is not None:
                    return items[0].get(keyword)
        value = self.top.get(keyword)
        return None if value is None or value == "" else value

    def numbers(self, keyword: str, count: int, macro: str = "") -> tuple[float, ...] | None:
        value = self.find(keyword, macro)
        if value is None:
            return None
        values = tuple(float(one) for one in (value if hasattr(value, "__len__") else [value]))
        return values if len(values) == count else None

    def number(self, keyword: str, macro: str = "") -> float | None:
        value = self.find(keyword, macro)
        if value is None:
            return None
        if hasattr(value, "__len__") and not isinstance(value, str):
            value = value[0] if len(value) else None
        return None if value is None else float(value)

    def place(
        self, index: int, count: int
    ) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
        position = self.numbers("ImagePositionPatient", 3, "PlanePositionSequence")
        orientation = self.numbers("ImageOrientationPatient", 6, "PlaneOrientationSequence")
        detector = (self.top.get("DetectorInformationSequence") or [None])[0]
        if position is None and detector is not None:
            inner = _Groups(detector, None, None)
            position = inner.numbers("ImagePositionPatient", 3)
            orientation = inner.numbers("ImageOrientationPatient", 6)
        if position is None or orientation is None:
            return None, None
        if count > 1 and self.own is None:
            # Dose grids and nuclear medicine give the first plane and the way to the others.
            offsets = self.top.get("GridFrameOffsetVector")
            step = self.number("SpacingBetweenSlices")
            if offsets is not None and hasattr(offsets, "__len__") and len(offsets) == count:
                along = float(offsets[index])
                along -= 0.0 if float(offsets[0]) == 0 else float(offsets[0])
            elif step:
                along = index * step
            else:
                return None, None
            a, b = orientation[:3], orientation[3:]
            normal = (
                a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0],
            )  # fmt: skip
            position = tuple(p + along * n for p, n in zip(position, normal, strict=True))
        return position, orientation

    def spacing(self) -> tuple[float, float] | None:
        for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
            values = self.numbers(keyword, 2, "PixelMeasuresSequence")
            if values is not None and min(values) > 0:
                return values[0], values[1]
        return None

    def thickness(self) -> float | None:
        for keyword in ("SpacingBetweenSlices", "SliceThickness"):
            value = self.number(keyword, "PixelMeasuresSequence")
            if value:
                return abs(value)
        return None

    def scaling(self) -> tuple[float, float]:
        dose = self.number("DoseGridScaling")
        slope = self.number("RescaleSlope", "PixelValueTransformationSequence")
        inter = self.number("RescaleIntercept", "PixelValueTransformationSequence")
        return (dose or slope or 1.0), (inter or 0.0)

    def window(self) -> tuple[float, float] | None:
        centre = self.number("WindowCenter", "FrameVOILUTSequence")
        width = self.number("WindowWidth", "FrameVOILUTSequence")
        if centre is None or width is None or width <= 0:
            return None
        return value_window(
            centre, width, str(self.find("VOILUTFunction", "FrameVOILUTSequence") or "")
        )

    def parts(self) -> tuple[str, ...]:
        kind = self.find("ImageType")
        kinds = "/".join(kind) if kind is not None and not isinstance(kind, str) else str(kind)
        content = "FrameContentSequence"
        values = (
            kinds,
            self.find("EchoTime") or self.find("EffectiveEchoTime", "MREchoSequence"),
            self.find("DiffusionBValue", "MRDiffusionSequence"),
            self.find("TemporalPositionIdentifier") or self.find("TemporalPositionIndex", content),
            self.find("TriggerTime"),
            self.find("StackID", content),
            self.find("AcquisitionNumber") or self.find("FrameAcquisitionNumber", content),
        )
        return tuple("" if value is None else str(value) for value in values)


def value_window(centre: float, width: float, curve: str) -> tuple[float, float]:
    """The least and the largest value that a window shows; `curve` is its VOI LUT function."""
    if curve in ("", "LINEAR"):
        # DICOM PS3.3 C.11.2.1.2: the linear window is half a step off the exact one.
        return centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2
    return centre - width / 2, centre + width / 2


def _whole(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0
