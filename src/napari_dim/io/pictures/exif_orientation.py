"""Pictures as viewers show them: a camera stores how its picture is to be turned (EXIF, TIFF)."""

from __future__ import annotations

import numpy as np
from PIL import Image

TAG = 0x0112
_MIRRORED, _TURNED = "mirrored", "turned by {} degrees"
_WORDS = {
    2: _MIRRORED, 3: _TURNED.format(180), 4: f"{_MIRRORED} top to bottom",
    5: f"{_MIRRORED} and {_TURNED.format(90)}", 6: _TURNED.format(90),
    7: f"{_MIRRORED} and {_TURNED.format(270)}", 8: _TURNED.format(270),
}  # fmt: skip


def orientation_of(picture: Image.Image) -> int:
    """What a loaded picture asks for, 1 to 8; 1 where it is upright, or Pillow turned it."""
    try:
        value = picture.getexif().get(TAG, 1)
    except Exception:  # damaged EXIF raises many types, and the pixels are good
        return 1
    return value if value in _WORDS else 1


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """A view of ``(row, column[, channel])`` as viewers show it."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    rows = slice(None, None, -1) if orientation in (3, 4, 7, 8) else slice(None)
    columns = slice(None, None, -1) if orientation in (2, 3, 6, 7) else slice(None)
    return pixels[rows, columns]


def as_stored(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """The inverse of `upright`."""
    return upright(pixels, {6: 8, 8: 6}.get(orientation, orientation))


def in_words(orientation: int) -> str:
    """How a picture is turned, such as "turned by 90 degrees"; ``""`` for an upright one."""
    return _WORDS.get(orientation, "")
