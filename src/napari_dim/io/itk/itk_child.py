"""Run as a program of its own: read one image with SimpleITK and leave it as plain numbers.

SimpleITK can end its process on a malformed file, so it is never imported where people work.
``itk_child.py FILE OUT.npy INDEX LIMIT`` writes the voxels to OUT.npy, in the order (axis,
..., axis[, channel]) of the file, and prints one JSON object; without OUT.npy only the header is
read; INDEX chooses one volume of
a 4D file, is ``all`` for layers of segments, or ``-``. LIMIT is the most bytes to read.
"""

from __future__ import annotations

import json
import math
import re
import shutil
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813


def main(name: str, out: str, index: str, limit: str) -> dict[str, Any]:
    """Read `name` and say what it is; `{"refused": ...}` where it is not read."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(_unpacked(_with_times_listed(name, out), out, int(limit)))
    reader.ReadImageInformation()
    size = [int(n) for n in reader.GetSize()]
    kind = sitk.GetPixelIDValueAsString(reader.GetPixelID())
    channels = int(reader.GetNumberOfComponents())
    if "complex" in kind:
        return {"refused": "images of complex numbers can't be used"}
    if "label" in kind or "unknown" in kind:
        return {"refused": f"images of {kind} can't be used"}
    if len(size) not in (2, 3, 4):
        return {"refused": f"the image has {len(size)} axes"}
    if min(size) < 1:
        return {"refused": "the header declares an empty image"}
    # A list of whole volumes, as Slicer writes a sequence of times, is no list of channels.
    # So it writes layers of segments too: they are wanted side by side.
    listed = index != "all" and channels > 1 and _kind_of_pixels(reader) in ("list", "time")
    index = "-" if index == "all" else index
    count = channels if listed else size[3] if len(size) == 4 else 1
    if index != "-" and not 0 <= int(index) < count:
        return {"refused": f"there is no volume {index}: the file holds {count}, from 0"}
    if count > 1 and index == "-":
        return {"refused": f"the file is a series of {count} volumes", "volumes": count}
    bits = re.search(r"(\d+)-bit", kind)
    if math.prod(size) * channels * (int(bits[1]) if bits else 64) > int(limit) * 8:
        return {"refused": "the header declares more than can be read"}
    if len(size) == 4:
        reader.SetExtractSize([*size[:3], 0])
        reader.SetExtractIndex([0, 0, 0, int(index) if index != "-" else 0])
    if not out:
        return {"size": size, "channels": channels, **_place(reader)}
    image = reader.Execute()
    array = sitk.GetArrayViewFromImage(image)
    axes = image.GetDimension()
    if listed:
        array = array[..., int(index) if index != "-" else 0]
    np.save(out, np.transpose(array, (*range(axes)[::-1], *range(axes, array.ndim))))
    return _place(image)


def _place(image: Any) -> dict[str, Any]:
    """Where an image lies, or what a reader will read."""
    return {
        "spacing": image.GetSpacing(),
        "origin": image.GetOrigin(),
        "direction": image.GetDirection(),
    }


def _kind_of_pixels(reader: sitk.ImageFileReader) -> str:
    """What the axis of a NRRD file is whose values SimpleITK takes for components."""
    key = "NRRD_kinds[pixel]"
    return str(reader.GetMetaData(key)).lower() if reader.HasMetaDataKey(key) else ""


def _with_times_listed(name: str, out: str) -> str:
    """A NRRD file with an axis of kind "time", which SimpleITK refuses, as one of kind "list"."""
    if not name.lower().endswith(".nrrd"):
        return name
    with Path(name).open("rb") as file:
        head = file.read(65536)
    line = re.search(rb"^kinds:.*?\btime\b.*$", head.partition(b"\n\n")[0], re.M | re.I)
    if line is None:
        return name
    # Of the same length, so that the voxels stay where they are.
    listed = re.sub(rb"\btime\b", b"list", line[0], flags=re.I)
    copy = Path(out).with_name("listed.nrrd")
    shutil.copyfile(name, copy)
    with copy.open("r+b") as file:
        file.write(head.replace(line[0], listed, 1))
    return str(copy)


def _unpacked(name: str, out: str, limit: int) -> str:
    """A MetaImage of compressed voxels as one of plain ones; any other file as it is.

    SimpleITK fills an image with what it happens to find, without a word, where its header does
    not say how long the compressed voxels are, or where they are damaged or cut off.

    Raises
    ------
    ValueError, zlib.error
        If they are, or there are more than `limit` bytes.
    """
    if not out or not name.lower().endswith((".mha", ".mhd")):
        return name
    with Path(name).open("rb") as file:
        head = file.read(65536)
    last = re.search(rb"^ElementDataFile[ \t]*=[ \t]*(.*?)[ \t]*\r?\n", head, re.M)
    packed = re.search(rb"^CompressedData[ \t]*=[ \t]*(true|1)[ \t]*\r?$", head, re.M | re.I)
    if last is None or packed is None or packed.start() > last.start():
        return name
    held = last[1].decode("utf8", "surrogateescape")
    local = held.upper() == "LOCAL"
    if held.upper() == "LIST" or "%" in held or b"HeaderSize" in head[: last.start()]:
        return name
    copy, count = Path(out).with_name("unpacked.mha"), 0
    unpack = zlib.decompressobj(47)  # by zlib or gzip, whichever it is
    source = Path(name) if local else Path(name).parent / held.replace("\\", "/")
    with source.open("rb") as file, copy.open("wb") as plain:
        fields = re.sub(rb"^CompressedData(Size)?[ \t]*=.*\n", b"", head[: last.start()],
                        flags=re.M)  # fmt: skip
        plain.write(fields + b"ElementDataFile = LOCAL\n")
        file.seek(last.end() if local else 0)
        while not unpack.eof:
            part = unpack.unconsumed_tail or file.read(2**20)
            if not part:
                raise ValueError("the compressed voxels are cut off")
            found = unpack.decompress(part, 2**24)
            count += len(found)
            if count > limit:
                raise ValueError("there are more voxels than can be read")
            plain.write(found)
    return str(copy)


if __name__ == "__main__":
    try:
        told = main(*sys.argv[1:5])
    except Exception as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        told = {"failed": (lines or [type(error).__name__])[-1]}
    sys.stdout.write(json.dumps(told) + "\n")
