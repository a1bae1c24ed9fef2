"""The image planes of one DICOM header: geometry, values, and what tells them from others.

None of the tags read names a patient; what a series is called is shown when someone has to
choose one, and written nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_dim.errors import InputError
from napari_dim.io.dicom.padding import padding_of
from napari_dim.io.dicom.private_tags import private_b_value
from napari_dim.io.dicom.splitters import B_VALUE, SPLITTERS, Value, comparable

TURNED = (
    "low is bright in this image (MONOCHROME1); its values are turned round, so that high is bright"
)
_NO_IMAGES = {"SEG": "a segmentation", "RTSTRUCT": "drawn contours", "SR": "a report",
              "PR": "a way of showing images", "KO": "a choice of images",
              "ECG": "a waveform", "RTPLAN": "a treatment plan"}  # fmt: skip
_CENTIMETRES = 3
_AS_MASK = "Make a mask of them first, as 3D Slicer with SlicerRT does, or plastimatch"


@dataclass(frozen=True)
class Frame:
    """One image plane: a single-frame file, or one frame of a multi-frame one.

    `position` and `orientation` are DICOM's, LPS in mm; `spacing` is (row, column) in mm, and
    `thickness` the distance of the slices that the header claims; None where nothing is said.
    `table`: stored values become real ones by a table, not by `scaling`.

    Attributes
    ----------
    inverted
        Low is bright (MONOCHROME1): `frame_pixels` turns the values round.
    bits
        Allocated and stored bits of a pixel, and whether it has a sign.
    shift
        Bits below the lowest that counts.
    padding
        Least and largest stored value that stand for no measurement.
    window
        Lowest and highest value shown, of the values as they are read.
    splits
        What `splitters.SPLITTERS` say of it.
    tile
        Row and column where it begins in a mosaic.
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
    shift: int
    padding: tuple[int, int] | None
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    spacing: tuple[float, float] | None
    thickness: float | None
    scaling: tuple[float, float]
    table: bool
    window: tuple[float, float] | None
    splits: tuple[Value, ...]
    tile: tuple[int, int] | None = None


def frames_in(path: Path, header: Any) -> list[Frame]:
    """The image planes of one file.

    Raises
    ------
    InputError
        If it holds no image, or one that can't be used.
    """
    modality = str(header.get("Modality", "") or "")
    if modality in _NO_IMAGES:
        hint = _AS_MASK if modality == "RTSTRUCT" else ""
        raise InputError(f"this holds {_NO_IMAGES[modality]}, no image", hint=hint)
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
    bits = (
        int(header.get("BitsAllocated") or 8),
        int(header.get("BitsStored") or header.get("BitsAllocated") or 8),
        bool(header.get("PixelRepresentation")),
    )
    color = samples == 3 or photometric.startswith("PALETTE")
    inverted = photometric == "MONOCHROME1"
    table = bool(header.get("ModalityLUTSequence"))
    frames = []
    for index in range(count):
        groups = _Groups(header, shared, per_frame[index] if per_frame else None)
        position, orientation = groups.place(index, count)
        scaling = groups.scaling()
        turn = turning_sum(bits, scaling) if inverted else None
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
                color=color,
                inverted=inverted,
                bits=bits,
                shift=_shift(bits, header.get("HighBit")),
                padding=None if color else padding_of(header, bits),
                position=position,
                orientation=orientation,
                spacing=groups.spacing(),
                thickness=groups.thickness(),
                scaling=scaling,
                table=table,
                window=None if inverted and table else _turned(groups.window(), turn),
                splits=groups.splits(),
            )
        )
    return frames


@dataclass(frozen=True)
class _Groups:
    """Values of one frame: from its own group, the group shared by all, or the top level."""

    top: Any
    shared: Any
    own: Any

    def find(self, keyword: str, *macros: str) -> Any:
        """A value in the sequences `macros`, one within the other, else at the top level."""
        for group in (self.own, self.shared):
            for macro in macros:
                items = group.get(macro) if group is not None else None
                group = items[0] if items else None
            if macros and group is not None and group.get(keyword) is not None:
                return group.get(keyword)
        value = self.top.get(keyword)
        return None if value is None or value == "" else value

    def numbers(self, keyword: str, count: int, macro: str = "") -> tuple[float, ...] | None:
        value = self.find(keyword, *([macro] if macro else []))
        if value is None:
            return None
        if isinstance(value, str):  # stored as text of another kind
            value = value.split("\\")
        values = tuple(float(one) for one in (value if hasattr(value, "__len__") else [value]))
        return values if len(values) == count else None

    def number(self, keyword: str, macro: str = "") -> float | None:
        value = self.find(keyword, *([macro] if macro else []))
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
        return self._ultrasound()

    def _ultrasound(self) -> tuple[float, float] | None:
        """The spacing in mm that the regions of an ultrasound picture state, where all agree."""
        sizes = {
            tuple(abs(float(one.get(f"PhysicalDelta{axis}") or 0)) for axis in "YX")
            for one in self.top.get("SequenceOfUltrasoundRegions") or ()
            if all(one.get(f"PhysicalUnits{axis}Direction") == _CENTIMETRES for axis in "XY")
        }
        if len(sizes) != 1:
            return None
        row, column = (10 * size for size in sizes.pop())
        return (row, column) if row > 0 and column > 0 else None

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

    def splits(self) -> tuple[Value, ...]:
        said = [
            next(
                (v for keyword, *macros in one.tags
                 if (v := comparable(self.find(keyword, *macros))) is not None),
                None,
            )
            for one in SPLITTERS
        ]  # fmt: skip
        if said[B_VALUE] is None:
            said[B_VALUE] = private_b_value(self.top)
        return tuple(said)


def turning_sum(bits: tuple[int, int, bool], scaling: tuple[float, float]) -> float:
    """What the real values of a pixel and of its opposite add up to, where low is bright."""
    low, high = value_ends(bits)
    slope, inter = scaling
    return slope * (low + high) + 2 * inter


def value_ends(bits: tuple[int, int, bool]) -> tuple[int, int]:
    """The least and the largest number that the stored bits can hold."""
    _, stored, signed = bits
    return (-(2 ** (stored - 1)), 2 ** (stored - 1) - 1) if signed else (0, 2**stored - 1)


def _turned(window: tuple[float, float] | None, turn: float | None) -> tuple[float, float] | None:
    if window is None or turn is None:
        return window
    return turn - window[1], turn - window[0]


def _shift(bits: tuple[int, int, bool], high: Any) -> int:
    """How many bits lie below the stored ones; a high bit that can't be is no high bit."""
    allocated, stored, _ = bits
    if high is None or not stored - 1 <= int(high) < allocated:
        return 0
    return int(high) + 1 - stored


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
