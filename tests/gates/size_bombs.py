"""Small files that unpack to large images, or say that they do: refused from the header, or read
in little more memory than the image itself takes.

Each is opened in a process of its own, which tells the peak of its memory.
"""

from __future__ import annotations

import gzip
import multiprocessing
import resource
import struct
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import nibabel as nib
import numpy as np
import tifffile
from PIL import Image

from napari_dim.errors import InputError
from napari_dim.io import read_volume
from napari_dim.io.nifti import nifti_reader  # noqa: F401
from napari_dim.io.pictures import picture_reader  # noqa: F401

PROMISE = """A file that is too large, or can't hold what it declares, is refused from its header;
    a volume takes at most 1.2 times the memory that it declares, a picture 2.5 times"""
FULL, QUICK = 1024, 48
"""MiB that a bomb unpacks to."""

_MOST = {"volumes": 1.2, "pictures": 2.5}
"""Pillow holds its own copy of a picture, four bytes a pixel for colours, while it is read."""
_SLACK = 40 * 2**20
"""Bytes for what a reader imports and for its buffers, whatever the image."""


@dataclass(frozen=True)
class Bomb:
    """A file to be opened.

    Attributes
    ----------
    name
        File name.
    write
        Writes it.
    declared
        Bytes of the image that it declares, as it is held once read; 0 if it is to be refused
        from the header.
    """

    name: str
    write: Callable[[Path], None]
    declared: int


def run(count: int) -> str:
    """Open every bomb, each made to unpack to `count` MiB."""
    worst = dict.fromkeys(_MOST, 0.0)
    refused, opened = 0, 0
    Image.init()
    with tempfile.TemporaryDirectory() as folder:
        for bomb in bombs(count * 2**20):
            path = Path(folder) / bomb.name
            bomb.write(path)
            peak, line = _open_apart(path)
            path.unlink()
            kind = "volumes" if ".nii" in bomb.name else "pictures"
            if bomb.declared:
                allowed = _MOST[kind] * bomb.declared + _SLACK
                worst[kind] = max(worst[kind], (peak - _SLACK) / bomb.declared)
                opened += 1
            else:
                allowed = _SLACK
                assert line != "opened", f"{bomb.name} was opened"
                refused += 1
            told = f"{bomb.name} took {peak / 2**20:.0f} MiB of {allowed / 2**20:.0f}: {line}"
            print(told, file=sys.stderr)
            assert peak <= allowed, told
    most = ", ".join(f"{kind} {max(0, value):.2f}" for kind, value in worst.items())
    return (
        f"{refused} bombs of {count:,} MiB refused within {_SLACK / 2**20:.0f} MiB; {opened} "
        f"others took at most so many times what they declare: {most}"
    )


def bombs(size: int) -> Iterator[Bomb]:
    """Files of every format that can pack; `size` is what they unpack to, in bytes."""
    yield from _nifti(size)
    yield from _png(size)
    yield from _tiff(size)


def _nifti(size: int) -> Iterator[Bomb]:
    edge = round((size // 2) ** (1 / 3))
    whole = (edge, edge, edge)
    small = (16, 16, 8)
    # A tiny header in front of a stream that does not end.
    yield Bomb("endless.nii.gz", _packed(small, "i2", size), 16 * 16 * 8 * 2)
    yield Bomb("cut_off.nii.gz", _packed(whole, "i2", 2**20), edge**3 * 2)
    yield Bomb("past_the_limit.nii.gz", _packed((4096, 4096, 2048), "i2", 2**20), 0)
    yield Bomb("too_small_for_it.nii", _plain((2048, 2048, 512), "i2", 2**20), 0)
    yield Bomb("too_small_for_it.nii.gz", _packed((4096, 1024, 512), "i2", 2**18), 0)
    for kind, held in (("u1", 1), ("i2", 2), ("f4", 4), ("f8", 4)):
        per = np.dtype(kind).itemsize
        edge = round((size // per) ** (1 / 3))
        bytes_held = edge**3 * max(held, per)
        yield Bomb(f"whole_{kind}.nii.gz", _packed((edge,) * 3, kind, size), bytes_held)
    edge = round((size // 4) ** (1 / 3))
    # Scaled values are held as 32-bit floats, whatever they are stored as.
    yield Bomb("scaled.nii.gz", _packed((edge,) * 3, "i2", size, slope=0.5), edge**3 * 4)


def _header(shape: tuple[int, ...], kind: str, slope: float) -> bytes:
    header = nib.Nifti1Header()
    header.set_data_shape(shape)
    header.set_data_dtype(np.dtype(kind))
    header.set_sform(np.diag([1, 1, 2, 1]), 1)
    header["scl_slope"], header["scl_inter"] = slope, 0
    header["magic"], header["vox_offset"] = b"n+1", 352
    return header.binaryblock + bytes(4)


def _packed(
    shape: tuple[int, ...], kind: str, size: int, slope: float = 1.0
) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with gzip.open(path, "wb", compresslevel=1) as file:
            file.write(_header(shape, kind, slope))
            for _ in range(size // 2**20 + 1):
                file.write(bytes(2**20))

    return write


def _plain(shape: tuple[int, ...], kind: str, size: int) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(_header(shape, kind, 1.0) + bytes(size))

    return write


def _png(size: int) -> Iterator[Bomb]:
    side = round(size**0.5)
    yield Bomb("declares_too_much.png", _made_png(60_000, 60_000, 0, b""), 0)
    # The stream goes on after the last row.
    yield Bomb("endless.png", _made_png(32, 32, 0, bytes(size)), 32 * 32)
    text = b"Comment\0\0" + zlib.compress(bytes(size), 9)
    yield Bomb("text.png", _made_png(32, 32, 0, bytes(33 * 32), (b"zTXt", text)), 32 * 32)
    profile = b"icc\0\0" + zlib.compress(bytes(size), 9)
    yield Bomb("profile.png", _made_png(32, 32, 0, bytes(33 * 32), (b"iCCP", profile)), 32 * 32)
    side = min(side, 13_000)
    yield Bomb("whole_grey.png", _made_png(side, side, 0, bytes((side + 1) * side)), side * side)
    side = min(round((size / 3) ** 0.5), 13_000)
    rows = bytes((3 * side + 1) * side)
    yield Bomb("whole_colour.png", _made_png(side, side, 2, rows), 3 * side * side)


def _made_png(
    width: int, height: int, colour: int, rows: bytes, *more: tuple[bytes, bytes]
) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        start = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
        chunks = [(b"IHDR", start), *more, (b"IDAT", zlib.compress(rows, 6)), (b"IEND", b"")]
        parts = [b"\x89PNG\r\n\x1a\n"]
        for kind, body in chunks:
            parts += [struct.pack(">I", len(body)), kind, body]
            parts.append(struct.pack(">I", zlib.crc32(kind + body)))
        path.write_bytes(b"".join(parts))

    return write


def _tiff(size: int) -> Iterator[Bomb]:
    side = round(size**0.5)
    side = min(side, 13_000)
    yield Bomb("declares_too_much.tif", _made_tiff(60_000, 60_000, b"", 1), 0)
    packed = zlib.compress(bytes(size), 6)
    yield Bomb("endless_strip.tif", _made_tiff(32, 32, packed, 8), 32 * 32)
    rows = zlib.compress(bytes(side * side), 6)
    yield Bomb("whole.tif", _made_tiff(side, side, rows, 8), side * side)

    def strips(path: Path) -> None:
        tifffile.imwrite(path, np.zeros((side, side), np.uint8), rowsperstrip=64)

    yield Bomb("strips.tif", strips, side * side)


def _made_tiff(width: int, height: int, strip: bytes, compression: int) -> Callable[[Path], None]:
    """A grey TIFF of one strip."""

    def write(path: Path) -> None:
        tags = [
            (256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, compression), (262, 3, 1),
            (273, 4, 8 + 2 + 9 * 12 + 4), (277, 3, 1), (278, 4, height), (279, 4, len(strip)),
        ]  # fmt: skip
        body = struct.pack("<2sHIH", b"II", 42, 8, len(tags))
        for code, kind, value in tags:
            body += struct.pack("<HHI", code, kind, 1)
            body += struct.pack("<I", value) if kind == 4 else struct.pack("<HH", value, 0)
        path.write_bytes(body + bytes(4) + strip)

    return write


def _open_apart(path: Path) -> tuple[int, str]:
    """Bytes that a process took to open a file, above what it had before; and what it said."""
    apart = multiprocessing.get_context("fork")  # what is imported is there, and not measured
    ours, theirs = apart.Pipe(duplex=False)
    child = apart.Process(target=_open, args=(path, theirs))
    child.start()
    theirs.close()
    try:
        peak, line = ours.recv() if ours.poll(600) else (0, "hung")
    except EOFError:
        peak, line = 0, "crashed"
    child.join(10)
    if child.is_alive():
        child.kill()
    assert child.exitcode == 0, f"{path.name}: {line}, {child.exitcode}"
    return peak, line


def _open(path: Path, answer: Connection) -> None:
    """What a child does."""
    unit = 1 if sys.platform == "darwin" else 1024
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        volume = read_volume(path)
        line = "opened"
        assert volume.array.size
    except InputError as error:
        line = str(error).replace(str(path), path.name)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer.send(((after - before) * unit, line))
