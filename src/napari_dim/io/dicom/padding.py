"""Padding: pixels outside what was scanned, which must not pass for tissue.

Scanners fill the corners of a round picture with one stored value, by DICOM's Pixel Padding
Value (PS3.3 C.7.5.1.1.2). It is a number, not a measurement: turned round with the others in
an image whose low is bright it would be the brightest, and in CT it may lie far below air.
"""

from __future__ import annotations

from typing import Any

import numpy as np

_LEAST = -1024.0
"""What CT scanners give the least absorbing voxels, in Hounsfield units; air is at -1000."""


def padding_of(header: Any, bits: tuple[int, int, bool]) -> tuple[int, int] | None:
    """The least and the largest stored value that are padding; None where none is told.

    Zero is none where pixels have a sign: scanners name it in images of phase and difference,
    where it is a measurement.
    """
    one = _number(header.get("PixelPaddingValue"), bits)
    other = _number(header.get("PixelPaddingRangeLimit"), bits)
    other = one if other is None else other
    if one is None or other is None or (bits[2] and one == other == 0):
        return None
    return min(one, other), max(one, other)


def _number(value: Any, bits: tuple[int, int, bool]) -> int | None:
    """A stored value as the pixels hold it: it is often written with the other sign."""
    allocated, _, signed = bits
    if isinstance(value, bytes):
        value = int.from_bytes(value[:2], "little") if value else None
    if value is None or value == "" or (hasattr(value, "__len__") and not isinstance(value, str)):
        return None
    try:
        number: int = int(value) % (1 << allocated)
    except (TypeError, ValueError):
        return None
    return number - (1 << allocated) if signed and number >= 1 << (allocated - 1) else number


class Padding:
    """The padding met in the planes of a volume, of which few bytes are kept."""

    def __init__(self) -> None:
        self._masks: dict[int, np.ndarray] = {}
        self._lowest = np.inf
        self._value = -np.inf

    def meet(self, number: int, plane: np.ndarray, padded: np.ndarray | None) -> None:
        """Remember what is padding in a plane, ``(row, column)`` of real values."""
        if padded is None or not padded.any():
            rest = plane
        else:
            self._masks[number] = np.packbits(padded)
            self._value = max(self._value, float(plane[padded].max()))
            rest = plane[~padded]
        if rest.size:
            self._lowest = min(self._lowest, float(np.nanmin(rest)))

    def fill(self, planes: np.ndarray, modality: str) -> str:
        """Give the padding the lowest value of the rest, in place; what was done, or ``""``.

        It is left as it is where it lies below all others already. In CT neither is under that
        of air: what was compressed with loss has values near the padding's.
        """
        if not self._masks or not np.isfinite(self._lowest):
            return ""
        target, why = self._lowest, "the lowest value of the rest"
        if modality == "CT" and self._lowest < _LEAST:
            target, why = _LEAST, "the least of air"
        far_below = modality == "CT" and self._value < min(_LEAST, target)
        if self._value <= self._lowest and not far_below:
            return ""
        count = 0
        for number, mask in self._masks.items():
            plane = planes[number]
            padded = np.unpackbits(mask, count=plane.size).astype(bool).reshape(plane.shape)
            plane[padded] = target
            count += int(np.count_nonzero(padded))
        return f"{count} voxels are padding and stand for nothing; they are given {target:g}, {why}"
