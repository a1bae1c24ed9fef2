r"""How the strokes of one annotation layer lie on disk.

A layer has a folder, and in it one file a *generation*: ``000007.journal``. A file is a row
of records, appended and never changed::

    "DIMj"  kind  0 0 0  length       crc32                          payload
    4 bytes 1     3      uint32 (LE)  uint32 (LE) of kind, length    length bytes
                                      and payload

    H   JSON: version, shape, dtype, and how many P follow at once (the snapshot)
    P   number of a slice, uint32 (LE), and the whole slice, zlib
    N   JSON: what changed of a `model.Note`

The last P of a slice is what it holds; a slice without one is empty. The last value of each
key of N is what is known. What is no whole record with the right checksum (a tail torn by a
crash, a damaged spot) is skipped up to the next one, and told.

A generation begins with a snapshot: the last records of the one before, or a whole new array
of another shape or type. It is written beside, read back and renamed (`io.atomic`). The one
before is kept; where a snapshot turns out to be damaged, it fills the gaps. Nothing is
unpickled, and nothing is taken for larger than its header says.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from pydantic import ValidationError

from napari_dim.errors import InputError
from napari_dim.io.atomic import atomic_path
from napari_dim.project.model import Note

MAGIC, HEAD, PLANE, NOTE = b"DIMj", b"H", b"P", b"N"
VERSION = 1
TYPES = ("|u1", "<u2", "<u4", "<u8", "|i1", "<i2", "<i4", "<i8")
LARGEST = 16 * 2**30
"""Bytes that a layer may have."""
JSON_CAP = 32 * 2**20
"""Bytes of the JSON of a record."""

_FRAME = struct.Struct("<4sc3xII")
_NUMBER = struct.Struct("<I")


@dataclass(frozen=True)
class Head:
    """The first record of a generation: the layer's shape ``(slice, ...)`` and type."""

    shape: tuple[int, ...]
    dtype: str
    planes: int = 0

    @classmethod
    def of(cls, array: np.ndarray) -> Head:
        """The header of a layer.

        Raises
        ------
        InputError
            If it holds no class ids.
        """
        dtype = array.dtype.newbyteorder("<").str
        if dtype not in TYPES or not 2 <= array.ndim <= 5 or 0 in array.shape:
            raise InputError(f"a layer of {array.dtype}, {array.shape} can't be kept")
        return cls(tuple(int(n) for n in array.shape), dtype)

    @classmethod
    def parse(cls, payload: bytes) -> Head | None:
        """From JSON; None if it can't be used."""
        try:
            found = json.loads(payload)
            head = cls(tuple(map(int, found["shape"])), str(found["dtype"]), int(found["planes"]))
            usable = int(found["version"]) == VERSION and head.dtype in TYPES
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            return None
        if not usable or not 2 <= len(head.shape) <= 5 or min(head.shape) < 1:
            return None
        return head if head.shape[0] * head.plane_bytes <= LARGEST else None

    @property
    def plane_bytes(self) -> int:
        """Of one slice."""
        size = np.dtype(self.dtype).itemsize
        for n in self.shape[1:]:  # Python's integers: many can't overflow
            size *= n
        return size

    def like(self, other: Head | None) -> bool:
        """Whether the slices of two generations are alike."""
        return other is not None and (self.shape, self.dtype) == (other.shape, other.dtype)


@dataclass
class Contents:
    """The last records of a generation, slices still compressed."""

    head: Head | None = None
    planes: dict[int, bytes] = field(default_factory=dict)
    note: dict[str, Any] = field(default_factory=dict)
    read: int = 0
    damaged: int = 0
    """Places where something was no good record."""

    @property
    def whole(self) -> bool:
        """Whether nothing is missing of the snapshot that it began with."""
        return self.head is not None and self.read >= self.head.planes

    def over(self, below: Contents) -> Contents:
        """The same with its gaps filled from the generation before."""
        if self.head is None or not self.head.like(below.head):
            return self if self.head is not None and self.planes else below
        planes, note = {**below.planes, **self.planes}, {**below.note, **self.note}
        return Contents(self.head, planes, note, self.read, self.damaged)

    def array(self) -> np.ndarray:
        """The class ids, ``(slice, ...)``.

        Raises
        ------
        InputError
            If there is no header, or not enough memory for what it declares.
        """
        from psutil import virtual_memory

        if self.head is None:
            raise InputError("the journal has no header that can be used")
        if self.head.shape[0] * self.head.plane_bytes > virtual_memory().available:
            raise InputError("there is not enough memory for this layer")
        array = np.zeros(self.head.shape, self.head.dtype)
        for number, payload in self.planes.items():
            plane = unpack(payload, self.head)
            if plane is not None:
                array[number] = plane
        return array.astype(array.dtype.newbyteorder("="), copy=False)


def frame(kind: bytes, payload: bytes) -> bytes:
    """A record as it lies in the file."""
    return _FRAME.pack(MAGIC, kind, len(payload), _crc(kind, payload)) + payload


def pack(number: int, plane: np.ndarray) -> bytes:
    """The payload of a slice's record."""
    little = plane.astype(plane.dtype.newbyteorder("<"), order="C", copy=False)
    return _NUMBER.pack(number) + zlib.compress(little.tobytes(), 1)


def unpack(payload: bytes, head: Head) -> np.ndarray | None:
    """The slice in a record's payload; None if it is none of this layer."""
    try:
        stream = zlib.decompressobj()
        found = stream.decompress(payload[_NUMBER.size :], head.plane_bytes + 1)
    except zlib.error:
        return None
    if len(found) != head.plane_bytes:
        return None
    return np.frombuffer(found, head.dtype).reshape(head.shape[1:])


def note_record(note: Mapping[str, Any]) -> bytes:
    """The record of what changed beside the voxels."""
    return frame(NOTE, json.dumps(note, separators=(",", ":")).encode())


def write_generation(path: Path, found: Contents) -> None:
    """Write a generation that begins with `found`, whole or not at all.

    Raises
    ------
    InputError
        If it can't be written.
    """
    assert found.head is not None
    head = {
        "version": VERSION,
        "shape": found.head.shape,
        "dtype": found.head.dtype,
        "planes": len(found.planes),
    }
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(frame(HEAD, json.dumps(head).encode()))
        file.write(note_record(found.note))
        for number in sorted(found.planes):
            file.write(frame(PLANE, found.planes[number]))


def scan(path: Path, default: Head | None = None) -> Contents:
    """The last records of a generation.

    Parameters
    ----------
    default
        What to go by where its own header is damaged.

    Raises
    ------
    OSError
        If it can't be read.
    """
    found = Contents(default)
    with path.open("rb") as file:
        for offset, kind, payload in _records(file):
            if kind == HEAD and offset == 0:
                found.head = Head.parse(payload) or default
            elif kind == PLANE and found.head is not None and len(payload) >= _NUMBER.size:
                number = int(_NUMBER.unpack_from(payload)[0])
                longest = 1.1 * found.head.plane_bytes + 99  # where nothing can be compressed
                if number < found.head.shape[0] and len(payload) < longest:
                    found.planes[number] = payload
                    found.read += 1
            elif kind == NOTE:
                found.note.update(_known(payload))
            elif not kind:
                found.damaged += 1
    return found


def _known(payload: bytes) -> dict[str, Any]:
    """What a note says, if it is of the right kind."""
    try:
        return Note.model_validate_json(payload).model_dump(mode="json", exclude_unset=True)
    except ValidationError:
        return {}


def _crc(kind: bytes, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(kind + struct.pack("<I", len(payload))))


class _Reader:
    """Finds records in a file; one made up to be slow is not searched for ever."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = file.seek(0, os.SEEK_END)
        self._budget = 8 * self.size + 2**20

    def record(self, offset: int) -> tuple[bytes, bytes] | None:
        """Kind and payload of the record at an offset; None if there is no good one."""
        self._file.seek(offset)
        front = self._file.read(_FRAME.size)
        if len(front) < _FRAME.size:
            return None
        magic, kind, length, crc = _FRAME.unpack(front)
        cap = JSON_CAP if kind in (HEAD, NOTE) else LARGEST
        if magic != MAGIC or length > min(cap, self.size - offset - _FRAME.size):
            return None
        payload = self._file.read(length)
        self._budget -= length
        good = len(payload) == length and _crc(kind, payload) == crc
        return (kind, payload) if good else None

    def next_good(self, offset: int) -> int:
        """Where the first good record from `offset` on begins, the end if there is none."""
        step = 2**16
        while offset < self.size and self._budget > 0:
            self._file.seek(offset)
            chunk = self._file.read(step)
            place = chunk.find(MAGIC)
            while place >= 0 and self._budget > 0:
                if self.record(offset + place) is not None:
                    return offset + place
                place = chunk.find(MAGIC, place + 1)
            self._budget -= len(chunk)
            offset += max(1, len(chunk) - len(MAGIC) + 1)
        return self.size


def _records(file: BinaryIO) -> Iterator[tuple[int, bytes, bytes]]:
    """Offset, kind and payload of the good records; kind ``b""`` where something was skipped."""
    reader, offset = _Reader(file), 0
    while offset < reader.size:
        record = reader.record(offset)
        if record is None:
            yield offset, b"", b""
            offset = reader.next_good(offset + 1)
        else:
            yield offset, *record
            offset += _FRAME.size + len(record[1])
