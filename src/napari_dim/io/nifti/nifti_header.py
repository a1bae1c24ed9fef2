"""Headers of NIfTI-1, NIfTI-2 and Analyze files, read and judged before their voxels.

Nothing is allocated or decompressed before the file is known to be of a usable type and able
to hold what it declares. nibabel gives the header's structure.
"""

from __future__ import annotations

import gzip
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, cast

import nibabel as nib
import numpy as np

from napari_dim.errors import InputError

MAX_BYTES = 16 * 2**30
"""Larger declared images are refused."""

MAX_CHANNELS = 8
"""A fourth axis up to this long is taken as channels; a longer one is a series of volumes."""

_MAX_OFFSET = 256 * 2**20
_GZIP_LIMIT = 1040  # Deflate can't expand a byte to more than 1032.

_TYPES = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8",
    256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8",
}  # fmt: skip
_COLORS = {128: 3, 2304: 4}
_ANALYZE_TYPES = (2, 4, 8, 16, 64)
_REFUSED_TYPES = {
    1: "single bits", 32: "complex numbers", 1536: "128-bit floats",
    1792: "complex numbers", 2048: "complex numbers",
}  # fmt: skip


@dataclass(frozen=True)
class Source:
    """A judged header: what it takes to read the voxels.

    `shape` is that of the voxels, with a fourth axis for several volumes or for colours;
    `colors` is how many values of colour follow each other in the file, 0 for grey.
    """

    header: Any
    version: int
    data_path: Path
    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scaling: tuple[float, float]
    colors: int = 0
    notes: tuple[str, ...] = ()


def _files(path: Path) -> tuple[Path, Path]:
    """The files with the header and with the voxels: the same one, or a .hdr/.img pair."""
    name = path.name
    for header, data in ((".hdr", ".img"), (".HDR", ".IMG")):
        for packed in ("", ".gz"):
            for end in (header + packed, data + packed):
                if name.endswith(end):
                    stem = name[: -len(end)]
                    return _partner(path, stem + header), _partner(path, stem + data)
    return path, path


def _partner(path: Path, name: str) -> Path:
    for candidate in (path.with_name(name), path.with_name(name + ".gz")):
        if candidate.is_file():
            return candidate
    raise InputError(f"its other half {name} is missing", where=path)


@contextmanager
def open_stream(path: Path) -> Iterator[tuple[BinaryIO, bool]]:
    """Open for reading, through gzip if the content (not the name) says so."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if packed:
            with gzip.GzipFile(fileobj=file, mode="rb") as stream:
                yield cast(BinaryIO, stream), True
        else:
            yield file, False


def read_nifti_header(path: Path) -> Source:
    """Find, read and judge a header.

    Raises
    ------
    InputError
        If the file can't be used.
    """
    header_path, data_path = _files(path)
    with open_stream(header_path) as (stream, _):
        block = stream.read(540)
    for version, size, cls in ((1, 348, nib.Nifti1Header), (2, 540, nib.Nifti2Header)):
        for endianness, order in (("<", "little"), (">", "big")):
            if len(block) >= size and int.from_bytes(block[:4], order) == size:  # type: ignore[arg-type]
                header = cls(block[:size], endianness=endianness, check=False)
                return _judge(header, version, header_path, data_path)
    raise InputError("this is not a NIfTI file", where=path)


def _judge(header: Any, version: int, header_path: Path, data_path: Path) -> Source:
    """Refuse what can't be used, from the header alone."""
    magic = bytes(header["magic"].item())[:3]
    notes: tuple[str, ...] = ()
    if magic not in (b"n+%d" % version, b"ni%d" % version):
        if version != 1 or header_path == data_path:
            raise InputError("this is not a NIfTI file", where=header_path)
        header = _from_analyze(header, header_path)
        magic = b"ni1"
        notes = ("the file is in Analyze format, which does not say which side is left: check it",)
    single = magic[1:2] == b"+"
    if single != (header_path == data_path):
        raise InputError("the header is of another kind of file than its name", where=header_path)
    code = int(header["datatype"])
    if code in _REFUSED_TYPES:
        raise InputError(
            f"images of {_REFUSED_TYPES[code]} can't be used",
            where=header_path,
            hint="Convert it to whole or floating-point numbers",
        )
    colors = _COLORS.get(code, 0)
    if code not in _TYPES and not colors:
        raise InputError(f"the header names no known voxel type ({code})", where=header_path)
    dtype = np.dtype(header.endianness + _TYPES.get(code, "u1"))
    shape = _shape(header, header_path)
    if colors and len(shape) > 3:
        raise InputError("a series of colour images can't be used", where=header_path)
    shape += (colors,) if colors else ()
    declared = math.prod(shape) * dtype.itemsize
    if declared > MAX_BYTES:
        raise InputError(
            f"the header declares {declared / 2**30:.0f} GiB, more than the "
            f"{MAX_BYTES // 2**30} GiB that can be read",
            where=header_path,
        )
    offset = _offset(header, 4 + header.template_dtype.itemsize if single else 0, header_path)
    held = data_path.stat().st_size
    with open_stream(data_path) as (_, packed):
        if offset + declared > (held * _GZIP_LIMIT if packed else held):
            raise InputError(
                f"the file is cut off: its {held} bytes can't hold the {declared} declared",
                where=data_path,
                hint="Copy the file again",
            )
    scaling = (1.0, 0.0) if colors else _scaling(header, header_path)
    return Source(header, version, data_path, offset, shape, dtype, scaling, colors, notes)


def _from_analyze(old: Any, path: Path) -> Any:
    """An Analyze 7.5 header as NIfTI-1, where programs agree on what it means."""
    if old.binaryblock[252] != 0:
        raise InputError(
            "this Analyze file says that it is turned, which programs read differently", where=path,
            hint="Convert it to NIfTI with the program that made it",
        )  # fmt: skip
    if int(old["datatype"]) not in _ANALYZE_TYPES:
        raise InputError("this is neither a NIfTI file nor an Analyze file that can be used",
                         where=path)  # fmt: skip
    new = nib.Nifti1Header(endianness=old.endianness)
    for name in ("dim", "pixdim", "datatype", "bitpix", "vox_offset"):
        new[name] = old[name]
    new["pixdim"] = np.abs(np.where(np.isfinite(old["pixdim"]), old["pixdim"], 1.0))
    new["pixdim"][0] = 1.0
    # What NIfTI calls the slope, SPM wrote there first.
    new["scl_slope"], new["scl_inter"] = old["scl_slope"], 0.0
    new["xyzt_units"] = 2
    return new


def one_volume(source: Source, part: str, path: Path) -> Source:
    """The volume of a series that `part` names; up to `MAX_CHANNELS` are channels unless it does.

    Raises
    ------
    InputError
        If there is no such volume, or none is named where one must be.
    """
    count = source.shape[3] if len(source.shape) > 3 and not source.colors else 1
    wanted = part.strip().lower()
    if wanted in ("", "all"):
        if count > MAX_CHANNELS:
            raise InputError(
                f"the file is a series of {count} volumes", where=path,
                hint=f"Choose one of its volumes, 0 to {count - 1}: --volume, or the column part "
                f"of a cohort. Up to {MAX_CHANNELS} are read as channels",
            )  # fmt: skip
        return source
    if not wanted.isdecimal() or int(wanted) >= count:
        raise InputError(f"there is no volume {part}: the file holds {count}, from 0", where=path)
    if count == 1:
        return source
    offset = source.offset + int(wanted) * math.prod(source.shape[:3]) * source.dtype.itemsize
    return replace(source, shape=source.shape[:3], offset=offset)


def _shape(header: Any, path: Path) -> tuple[int, ...]:
    """Three spatial sizes, then the number of volumes if the file has several."""
    ndim = int(header["dim"][0])
    if not 1 <= ndim <= 7:
        raise InputError(f"the header declares {ndim} axes", where=path)
    sizes = [int(size) for size in header["dim"][1 : ndim + 1]]
    if min(sizes) < 1:
        raise InputError(f"the header declares an empty image {tuple(sizes)}", where=path)
    while len(sizes) > 3 and sizes[-1] == 1:
        sizes.pop()
    sizes += [1] * (3 - len(sizes))
    if len(sizes) == 5 and sizes[3] == 1:
        del sizes[3]  # vectors at one time
    if len(sizes) > 4:
        raise InputError(f"the image has {len(sizes)} axes {tuple(sizes)}", where=path,
                         hint="Save it as one volume")  # fmt: skip
    return tuple(sizes)


def _offset(header: Any, least: int, path: Path) -> int:
    offset = float(header["vox_offset"])
    if not 0 <= offset <= _MAX_OFFSET:
        raise InputError(f"the header puts the voxels at byte {offset:g}", where=path)
    return max(int(offset), least)


def _scaling(header: Any, path: Path) -> tuple[float, float]:
    """Slope and intercept; a slope of 0 or NaN means that the values are stored as they are."""
    slope, inter = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or not math.isfinite(slope):
        return 1.0, 0.0
    if not math.isfinite(inter):
        raise InputError(f"the header's intercept is {inter}", where=path)
    return slope, inter
