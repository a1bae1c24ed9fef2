"""DICOM series of a volume, made with pydicom as a scanner would."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

_TO_LPS = np.array([-1.0, -1.0, 1.0])


def write_series(
    folder: Path, volume, *, shuffle: bool = True, patient: str = "NOBODY^NAMED"
) -> Path:
    """Write ``(slice, row, column)`` int16 as one file a slice, under names in no order."""
    folder.mkdir(parents=True, exist_ok=True)
    affine = volume.grid.affine
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    down, across = affine[:3, 1] * _TO_LPS, affine[:3, 2] * _TO_LPS
    rows, columns = volume.array.shape[1:3]
    names = np.random.default_rng(1).permutation(len(volume.array))
    for number, plane in enumerate(volume.array):
        data = Dataset()
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = MRImageStorage
        data.SOPInstanceUID = generate_uid()
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
        data.PatientName, data.PatientID = patient, "1"
        data.PatientBirthDate, data.PatientSex = "", ""
        data.StudyInstanceUID, data.SeriesInstanceUID = study, series
        data.StudyDate, data.StudyTime, data.StudyID = "20200101", "101010", "1"
        data.AccessionNumber, data.ReferringPhysicianName = "", ""
        data.FrameOfReferenceUID, data.PositionReferenceIndicator = frame, ""
        data.Modality, data.SeriesNumber, data.SeriesDescription = "MR", 3, "made by a test"
        data.InstanceNumber = number + 1
        data.ImagePositionPatient = [f"{v:.9g}" for v in (affine @ (number, 0, 0, 1))[:3] * _TO_LPS]
        data.ImageOrientationPatient = [
            f"{v:.9g}" for v in (*(across / np.linalg.norm(across)), *(down / np.linalg.norm(down)))
        ]
        data.PixelSpacing = [f"{np.linalg.norm(down):.9g}", f"{np.linalg.norm(across):.9g}"]
        data.SliceThickness = f"{volume.spacing[0]:.9g}"
        data.Rows, data.Columns = rows, columns
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
        data.BitsAllocated = data.BitsStored = 16
        data.HighBit, data.PixelRepresentation = 15, 1
        data.PixelData = np.ascontiguousarray(plane, "<i2").tobytes()
        name = names[number] if shuffle else number
        pydicom.dcmwrite(folder / f"image{name:04d}.dcm", data, enforce_file_format=True)
    return folder
