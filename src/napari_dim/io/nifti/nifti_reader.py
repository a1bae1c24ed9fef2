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
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from napari_dim.errors import Foreseen, InputError, one_line
from napari_dim.io.finite_values import odd_words
from napari_dim.io.format_rows import How, Part
from napari_dim.io.geometry import Laid, fit, lay_ids
from napari_dim.io.labels import as_labels
from napari_dim.io.nifti.nifti_header import (
    MAX_BYTES,
    MAX_CHANNELS,
    Source,
    one_volume,
    open_stream,
    read_nifti_header,
)
from napari_dim.volume import Grid, Placed, Volume, default_slice_axis

_BLOCK = 2**20  # voxels
_CUT_OFF = ("the compressed data are damaged or cut off", "Copy the file again")
DAMAGED: Foreseen = {EOFError: _CUT_OFF, zlib.error: _CUT_OFF, gzip.BadGzipFile: _CUT_OFF}
"""What a damaged file raises, and what to say of it."""
_ROUNDED = 1.0005
TO_MM = {1: 1000.0, 2: 1.0, 3: 0.001}
__all__ = ["MAX_BYTES", "list_nifti", "read_nifti", "read_nifti_mask", "sheared"]


def read_nifti(path: Path, how: How) -> Volume:
    """Read a NIfTI image; see `napari_dim.io.read_volume`."""
    with one_line(path, "NIfTI file", known=DAMAGED):
        source = one_volume(read_nifti_header(path), how.part, path)
        grid, warnings = grid_of(source, path, how.slice_axis)
        if source.colors:
            # Red, green and blue lie side by side; transparency is no part of the image.
            stored = replace(source, shape=(source.colors, *source.shape[:3]))
            array, odd = _read_intensities(stored, path)
            array = np.moveaxis(array, 0, -1)[..., :3]
        else:
            array, odd = _read_intensities(source, path)
        if odd:
            warnings.append(odd_words(odd))
        return Volume(
            grid.to_array(array),
            grid,
            path=path,
            header=_kept(source),
            warnings=(*source.notes, *warnings),
        )


def list_nifti(path: Path) -> tuple[Part, ...]:
    """The volumes of a file of four axes; see `napari_dim.io.list_parts`."""
    with one_line(path, "NIfTI file", known=DAMAGED):
        source = read_nifti_header(path)
    if len(source.shape) < 4 or source.colors:
        return ()
    count = source.shape[3]
    parts = [Part(str(number), f"volume {number} of {count}") for number in range(count)]
    if count <= MAX_CHANNELS:
        parts.insert(0, Part("all", f"all {count} as channels of one scan"))
    return tuple(parts)


def read_nifti_mask(path: Path, like: Placed) -> Laid:
    """Read a NIfTI mask onto the grid of `like`; see `napari_dim.io.read_mask`."""
    with one_line(path, "NIfTI file", known=DAMAGED):
        source = read_nifti_header(path)
        if source.colors:
            raise InputError(
                "the mask is a colour image", where=path,
                hint="Save it with one class number a voxel",
            )  # fmt: skip
        if len(source.shape) > 3:
            raise InputError(
                f"a mask has one volume, this file {source.shape[3]}", where=path,
                hint="Save one volume whose values are the class numbers",
            )  # fmt: skip
        grid, told = grid_of(source, path, 0)
        found = fit(grid, like.grid)  # before any voxel is read
        if grid.placed:  # or `fit` says that it isn't
            found = replace(found, notes=(*told, *found.notes))
        return lay_ids(_read_labels(source, path), found, like.grid)


def _blocks(source: Source, path: Path) -> Iterator[tuple[slice, np.ndarray]]:
    """The stored values, a block at a time, and where each lies among all of them.

    The same memory is used for each: reading takes little more than what is kept of it.
    """
    count = math.prod(source.shape)
    buffer = np.empty(min(count, _BLOCK), dtype=source.dtype)
    with open_stream(source.data_path) as (stream, packed):
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


def _read_intensities(source: Source, path: Path) -> tuple[np.ndarray, int]:
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


def _read_labels(source: Source, path: Path) -> np.ndarray:
    """Class ids in the smallest type that holds them, in the file's axis order."""
    slope, inter = source.scaling
    plain = source.scaling == (1.0, 0.0)
    # Ids that were rescaled into integers come back a rounding error off.
    tolerance = 1e-3 if plain else max(1e-3, min(abs(slope), 0.01))
    labels: np.ndarray = np.empty(math.prod(source.shape), dtype=np.uint8)
    for where, block in _blocks(source, path):
        ids = as_labels(block if plain else block * slope + inter, where=path, tolerance=tolerance)
        if ids.dtype.itemsize > labels.dtype.itemsize:
            labels = labels.astype(ids.dtype)
        labels[where] = ids
    return labels.reshape(source.shape, order="F")


def grid_of(source: Source, path: Path, slice_axis: int | None) -> tuple[Grid, list[str]]:
    """The grid in mm, with the qform's place if that is another; and what is odd about it."""
    header, warnings = source.header, []
    shape = (source.shape[0], source.shape[1], source.shape[2])
    stated = {
        name: place
        for name, place in (("sform", header.get_sform), ("qform", partial(_qform, header)))
        if header[f"{name}_code"] > 0
    }
    placed = bool(stated)
    if not placed:
        warnings.append("the file does not say how it lies in the patient; programs will differ")
        stated["header"] = header.get_base_affine
    grids: dict[str, Grid] = {}
    problem: Exception | None = None
    for name, place in stated.items():
        try:
            affine = _completed(np.asarray(place(), dtype=np.float64), shape)
            affine[:3] *= TO_MM.get(int(header["xyzt_units"]) & 7, 1.0)
            axis = _default_axis(affine, shape) if slice_axis is None else slice_axis
            grids[name] = Grid(shape, affine, axis, placed=placed)
        except Exception as error:
            # A damaged sform often stands beside a good qform.
            problem = error
    if not grids:
        if isinstance(problem, InputError):
            again = "Save it again with sizes of its voxels and directions of its axes"
            raise InputError(problem.problem, where=path, hint=problem.hint or again)
        raise InputError(
            "the place of the voxels can't be read: the header's sizes or turns are no numbers "
            "that make sense", where=path, hint="Save it again with the program that made it",
        ) from problem  # fmt: skip
    if "sform" in stated and "sform" not in grids:
        warnings.append("the sform can't be used; the place is taken from the qform")
    grid, *others = grids.values()
    others = [other for other in others if not other.matches(grid)]
    if sheared(grid.file_affine):
        warnings.append("the axes are not at right angles; distances are approximate")
    return replace(grid, others=tuple(other.file_affine for other in others)), warnings


def _qform(header: Any) -> np.ndarray:
    """The qform's place by the rules of the format, which nibabel is stricter than.

    pixdim[0] is a sign and 0 no fault, sizes have none, and a quaternion that rounding made a
    little longer than 1 is a turn.
    """
    header = header.copy()
    header["pixdim"][0] = -1.0 if header["pixdim"][0] < 0 else 1.0
    header["pixdim"][1:4] = np.abs(header["pixdim"][1:4])
    parts = ("quatern_b", "quatern_c", "quatern_d")
    length = math.sqrt(sum(float(header[part]) ** 2 for part in parts))
    if 1 < length < _ROUNDED:
        for part in parts:
            header[part] = float(header[part]) / length
    place: np.ndarray = header.get_qform()
    return place


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


def _kept(source: Source) -> dict[str, Any]:
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
