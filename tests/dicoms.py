"""DICOM series made from a known volume, in any place and of any fault."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, ExplicitVRLittleEndian

CANARY = "CANARY^JANE^DOE"
TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def uid(*numbers: int) -> str:
    return "1.2.826.0.1.3680043.10.999." + ".".join(str(number) for number in numbers)


def base(pixels: np.ndarray, series: int = 1, **tags) -> Dataset:
    """A CT data set with pixels ``([frame,] row, column)`` and patient text everywhere."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = CTImageStorage
    data.PatientName = data.PatientID = data.InstitutionName = data.StudyDescription = CANARY
    data.PatientComments = data.ReferringPhysicianName = data.ProtocolName = CANARY
    data.StudyInstanceUID, data.SeriesInstanceUID = uid(1), uid(1, series)
    data.FrameOfReferenceUID = uid(2)
    data.Modality, data.SeriesNumber = "CT", series
    data.SeriesDescription = f"series {series}"
    data.Rows, data.Columns = pixels.shape[-2:]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 8 * pixels.dtype.itemsize
    data.HighBit = data.BitsStored - 1
    data.PixelRepresentation = int(pixels.dtype.kind == "i")
    data.PixelData = pixels.tobytes()
    for name, value in tags.items():
        setattr(data, name, value)
    return data


def text(values) -> list[str]:
    """Decimal strings of at most 16 characters, as DICOM wants them."""
    return [f"{value:.10f}"[:16] for value in values]


def write(data: Dataset, path: Path, *numbers: int) -> Path:
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = uid(3, *numbers)
    path.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(path, enforce_file_format=True)
    return path


def write_series(
    folder: Path, volume: np.ndarray, affine: np.ndarray, *, series: int = 1, seed: int = 0,
    leave_out=(), double=(), shift=None, **tags,
) -> Path:  # fmt: skip
    """One file a slice of `volume` (column, row, slice), named at random.

    `affine` is RAS+; its third column may be sheared. `shift` moves slices along, in mm.
    """
    lps = TO_LPS @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    cosines = lps[:3, :2] / spacing[:2]
    normal = np.cross(cosines[:, 0], cosines[:, 1])
    names = np.random.default_rng(seed).permutation(4 * volume.shape[2])
    wanted = [k for k in range(volume.shape[2]) if k not in leave_out] + list(double)
    for number, k in enumerate(wanted):
        position = lps[:3, 3] + k * lps[:3, 2]
        if shift is not None:
            position = position + shift[k] * normal
        data = base(np.ascontiguousarray(volume[:, :, k].T), series)
        data.ImagePositionPatient = text(position)
        data.ImageOrientationPatient = text([*cosines[:, 0], *cosines[:, 1]])
        data.PixelSpacing = text([spacing[1], spacing[0]])
        data.SliceThickness = f"{spacing[2]:.6f}"
        data.InstanceNumber = int(names[number])
        for name, value in tags.items():
            setattr(data, name, value(k) if callable(value) else value)
        write(data, folder / f"IM{series}{names[number]:05d}", series, number)
    return folder


def write_enhanced(path: Path, volume: np.ndarray, affine: np.ndarray, *, seed: int = 0) -> Path:
    """One multi-frame file whose frames come in a random order."""
    lps = TO_LPS @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    cosines = lps[:3, :2] / spacing[:2]
    order = np.random.default_rng(seed).permutation(volume.shape[2])
    frames = np.ascontiguousarray(np.transpose(volume, (2, 1, 0))[order])
    data = base(frames, NumberOfFrames=len(order))
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
    measures, plane, values = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = text([spacing[1], spacing[0]])
    measures.SliceThickness = f"{spacing[2]:.6f}"
    plane.ImageOrientationPatient = text([*cosines[:, 0], *cosines[:, 1]])
    values.RescaleSlope, values.RescaleIntercept, values.RescaleType = 2, -1000, "HU"
    shared = Dataset()
    shared.PixelMeasuresSequence = Sequence([measures])
    shared.PlaneOrientationSequence = Sequence([plane])
    shared.PixelValueTransformationSequence = Sequence([values])
    data.SharedFunctionalGroupsSequence = Sequence([shared])
    groups = []
    for k in order:
        place, group = Dataset(), Dataset()
        place.ImagePositionPatient = text(lps[:3, 3] + k * lps[:3, 2])
        group.PlanePositionSequence = Sequence([place])
        groups.append(group)
    data.PerFrameFunctionalGroupsSequence = Sequence(groups)
    return write(data, path, 9)
