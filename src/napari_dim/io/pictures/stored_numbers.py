"""The numbers that a picture file holds, where Pillow makes others of them or can't read them.

Pillow stretches greys of 2 or 4 bits, and those of PNM files to another largest number, to 8 or
16 bits, and shifts those of JPEG 2000. For eyes that is right; a mask's numbers are classes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_LOOKED_AT = 2**16
_COMMENT = re.compile(rb"#[^\r\n]*")
_FRAMES = {0xC3, 0xC7, 0xCB, 0xCF}
"""Markers of JPEG frames that are coded without loss."""


@dataclass(frozen=True)
class Layout:
    """How the numbers of a picture are stored.

    Attributes
    ----------
    depth
        Bits of a number; 0 where that is not known.
    largest
        The number that Pillow stretches to the largest of 8 or 16 bits; 0 for none.
    shift
        By how many bits Pillow shifts the numbers.
    """

    depth: int = 0
    largest: int = 0
    shift: int = 0

    def stored(self, values: np.ndarray) -> np.ndarray:
        """The numbers in the file of those that Pillow gives."""
        if values.dtype.kind not in "iu":
            return values
        if self.shift:
            return values >> self.shift
        if self.largest:
            full = 255 if values.dtype.itemsize == 1 else 65535
            table = np.rint(np.arange(full + 1) * (self.largest / full)).astype(values.dtype)
            numbers: np.ndarray = table[values]
            return numbers
        return values


def layout_of(path: Path) -> Layout:
    """How a PNG, PNM or JPEG 2000 file stores its numbers, by its header; of others nothing."""
    with path.open("rb") as file:
        start = file.read(_LOOKED_AT)
    if start.startswith(b"\x89PNG\r\n\x1a\n") and len(start) > 25:
        depth, colours = start[24], start[25]
        grey = colours == 0 and depth in (2, 4)
        return Layout(depth, 2**depth - 1 if grey else 0)
    if re.match(rb"P[2356]\s", start):
        words = _COMMENT.sub(b"", start).split(maxsplit=4)
        most = int(words[3]) if len(words) > 3 and words[3].isdigit() else 255
        return Layout(8 if most < 256 else 16, 0 if most in (255, 65535) else most)
    size = start.find(b"\xff\x4f\xff\x51")
    if size >= 0 and len(start) > size + 42:
        depth = (start[size + 42] & 0x7F) + 1
        return Layout(depth, shift=(8 if depth <= 8 else 16) - depth if depth < 16 else 0)
    return Layout()


def jpeg_fault(path: Path) -> tuple[str, str]:
    """Why Pillow can't read a JPEG, and what to do; ``""`` where its header shows nothing."""
    with path.open("rb") as file:
        start = file.read(_LOOKED_AT)
    at = 2
    while start[:2] == b"\xff\xd8" and at + 9 < len(start) and start[at] == 0xFF:
        marker, length = start[at + 1], int.from_bytes(start[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            bits = start[at + 4]
            hint = "Save it as PNG or TIFF with 16 bits" if bits > 8 else "Save it as PNG"
            if bits != 8:
                return f"this is a JPEG of {bits} bits a value, which can't be read", hint
            if marker in _FRAMES:
                return "this is a lossless JPEG, which can't be read", hint
            return "", ""
        at += 2 + length
    return "", ""
