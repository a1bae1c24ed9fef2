"""Run as a program of its own: find DICOM series and read one with SimpleITK.

``simpleitk_series_child.py PATH OUT.npy WHICH LIMIT``: PATH is a folder, or a file of a series.
WHICH is a series' number from 1, its UID, a part of its description, or ``-`` for the
largest. The voxels go to OUT.npy, (column, row, slice[, channel]); without one the series are
listed. One JSON object is printed.
"""

from __future__ import annotations

import json
import math
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813

TAGS = {
    "study": "0020|000d", "series": "0020|000e", "frame_of_reference": "0020|0052",
    "sop_class": "0008|0016", "modality": "0008|0060", "photometric": "0028|0004",
    "centre": "0028|1050", "width": "0028|1051", "curve": "0028|1056",
    "allocated": "0028|0100", "stored": "0028|0101", "high": "0028|0102", "signed": "0028|0103",
    "slope": "0028|1053", "inter": "0028|1052", "padding": "0028|0120", "limit": "0028|0121",
}  # fmt: skip
BETTER = "Read it by pydicom"
FAR = 0.1
"""How far a slice may lie beside its place, in spacings."""


@dataclass(frozen=True)
class Series:
    """Files of one series, size and orientation, sorted by position; what their header says."""

    files: tuple[str, ...]
    uid: str
    number: int
    description: str
    modality: str
    size: tuple[int, ...]
    bits: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, rows, columns."""
        frames = self.size[2] if len(self.size) > 2 else 1
        return len(self.files) * frames, self.size[1], self.size[0]


@dataclass(frozen=True)
class Header:
    """What one file says of itself."""

    series: Series
    orientation: str
    along: float


def main(path: str, out: str, which: str, limit: str) -> dict[str, Any]:
    """List the series of `path`, or read one; `{"refused": ...}` where it is not read."""
    found = find(Path(path))
    if not found:
        return {"refused": "SimpleITK finds no DICOM image here", "hint": BETTER}
    if not out:
        return {"series": [described(one) for one in found]}
    fitting = chosen(found, which)
    if len(fitting) != 1:
        names = "; ".join(f"{n} ({named(one)})" for n, one in enumerate(found[:12], start=1))
        return {"refused": f"{len(fitting) or 'none'} of the {len(found)} series fit {which!r}: "
                           f"they are {names}"}  # fmt: skip
    one = fitting[0]
    if len(one.size) > 3 or one.bits in (3 * 16, 3 * 32):
        # It mixes up the halves of colours of 16 bits.
        return {"refused": "SimpleITK does not read images of four axes and colours of more "
                           "than 8 bits right", "hint": BETTER}  # fmt: skip
    if math.prod(one.shape) * one.bits > int(limit) * 8:
        return {"refused": "the series is larger than what can be read"}
    others = [f"{n} ({named(each)})" for n, each in enumerate(found, start=1) if each is not one]
    stored, high = (header_value(one.files[0], TAGS[name]) for name in ("stored", "high"))
    if stored.isdecimal() and high.isdecimal() and int(high) != int(stored) - 1:
        return {"refused": f"the values stand in the bits below {int(high) + 1}, which SimpleITK "
                           "does not read right", "hint": BETTER}  # fmt: skip
    told = {**read(one, out), "others": others if which == "-" else [], "alone": False}
    if told["off"] > FAR and Path(path).is_file():
        return {**read(replace(one, files=(path,)), out), "others": [], "alone": True}
    if told["off"] > FAR:
        return {
            "refused": f"SimpleITK puts a slice {told['off']:.3g} slices beside where its header "
            "says (missing or doubled slices, or a tilt)",
            "hint": BETTER,
        }
    return told


def find(path: Path) -> list[Series]:
    """All series below a folder by number, or the one that a file belongs to."""
    if path.is_file():
        own = header_of(path)
        if own is None:
            return []
        beside = [file for file in path.parent.iterdir() if file.is_file()]
        return [one for one in grouped(beside) if str(path) in one.files]
    files: list[Path] = []
    for where, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        files += [Path(where, name) for name in names if not name.startswith(".")]
    return sorted(grouped(files), key=lambda one: (one.number, one.uid))


def grouped(files: Iterable[Path]) -> list[Series]:
    """The series of files; what SimpleITK can't read is left out, a damaged file keeps none."""
    groups: dict[tuple[object, ...], list[Header]] = {}
    for file in sorted(files):
        header = header_of(file)
        if header is not None:
            one = header.series
            whole = file if one.shape[0] > 1 else None  # of many frames: a volume by itself
            alike = one.uid, one.size, one.bits, header.orientation, whole
            groups.setdefault(alike, []).append(header)
    return [
        replace(
            group[0].series,
            files=tuple(f for h in sorted(group, key=lambda h: h.along) for f in h.series.files),
        )
        for group in groups.values()
    ]


def header_of(file: Path) -> Header | None:
    """What a file says of itself; None if it is no DICOM image to SimpleITK."""
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")  # a picture beside the series is none of it
    reader.SetFileName(str(file))
    try:
        reader.ReadImageInformation()
    except RuntimeError:
        return None
    if tag(reader, "0008|0060") == "SEG":  # no image, and its packed bits are taken for bytes
        return None
    kind = sitk.GetPixelIDValueAsString(reader.GetPixelID())
    bits = re.search(r"(\d+)-bit", kind)
    number, instance = tag(reader, "0020|0011"), tag(reader, "0020|0013")
    orientation, position = tag(reader, "0020|0037"), tag(reader, "0020|0032")
    along = float(instance) if instance.isdecimal() else 0.0
    if orientation and position:
        try:
            row, column = np.reshape([float(x) for x in orientation.split("\\")], (2, 3))
            along = float(np.dot(np.cross(row, column), [float(x) for x in position.split("\\")]))
        except ValueError:
            return None  # a damaged file keeps no folder from being read
    series = Series(
        files=(str(file),),
        uid=tag(reader, "0020|000e"),
        number=int(number) if number.isdecimal() else 0,
        description=" ".join(tag(reader, "0008|103e").split()),
        modality=tag(reader, "0008|0060"),
        size=tuple(int(n) for n in reader.GetSize()),
        bits=(int(bits[1]) if bits else 64) * int(reader.GetNumberOfComponents()),
    )
    return Header(series, orientation, along)


def header_value(file: str, key: str) -> str:
    """One value of the header of a file as text."""
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(file)
    reader.ReadImageInformation()
    return tag(reader, key)


def chosen(found: list[Series], which: str) -> list[Series]:
    """The series that fit."""
    if which == "-":
        return [max(found, key=lambda one: math.prod(one.shape))]
    if which.isdecimal():
        return found[int(which) - 1 : int(which)] if int(which) else []
    same = [one for one in found if one.uid == which]
    return same or [one for one in found if which.lower() in described(one).lower()]


def described(one: Series) -> str:
    """A series to someone who has to choose."""
    return f"{one.description or 'without a name'}, {named(one)}"


def named(one: Series) -> str:
    """A series in a message: no text of the header."""
    return f"{one.modality} {' x '.join(map(str, one.shape))}"


def read(one: Series, out: str) -> dict[str, Any]:
    """Leave the voxels in `out`, and tell where they lie."""
    reader: Any = sitk.ImageFileReader() if len(one.files) == 1 else sitk.ImageSeriesReader()
    several = len(one.files) > 1
    reader.SetImageIO("GDCMImageIO")
    if several:
        reader.SetFileNames(one.files)
        reader.MetaDataDictionaryArrayUpdateOn()
    else:
        reader.SetFileName(one.files[0])
    image = reader.Execute()
    tags = [each_tag(reader, k if several else None) for k in range(len(one.files))]
    array = sitk.GetArrayViewFromImage(image)
    axes = image.GetDimension()
    np.save(out, np.transpose(array, (*range(axes)[::-1], *range(axes, array.ndim))))
    frames = not several and one.shape[0] > 1
    return {
        "spacing": image.GetSpacing(),
        "origin": image.GetOrigin(),
        "direction": image.GetDirection(),
        "off": 0.0 if frames else off(image, [each["position"] for each in tags]),
        "located": frames or bool(tags[0]["position"]),
        "frames": frames,
        "tags": tags[0],
        "turned": any(each["photometric"] == "MONOCHROME1" for each in tags),
        "uids": [] if frames else [each["uid"] for each in tags],
    }


def each_tag(reader: Any, k: int | None) -> dict[str, str]:
    """What is kept of the header of the k-th file, or of the only one."""
    names = {**TAGS, "position": "0020|0032", "uid": "0008|0018"}
    return {name: tag(reader, key, k) for name, key in names.items()}


def tag(reader: Any, key: str, k: int | None = None) -> str:
    """One value of a header as text, ``""`` where there is none."""
    at = () if k is None else (k,)
    return str(reader.GetMetaData(*at, key)).strip(" \0") if reader.HasMetaDataKey(*at, key) else ""


def off(image: Any, positions: list[str]) -> float:
    """How far a slice lies at most from where its header puts it, in spacings."""
    if not all(positions) or image.GetDimension() < 3:
        return 0.0
    wanted = np.array([[float(x) for x in text.split("\\")] for text in positions])
    normal = np.reshape(image.GetDirection(), (3, 3))[:, 2] * image.GetSpacing()[2]
    placed = np.array(image.GetOrigin()) + np.arange(len(wanted))[:, None] * normal
    distance = np.linalg.norm(wanted - placed, axis=1).max()
    return float(distance / image.GetSpacing()[2])


if __name__ == "__main__":
    try:
        told = main(*sys.argv[1:5])
    except Exception as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        told = {"failed": (lines or [type(error).__name__])[-1], "hint": BETTER}
    sys.stdout.write(json.dumps(told) + "\n")
