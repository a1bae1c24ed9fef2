"""NIfTI-1 and NIfTI-2 files to volumes and masks.

The header is read and judged first: nothing is allocated or decompressed before the file is
known to be of a usable type and able to hold what it declares. nibabel gives the header's
structure and its geometry; the voxels are read here, exactly as many bytes as declared.
"""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import nibabel as nib
import numpy as np

from napari_dim.errors import InputError
from napari_dim.io.formats import How
from napari_dim.io.labels import as_labels
from napari_dim.volume import Grid, Volume, default_slice_axis

MAX_BYTES = 16 * 2**30
"""Larger declared images are refused."""

MAX_CHANNELS = 8
"""A fourth axis up to this long is taken as channels; a longer one is a series of volumes."""

_MAX_OFFSET = 256 * 2**20
_BLOCK = 2**20  # voxels
_GZIP_LIMIT = 1040  # Deflate can't expand a byte to more than 1032.

_TYPES = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8",
    256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8",
}  # fmt: skip
_REFUSED_TYPES = {
    1: "single bits", 32: "complex numbers", 128: "RGB colours", 1536: "128-bit floats",
    1792: "complex numbers", 2048: "complex numbers", 2304: "RGBA colours",
}  # fmt: skip
_TO_MM = {1: 1000.0, 2: 1.0, 3: 0.001}


@dataclass(frozen=True)
class _Source:
    """A judged header: what it takes to read the voxels."""

    header: Any
    version: int
    data_path: Path
    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scaling: tuple[float, float]


def read_nifti(path: Path, how: How) -> Volume:
    """Read a NIfTI image; see `napari_dim.io.read_volume`."""
    with _one_line(path):
        source = _read_header(path)
        grid, warnings = _grid(source, path, how.slice_axis)
        array, odd = _read_intensities(source, path)
        if odd:
            warnings.append(
                f"{odd} voxels are not finite numbers; they are shown as the lowest value"
            )
        return Volume(
            grid.to_array(array),
            grid,
            path=path,
            header=_kept(source),
            warnings=tuple(warnings),
        )


def read_nifti_mask(path: Path, like: Volume) -> np.ndarray:
    """Read a NIfTI mask onto the grid of `like`; see `napari_dim.io.read_mask`."""
    with _one_line(path):
        source = _read_header(path)
        if len(source.shape) > 3:
            raise InputError("a mask has one volume, this file several", where=path)
        grid, _ = _grid(source, path, like.grid.slice_axis)
        _check_same_grid(grid, like, path)
        labels = _read_labels(source, path)
        return like.grid.to_array(labels)


@contextmanager
def _one_line(path: Path) -> Iterator[None]:
    """Turn whatever goes wrong while reading into one `InputError`."""
    try:
        yield
    except InputError as error:
        if error.where:
            raise
        raise InputError(error.problem, where=path, hint=error.hint) from error
    except MemoryError as error:
        raise InputError("there is not enough memory for this image", where=path) from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(
            "the compressed data are damaged or cut off", where=path, hint="Copy the file again"
        ) from error
    except OSError as error:
        raise InputError(
            f"the file can't be read: {error.strerror or error}", where=path
        ) from error
    except Exception as error:
        # nibabel and numpy raise many types on a damaged header; the user needs one.
        raise InputError(f"this is not a usable NIfTI file: {error}", where=path) from error


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
def _open(path: Path) -> Iterator[tuple[BinaryIO, bool]]:
    """Open for reading, through gzip if the content (not the name) says so."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if packed:
            with gzip.GzipFile(fileobj=file, mode="rb") as stream:
                yield cast(BinaryIO, stream), True
        else:
            yield file, False


def _read_header(path: Path) -> _Source:
    header_path, data_path = _files(path)
    with _open(header_path) as (stream, _):
        block = stream.read(540)
    for version, size, cls in ((1, 348, nib.Nifti1Header), (2, 540, nib.Nifti2Header)):
        for endianness, order in (("<", "little"), (">", "big")):
            if len(block) >= size and int.from_bytes(block[:4], order) == size:  # type: ignore[arg-type]
                header = cls(block[:size], endianness=endianness, check=False)
                return _judge(header, version, header_path, data_path)
    raise InputError("this is not a NIfTI file", where=path)


def _judge(header: Any, version: int, header_path: Path, data_path: Path) -> _Source:
    """Refuse what can't be used, from the header alone."""
    magic = bytes(header["magic"].item())[:3]
    if magic not in (b"n+%d" % version, b"ni%d" % version):
        raise InputError(
            "this is not a NIfTI file (an Analyze 7.5 file has no orientation)", where=header_path
        )
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
    if code not in _TYPES:
        raise InputError(f"the header names no known voxel type ({code})", where=header_path)
    dtype = np.dtype(header.endianness + _TYPES[code])
    shape = _shape(header, header_path)
    declared = math.prod(shape) * dtype.itemsize
    if declared > MAX_BYTES:
        raise InputError(
            f"the header declares {declared / 2**30:.0f} GiB, more than the "
            f"{MAX_BYTES // 2**30} GiB that can be read",
            where=header_path,
        )
    offset = _offset(header, 4 + header.template_dtype.itemsize if single else 0, header_path)
    held = data_path.stat().st_size
    with _open(data_path) as (_, packed):
        if offset + declared > (held * _GZIP_LIMIT if packed else held):
            raise InputError(
                f"the file is cut off: its {held} bytes can't hold the {declared} declared",
                where=data_path,
                hint="Copy the file again",
            )
    return _Source(header, version, data_path, offset, shape, dtype, _scaling(header, header_path))


def _shape(header: Any, path: Path) -> tuple[int, ...]:
    """Three spatial sizes, then the number of channels if the file has several."""
    ndim = int(header["dim"][0])
    if not 1 <= ndim <= 7:
        raise InputError(f"the header declares {ndim} axes", where=path)
    sizes = [int(size) for size in header["dim"][1 : ndim + 1]]
    if min(sizes) < 1:
        raise InputError(f"the header declares an empty image {tuple(sizes)}", where=path)
    while len(sizes) > 3 and sizes[-1] == 1:
        sizes.pop()
    sizes += [1] * (3 - len(sizes))
    if len(sizes) > 4:
        raise InputError(f"the image has {len(sizes)} axes {tuple(sizes)}", where=path,
                         hint="Save it as one volume")  # fmt: skip
    if len(sizes) == 4 and sizes[3] > MAX_CHANNELS:
        raise InputError(
            f"the file is a series of {sizes[3]} volumes", where=path,
            hint=f"Split it; up to {MAX_CHANNELS} volumes are read as channels",
        )  # fmt: skip
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


def _blocks(source: _Source, path: Path) -> Iterator[tuple[slice, np.ndarray]]:
    """The stored values, a block at a time, and where each lies among all of them.

    The same memory is used for each: reading takes little more than what is kept of it.
    """
    count = math.prod(source.shape)
    buffer = np.empty(min(count, _BLOCK), dtype=source.dtype)
    with _open(source.data_path) as (stream, packed):
        stream.seek(source.offset)
        for start in range(0, count, _BLOCK):
            block = buffer[: count - start]
            target = memoryview(cast(Any, block.view(np.uint8)))
            while len(target):
                got = cast(Any, stream).readinto(target)
                if not got:
                    raise InputError(
                        "the voxels are cut off", where=path, hint="Copy the file again"
                    )
                target = target[got:]
            yield slice(start, start + block.size), block
        if packed:
            stream.read(1)  # At the end of the stream gzip compares the checksum.


def _read_intensities(source: _Source, path: Path) -> tuple[np.ndarray, int]:
    """Values as stored if they are plain integers, else float32; and how many were not finite.

    In the file's axis order, native byte order.
    """
    slope, inter = source.scaling
    # Untouched memory is not yet taken: a file that declares more than it has costs little.
    count = math.prod(source.shape)
    if source.dtype.kind in "iu" and source.scaling == (1.0, 0.0):
        values = np.empty(count, dtype=source.dtype.newbyteorder("="))
        for where, block in _blocks(source, path):
            values[where] = block
        return values.reshape(source.shape, order="F"), 0
    values = np.empty(count, dtype=np.float32)
    odd, lowest = 0, math.inf
    with np.errstate(over="ignore", invalid="ignore"):
        for where, block in _blocks(source, path):
            values[where] = block * slope + inter
            finite = np.isfinite(values[where])
            odd += int(finite.size - np.count_nonzero(finite))
            lowest = min(lowest, values[where].min(initial=math.inf, where=finite))
    if odd:
        instead = np.float32(lowest if math.isfinite(lowest) else 0.0)
        for start in range(0, count, _BLOCK):
            block = values[start : start + _BLOCK]
            block[~np.isfinite(block)] = instead
    return values.reshape(source.shape, order="F"), odd


def _read_labels(source: _Source, path: Path) -> np.ndarray:
    """Class ids in the smallest type that holds them, in the file's axis order."""
    slope, inter = source.scaling
    plain = source.scaling == (1.0, 0.0)
    # Ids that were rescaled into integers come back a rounding error off.
    tolerance = 0.0 if plain else min(abs(slope), 0.01)
    labels: np.ndarray = np.empty(math.prod(source.shape), dtype=np.uint8)
    for where, block in _blocks(source, path):
        ids = as_labels(block if plain else block * slope + inter, where=path, tolerance=tolerance)
        if ids.dtype.itemsize > labels.dtype.itemsize:
            labels = labels.astype(ids.dtype)
        labels[where] = ids
    return labels.reshape(source.shape, order="F")


def _grid(source: _Source, path: Path, slice_axis: int | None) -> tuple[Grid, list[str]]:
    """The grid in mm, and what is odd about it."""
    header, warnings = source.header, []
    shape = (source.shape[0], source.shape[1], source.shape[2])
    candidates = []
    if header["sform_code"] > 0:
        candidates.append(header.get_sform)
    if header["qform_code"] > 0:
        candidates.append(header.get_qform)
    if not candidates:
        warnings.append("the file does not say how it lies in the patient; programs will differ")
        candidates.append(header.get_base_affine)
    problem: Exception | None = None
    for number, affine_of in enumerate(candidates):
        try:
            affine = _completed(np.asarray(affine_of(), dtype=np.float64), shape)
            affine[:3] *= _TO_MM.get(int(header["xyzt_units"]) & 7, 1.0)
            axis = _default_axis(affine, shape) if slice_axis is None else slice_axis
            grid = Grid(shape, affine, axis)
        except Exception as error:
            # A damaged sform often stands beside a good qform.
            problem = error
            continue
        if number:
            warnings.append("the sform can't be used; the place is taken from the qform")
        if sheared(affine):
            warnings.append("the axes are not at right angles; distances are approximate")
        return grid, warnings
    if isinstance(problem, InputError):
        raise InputError(problem.problem, where=path, hint=problem.hint)
    raise InputError(f"the place of the voxels can't be read: {problem}", where=path)


def _completed(affine: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Give an axis of one voxel without a spacing a direction across the others."""
    affine = affine.copy()
    for axis in range(3):
        if shape[axis] == 1 and not affine[:3, axis].any():
            across = np.cross(affine[:3, (axis + 1) % 3], affine[:3, (axis + 2) % 3])
            length = np.linalg.norm(across)
            if length > 0:
                affine[:3, axis] = across / length
    return affine


def _default_axis(affine: np.ndarray, shape: tuple[int, int, int]) -> int:
    """A 2D image in a NIfTI file has one slice, whatever its spacing."""
    thin = [axis for axis in range(3) if shape[axis] == 1]
    return thin[0] if len(thin) == 1 else default_slice_axis(affine)


def sheared(affine: np.ndarray) -> bool:
    """Whether the axes of an affine are not at right angles to each other."""
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    return bool(np.abs(directions.T @ directions - np.eye(3)).max() > 1e-3)


def _check_same_grid(grid: Grid, like: Volume, path: Path) -> None:
    if grid.file_shape != like.grid.file_shape:
        raise InputError(
            f"the mask is {grid.file_shape}, its image {like.grid.file_shape}",
            where=path,
            hint="Use a mask made for this image",
        )
    if not like.grid.matches(grid, tolerance=0.01):
        raise InputError(
            "the mask does not lie where its image lies: their affines differ",
            where=path,
            hint="Use a mask made for this image, or resample it to the image's grid",
        )


def _kept(source: _Source) -> dict[str, Any]:
    """What an export needs of this header: numbers that say where the voxels are, no text."""
    header = source.header
    kept = {name: int(header[name]) for name in ("sform_code", "qform_code", "xyzt_units")}
    geometry = {
        name: tuple(float(value) for value in np.atleast_1d(header[name]))
        for name in (
            "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z",
            "srow_x", "srow_y", "srow_z",
        )
    }  # fmt: skip
    return {
        **kept,
        **geometry,
        "pixdim": tuple(float(value) for value in header["pixdim"][:4]),
        "version": source.version,
        "axes": min(int(header["dim"][0]), 3),
        "stored": source.dtype.newbyteorder("=").name,
    }
