"""Files with a mark in every place where a patient, a person or a computer may be named."""

from __future__ import annotations

import gzip
import io
import itertools
import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import tifffile
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.cases import ellipsoid

_LARGEST = 64 * 2**20


class Canaries:
    """Marks that are found nowhere else, and where each was put."""

    def __init__(self) -> None:
        self.places: dict[str, str] = {}
        self._count = itertools.count(11)

    def mark(self, place: str) -> str:
        """A new mark of ten letters and digits, for a place that is told if it is found."""
        text = f"QZ{next(self._count)}KANARI"
        self.places[text] = place
        return text

    def date(self, place: str) -> str:
        """A new mark that is a date."""
        text = f"1893{next(self._count) % 12 + 1:02}{len(self.places) % 28 + 1:02}"
        self.places[text] = place
        return text


def write_nifti_cohort(folder: Path, canaries: Canaries) -> Path:
    """Two volumes and a cohort file; text wherever NIfTI, gzip and CSV have room for it."""
    mark = canaries.mark
    folder = folder / mark("folder of the scans") / "scans"
    folder.mkdir(parents=True)
    for name, seed in (("a", 0), ("b", 1)):
        volume, mask = ellipsoid((5, 28, 24), seed=seed)
        for suffix, array in (("", volume.array.astype(np.int16)), ("_mask", mask)):
            data = volume.grid.to_file(array)
            image = nib.Nifti1Image(data, volume.grid.file_affine)
            where = f"{name}{suffix}.nii.gz: "
            for field in ("descrip", "aux_file", "intent_name", "db_name", "data_type"):
                text = mark(where + field)
                image.header[field] = text.encode()
            for code in (4, 6):
                text = mark(f"{where}extension {code}").encode()
                image.header.extensions.append(nib.nifti1.Nifti1Extension(code, text))
            packed = image.to_bytes() + mark(f"{where}behind the voxels").encode()
            _write_gzip(folder / f"{name}{suffix}.nii.gz", packed, mark(f"{where}gzip name"))
    note, number = mark("further column of the cohort"), mark("another column of the cohort")
    cohort = folder / "cohort.csv"
    cohort.write_text(
        "image,labels,slices,site,split,patient,mrn\n"
        f"a.nii.gz,a_mask.nii.gz,1;3,north,train,{note},{number}\n"
        f"b.nii.gz,b_mask.nii.gz,,south,test,{note},{number}\n"
    )
    return cohort


def _write_gzip(path: Path, data: bytes, name: str) -> None:
    """As gzip does it: with the name that the file had before."""
    with path.open("wb") as file, gzip.GzipFile(name, "wb", fileobj=file, mtime=0) as stream:
        stream.write(data)


def write_picture_cohort(folder: Path, canaries: Canaries) -> Path:
    """A PNG, a JPEG and a TIFF with text and EXIF, and a cohort file."""
    mark = canaries.mark
    folder = folder / mark("folder of the pictures")
    folder.mkdir()
    volume, mask = ellipsoid((3, 40, 36))
    planes = np.clip(volume.array / 3, 0, 255).astype(np.uint8)
    rows = ["image,labels,slices,site,split"]
    for number, name in enumerate(("p.png", "q.jpg", "r.tif")):
        picture = Image.fromarray(planes[number])
        target = folder / name
        exif = Image.Exif()
        if name != "r.tif":
            for code in (0x010E, 0x013B, 0x8298):  # description, artist, copyright
                exif[code] = mark(f"{name}: EXIF {code}")
        if name == "p.png":
            info = PngInfo()
            info.add_text("Author", mark("p.png: tEXt"))
            info.add_text("Comment", mark("p.png: zTXt"), zip=True)
            info.add_itxt("Title", mark("p.png: iTXt"))
            picture.save(target, pnginfo=info, exif=exif)
        elif name == "q.jpg":
            picture.save(target, quality=90, exif=exif, comment=mark("q.jpg: comment").encode())
        else:
            tags = [
                (code, 2, 0, mark(f"r.tif: tag {code}"), True) for code in (269, 315, 316, 33432)
            ]
            tifffile.imwrite(
                target, planes[number], description=mark("r.tif: description"), extratags=tags
            )
        info = PngInfo()
        info.add_text("Author", mark(f"mask of {name}: tEXt"))
        Image.fromarray(mask[number]).save(folder / f"{target.stem}_mask.png", pnginfo=info)
        split, slices = ("test", "") if number == 2 else ("train", "all")
        rows.append(f"{name},{target.stem}_mask.png,{slices},here,{split}")
    cohort = folder / "cohort.csv"
    cohort.write_text("\n".join(rows) + "\n")
    return cohort


def write_dicom_cohort(folder: Path, canaries: Canaries) -> Path:
    """A DICOM series with names, numbers and dates, its mask, and a cohort file."""
    import pydicom

    from tests.dicoms import write_series

    mark = canaries.mark
    folder = folder / mark("folder of the series")
    folder.mkdir()
    volume, mask = ellipsoid((5, 28, 24))
    scan = volume.grid.to_file(volume.array).astype(np.int16)
    series = write_series(folder / "series", scan, volume.grid.file_affine)
    texts = {
        field: mark(f"DICOM {field}")
        for field in (
            "PatientName", "PatientID", "OtherPatientNames", "PatientComments", "PatientAddress",
            "InstitutionName", "ReferringPhysicianName", "OperatorsName", "AccessionNumber",
            "StationName", "StudyDescription", "SeriesDescription", "ProtocolName",
            "DeviceSerialNumber", "StudyID", "RequestingPhysician",
        )
    }  # fmt: skip
    dates = {name: canaries.date(f"DICOM {name}") for name in ("PatientBirthDate", "StudyDate")}
    private = mark("DICOM private tag")
    for path in series.iterdir():
        data = pydicom.dcmread(path)
        for name, text in {**texts, **dates}.items():
            setattr(data, name, text)
        data.private_block(0x000B, "MAKER", create=True).add_new(1, "LO", private)
        data.save_as(path)
    nib.save(
        nib.Nifti1Image(volume.grid.to_file(mask), volume.grid.file_affine),
        folder / "series_mask.nii.gz",
    )
    cohort = folder / "cohort.csv"
    cohort.write_text("image,labels,slices,site,split\nseries,series_mask.nii.gz,1;3,here,train\n")
    return cohort


def found_in(folder: Path, marks: Iterable[str]) -> dict[str, set[str]]:
    """Which marks stand in which files below a folder: in names, bytes, or packed in them."""
    wanted = {mark: _spellings(mark) for mark in marks}
    found: dict[str, set[str]] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        layers = [os.fsencode(name.lower())]
        if path.is_file() and not path.is_symlink():
            layers += list(unpacked(path.read_bytes()))
        for mark, spellings in wanted.items():
            if any(text in layer for layer in layers for text in spellings):
                found.setdefault(mark, set()).add(name)
    return found


def unpacked(data: bytes) -> Iterator[bytes]:
    """The bytes, and what is packed in them by gzip, zip or deflate, wherever it begins."""
    yield data.lower()
    if data[:2] == b"\x1f\x8b":
        with gzip.open(io.BytesIO(data)) as stream:
            yield from unpacked(stream.read(_LARGEST))
        return
    if data[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in archive.namelist():
                yield from unpacked(archive.read(name))
        return
    for start in (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda"):
        at = data.find(start)
        while at >= 0:
            try:
                inner = zlib.decompressobj().decompress(data[at:], _LARGEST)
            except zlib.error:
                inner = b""
            if len(inner) > 8:
                yield inner.lower()
            at = data.find(start, at + 2)


def _spellings(mark: str) -> list[bytes]:
    text = mark.lower()
    return [text.encode(), text.encode("utf-16-le"), text.encode("utf-16-be")]
