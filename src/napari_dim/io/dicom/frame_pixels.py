"""Pixels of DICOM frames, decompressed, as the real values that the header makes of them."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from napari_dim.errors import InputError
from napari_dim.io.dicom.decode_apart import decode_apart, decoders, planes_apart
from napari_dim.io.dicom.frames import Frame, value_ends
from napari_dim.io.dicom.pixel_faults import might_help, reason
from napari_dim.io.hashing import as_read

_TYPES = [np.dtype(name) for name in ("u1", "i2", "u2", "i4", "u4")]


def value_type(frames: Sequence[Frame]) -> np.dtype[Any]:
    """The smallest type that holds the real values of all frames.

    Whole numbers where slope and intercept are, the same for all; else float32.
    """
    first = frames[0]
    if first.color:
        return np.dtype({1: "u1", 2: "u2"}.get(first.bits[0] // 8, "u4"))
    if first.table:
        return np.dtype(np.float32)
    scalings = {frame.scaling for frame in frames}
    slope, inter = next(iter(scalings))
    whole = slope == int(slope) and inter == int(inter) if np.isfinite([slope, inter]).all() else 0
    if len(scalings) > 1 or not whole or first.bits[0] > 16:
        return np.dtype(np.float32)
    low, high = np.inf, -np.inf
    for bits in {frame.bits for frame in frames}:
        real = [end * slope + inter for end in value_ends(bits)]
        low, high = min(low, *real), max(high, *real)
    for dtype in _TYPES:
        if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
            return dtype
    return np.dtype(np.float32)


def decoded(
    frames: Sequence[Frame], dtype: np.dtype[Any]
) -> Iterator[tuple[int, np.ndarray, np.ndarray | None]]:
    """Each frame's number in `frames`, its pixels, and which of them are padding, if any may be.

    Pixels are ``(row, column[, channel])`` of `dtype`, padding ``(row, column)`` of bool. A file
    is opened once however many frames of it are wanted.

    Raises
    ------
    InputError
        If a file is damaged, or compressed in a way that nothing installed can undo.
    """
    numbered = sorted(enumerate(frames), key=lambda one: (str(one[1].file), one[1].index))
    files = [(file, list(group)) for file, group in groupby(numbered, lambda one: one[1].file)]
    with tempfile.TemporaryDirectory(prefix="napari-dim-") as folder:
        apart = False
        for place, (file, wanted) in enumerate(files):
            try:
                data = opened(file)
                if decoders(data):
                    planes = _planes(data, [frame for _, frame in wanted])
                else:  # the rest of the series at once: a process takes its time to start
                    if not apart:
                        decode_apart(files[place:], place, Path(folder))
                        apart = True
                    planes = planes_apart(Path(folder), place, file)
                for (number, frame), plane in zip(wanted, planes, strict=True):
                    plane = _tile(_coloured(plane, data), frame)
                    yield number, _real(plane, frame, data, dtype), _padded(plane, frame, data)
            except (InputError, MemoryError):
                raise
            except Exception as error:
                words, hint = reason(error)
                raise InputError(
                    f"the pixels can't be read: {words}", where=file,
                    hint=hint or might_help(file),
                ) from error  # fmt: skip


def opened(file: Any) -> Any:
    """The data set of a file whose pixels can be decoded.

    Raises
    ------
    InputError
        If it holds none, or they need a decoder that is not there.
    """
    import pydicom
    from pydicom.pixels import get_decoder
    from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

    data = pydicom.dcmread(as_read(file), force=True)
    if (
        "PixelData" not in data
        and "FloatPixelData" not in data
        and "DoubleFloatPixelData" not in data
    ):
        raise InputError("this DICOM file holds no pixels", where=file)
    syntax = getattr(data.file_meta, "TransferSyntaxUID", None)
    if syntax is None:
        # Old files without a preamble say nothing; pydicom found out how they are encoded.
        syntax = ImplicitVRLittleEndian if data.original_encoding[0] else ExplicitVRLittleEndian
        data.file_meta.TransferSyntaxUID = syntax
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError as error:
        raise InputError(
            f"the pixels are compressed as {syntax.name}, which can't be undone here", where=file,
            hint="Store the series uncompressed",
        ) from error  # fmt: skip
    if not decoder.is_available:
        wanted = "; ".join(decoder.missing_dependencies)
        raise InputError(
            f"the pixels are compressed as {syntax.name}, which needs one more package", where=file,
            hint=f"Install one of: {wanted}",
        )  # fmt: skip
    return data


def _planes(data: Any, frames: Sequence[Frame]) -> Iterator[np.ndarray]:
    """One after the other; the tiles of a mosaic from one frame that is decoded once."""
    index, plane = -1, np.empty(0)
    for frame in frames:
        if frame.index != index:
            index, plane = frame.index, _plane(data, frame)
        yield plane


def _plane(data: Any, frame: Frame) -> np.ndarray:
    """One frame, by the first decoder that manages it."""
    from pydicom.pixels import iter_pixels

    said = []
    # pydicom takes the stored bits for the lowest, and would cut off what stands above.
    # Padding, too, may need more bits than are stored.
    how = {"correct_unused_bits": False} if frame.shift or _beyond(frame) else {}
    for name in decoders(data):
        try:
            plane: np.ndarray = next(
                iter_pixels(data, indices=[frame.index], decoding_plugin=name, **how)
            )
            return plane
        except Exception as error:
            if not name or len(decoders(data)) == 1:
                raise
            said.append(f"{name}: {reason(error)[0]}")
    raise ValueError("; ".join(said))


def _coloured(plane: np.ndarray, data: Any) -> np.ndarray:
    from pydicom.pixels import apply_color_lut

    if not str(data.get("PhotometricInterpretation", "")).startswith("PALETTE"):
        return plane
    colors: np.ndarray = apply_color_lut(plane, data)[..., :3]
    return (colors >> 8).astype(np.uint8) if colors.dtype.itemsize > 1 else colors


def _tile(plane: np.ndarray, frame: Frame) -> np.ndarray:
    if frame.tile is None:
        return plane
    (top, left), (rows, columns) = frame.tile, frame.shape
    return plane[top : top + rows, left : left + columns]


def _padded(plane: np.ndarray, frame: Frame, data: Any) -> np.ndarray | None:
    """Which pixels of a plane, as it is stored, are padding; None if none can be."""
    if frame.padding is None or plane.dtype.kind not in "iu":
        return None
    stored = plane if _beyond(frame) else _clean(plane, frame, data)
    low, high = frame.padding
    padded: np.ndarray = (stored >= low) & (stored <= high)
    return padded


def _beyond(frame: Frame) -> bool:
    """Whether padding is a value that the stored bits can't hold."""
    if frame.padding is None:
        return False
    low, high = value_ends(frame.bits)
    return not low <= frame.padding[0] <= frame.padding[1] <= high


def _real(plane: np.ndarray, frame: Frame, data: Any, dtype: np.dtype[Any]) -> np.ndarray:
    """The real values: the bits that count, low made dark, then slope and intercept."""
    from pydicom.pixels import apply_modality_lut

    if frame.color:
        return plane.astype(dtype, copy=False)
    whole = plane.dtype.kind in "iu"
    if whole:
        plane = _clean(plane, frame, data)
    low, high = value_ends(frame.bits)
    if frame.table:
        values = np.asarray(apply_modality_lut(plane, data)).astype(dtype)
        if frame.inverted:
            ends = np.asarray(apply_modality_lut(np.array([[low, high]], plane.dtype), data))
            values = (ends.astype(np.float64).sum() - values).astype(dtype)
        return values
    if frame.inverted:
        plane = (low + high) - plane.astype(np.int64) if whole else -plane
    slope, inter = frame.scaling
    if (slope, inter) == (1.0, 0.0):
        return plane.astype(dtype)
    if dtype.kind in "iu":
        return (plane.astype(np.int64) * int(slope) + int(inter)).astype(dtype)
    return (plane.astype(np.float64) * slope + inter).astype(dtype)


def _clean(plane: np.ndarray, frame: Frame, data: Any) -> np.ndarray:
    """The stored bits alone: old files keep overlays above them, others nothing below them."""
    _, stored, signed = frame.bits
    if stored >= 8 * plane.dtype.itemsize:
        return plane
    low, high = value_ends(frame.bits)
    shift = frame.shift if _as_stored(data) else 0
    if not shift and plane.min() >= low and plane.max() <= high:
        return plane
    bits: np.ndarray = (plane.astype(np.int64) >> shift) & (2**stored - 1)
    if signed:
        bits[bits > high] -= 2**stored
    return bits


def _as_stored(data: Any) -> bool:
    """Whether pixels are bits as they stand in the file: JPEG and its kin hold numbers."""
    from pydicom.uid import RLELossless

    syntax = data.file_meta.TransferSyntaxUID
    return not syntax.is_encapsulated or syntax == RLELossless


def pixel_hash(frame: Frame) -> str:
    """What tells the pixels of a file from those of another, without decompressing them."""
    now = frame.file.stat()
    return _hash(frame.file, now.st_size, now.st_mtime_ns)


@lru_cache(4096)
def _hash(file: Path, *_: int) -> str:
    import pydicom

    try:
        data = pydicom.dcmread(file, force=True)
        for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData"):
            if name in data:
                return hashlib.sha256(data[name].value).hexdigest()
    except Exception:
        return str(file)  # no copy of anything; whoever reads it says what is wrong
    return str(file)
