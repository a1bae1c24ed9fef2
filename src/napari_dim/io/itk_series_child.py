"""Run as a program of its own: find DICOM series and read one with SimpleITK.

``itk_series_child.py PATH OUT.npy WHICH LIMIT``: PATH is a folder, or a file of a series.
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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813

TAGS = {
    "study": "0020|000d", "series": "0020|000e", "frame_of_reference": "0020|0052",
    "sop_class": "0008|0016", "modality": "0008|0060", "photometric": "0028|0004",
    "centre": "0028|1050", "width": "0028|1051", "curve": "0028|1056",
}  # fmt: skip


@dataclass(frozen=True)
class Series:
    """One series: its files in order, and what its first header says."""

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


def main(path: str, out: str, which: str, limit: str) -> dict[str, Any]:
    """List the series of `path`, or read one; `{"refused": ...}` where it is not read."""
    found = find(path)
    if not found:
        return {"refused": "SimpleITK finds no DICOM image here"}
    if not out:
        return {"series": [described(one) for one in found]}
    fitting = chosen(found, which)
    if len(fitting) != 1:
        told = "; ".join(f"{n} ({named(one)})" for n, one in enumerate(found[:12], start=1))
        return {"refused": f"{len(fitting) or 'none'} of the {len(found)} series fit {which!r}: "
                           f"they are {told}"}  # fmt: skip
    one = fitting[0]
    if math.prod(one.shape) * one.bits > int(limit) * 8:
        return {"refused": "the series is larger than what can be read"}
    others = [f"{n} ({named(each)})" for n, each in enumerate(found, start=1) if each is not one]
    return {**read(one, out), "others": others if which == "-" else []}


def find(path: str) -> list[Series]:
    """All series below a folder by number, or the one that a file belongs to."""
    own = Path(path)
    if own.is_file():
        alike = [files for files in groups(own.parent) if own in map(Path, files)]
        return [series(alike[0] if alike else (path,))]
    found = []
    for where, folders, _ in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [series(files) for files in groups(Path(where))]
    return sorted(found, key=lambda one: (one.number, one.uid))


def groups(folder: Path) -> list[tuple[str, ...]]:
    """The files of each series in a folder, sorted by position."""
    reader = sitk.ImageSeriesReader
    name = str(folder)
    return [reader.GetGDCMSeriesFileNames(name, uid) for uid in reader.GetGDCMSeriesIDs(name)]


def series(files: tuple[str, ...]) -> Series:
    """What the first header of a series says."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(files[0])
    reader.ReadImageInformation()
    kind = sitk.GetPixelIDValueAsString(reader.GetPixelID())
    bits = re.search(r"(\d+)-bit", kind)
    number = tag(reader, "0020|0011")
    return Series(
        files=tuple(files),
        uid=tag(reader, "0020|000e"),
        number=int(number) if number.isdecimal() else 0,
        description=" ".join(tag(reader, "0008|103e").split()),
        modality=tag(reader, "0008|0060"),
        size=tuple(int(n) for n in reader.GetSize()),
        bits=(int(bits[1]) if bits else 64) * int(reader.GetNumberOfComponents()),
    )


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
        "space": "DICOM",
        "off": 0.0 if frames else off(image, [each["position"] for each in tags]),
        "located": frames or bool(tags[0]["position"]),
        "frames": frames,
        "tags": tags[0],
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
        told = {"refused": (lines or [type(error).__name__])[-1]}
    sys.stdout.write(json.dumps(told) + "\n")
