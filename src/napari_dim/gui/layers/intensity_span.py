"""The values that a scan has in each channel, for whoever gives limits of them."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
from napari.layers import Layer

from napari_dim.editing.intensity_ranges import channels
from napari_dim.errors import InputError
from napari_dim.gui.layers.image_layers import layer_source, slice_values

LOOKED_AT = 5
"""Slices that the values are taken from."""


def intensity_span(image: Layer) -> tuple[list[tuple[float, float]], int]:
    """Least and most of each channel in a few slices of a scan, and places after the point.

    The places are those by which a hundredth of the smallest span can be told; none for
    integers.

    Raises
    ------
    InputError
        If the scan has no values that can be used there.
    """
    count = layer_source(image).grid.shape[0]
    least, most, whole = [], [], False
    for number in np.unique(np.linspace(0, count - 1, LOOKED_AT).astype(int)):
        with suppress(InputError):  # a slice without a number
            values = slice_values(image, int(number))
            whole = values.dtype.kind in "iu"
            least.append(channels(values).min((0, 1)))
            most.append(channels(values).max((0, 1)))
    if not least:
        raise InputError("no voxel is a finite number", where=image.name)
    low, high = np.min(least, axis=0), np.max(most, axis=0)
    narrow = float((high - low).min())
    places = 0 if whole or narrow <= 0 else int(np.clip(2 - np.floor(np.log10(narrow)), 0, 8))
    step = 10.0**-places
    return [(float(a), float(max(a + step, b))) for a, b in zip(low, high, strict=True)], places
