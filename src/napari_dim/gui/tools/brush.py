"""The round brush of a mask's layer: which pixels it covers."""

from __future__ import annotations

import numpy as np
from napari.layers import Labels


def radius_of(layer: Labels) -> np.ndarray:
    """The radius of a layer's brush in pixels, along rows and columns."""
    scale = np.abs(np.asarray(layer.scale, float)[-2:])
    return np.asarray((np.floor(layer.brush_size / 2) + 0.5) * scale.min() / scale)


def swept(
    shape: tuple[int, ...], start: np.ndarray, end: np.ndarray, radius: np.ndarray
) -> np.ndarray:
    """Pixels that a round brush covers on a straight way, ``(row, column)`` bool.

    Parameters
    ----------
    shape
        Of the slice.
    start, end
        Its middle at first and at last, row and column.
    radius
        In pixels, along rows and columns: of those that are no squares it is an ellipse.
    """
    covered = np.zeros(shape[-2:], bool)
    low = np.maximum(np.floor(np.minimum(start, end) - radius), 0).astype(int)
    high = np.minimum(np.ceil(np.maximum(start, end) + radius) + 1, shape[-2:]).astype(int)
    if (high <= low).any():
        return covered
    rows, columns = np.ogrid[low[0] : high[0], low[1] : high[1]]
    down, right = (rows - start[0]) / radius[0], (columns - start[1]) / radius[1]
    way = (end - start) / radius
    far = np.clip((down * way[0] + right * way[1]) / max(float(way @ way), 1e-9), 0, 1)
    near = (down - far * way[0]) ** 2 + (right - far * way[1]) ** 2 <= 1
    covered[low[0] : high[0], low[1] : high[1]] = near
    return covered


def along(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Places from one to another, half a pixel apart."""
    steps = max(1, int(np.ceil(2 * np.abs(end - start).max())))
    return np.asarray(start + np.linspace(0, 1, steps + 1)[:, None] * (end - start))
