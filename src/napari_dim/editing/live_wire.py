"""Outlines that follow edges: the cheapest way from one point to the next, and what it encloses.

Going along a strong edge is cheap, leaving it is dear (Mortensen and Barrett, "Intelligent
scissors for image composition", 1995; here with scikit-image's cheapest paths). Constants were
chosen by ``benchmarks/outlines.py``, see docs/decisions/0026.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from napari_dim.editing.intensity_ranges import channels

SMOOTH = 1.0
"""Pixels that the image is smoothed by before its edges are looked for."""
STRONG = 85
"""Percentile of the steps of intensity from which an edge is as strong as any."""
STRONGEST = 99.5
"""Percentile of the steps that the strongest edges have."""
SHARE = 0.3
"""What a strong edge has of it at least: where structures are small, most steps are noise."""
FLOOR = 0.2
"""What a step along the strongest edge costs, of one where there is none."""
ROOM = 0.5
"""Room around two points that the way between them may take, of their distance."""
LEAST_ROOM = 16
"""Pixels of room at least."""
MOST = 128
"""Pixels along each side that all ways are looked at; in a larger region a coarse way leads."""
BAND = 2
"""Coarse pixels to each side of the coarse way that the fine one may take."""


def edge_costs(image: np.ndarray, spacing: Sequence[float] = (1.0, 1.0)) -> np.ndarray:
    """What a step through each pixel costs.

    Parameters
    ----------
    image
        Values of a slice, ``(row, column)`` or ``(row, column, channel)``.
    spacing
        Size of a pixel along rows and columns.

    Returns
    -------
    numpy.ndarray
        ``(row, column)`` float64 in [`FLOOR`, 1]: small along edges.
    """
    values = channels(image)
    squared = np.zeros(values.shape[:2], np.float32)
    shortest = min(spacing)
    for channel in np.moveaxis(values, -1, 0):
        for axis, size in enumerate(spacing):
            order = [int(axis == 0), int(axis == 1)]
            step = ndimage.gaussian_filter(channel, SMOOTH, order=order, mode="nearest")
            squared += (step * (shortest / size)) ** 2
    steps = np.sqrt(squared)
    usual, most = np.percentile(steps[::2, ::2], (STRONG, STRONGEST))
    strong = max(float(usual), SHARE * float(most))
    strength = (steps / max(strong, 1e-9)).clip(0, 1)
    return np.asarray(FLOOR / (FLOOR + strength * (1 - FLOOR)), float)


def way(
    costs: np.ndarray, start: ArrayLike, end: ArrayLike, spacing: Sequence[float] = (1.0, 1.0)
) -> np.ndarray:
    """The cheapest way from one pixel to another.

    Parameters
    ----------
    costs
        By `edge_costs`.
    start, end
        Row and column.
    spacing
        Size of a pixel along rows and columns.

    Returns
    -------
    numpy.ndarray
        Its pixels with both ends, ``(pixel, 2)`` int.
    """
    ends = np.array([start, end], int)
    far = int(np.abs(ends[1] - ends[0]).max())
    room = max(LEAST_ROOM, round(ROOM * far))
    low = np.maximum(ends.min(0) - room, 0)
    high = np.minimum(ends.max(0) + room + 1, costs.shape)
    window, inside = costs[low[0] : high[0], low[1] : high[1]], ends - low
    thick = -(-max(window.shape) // MOST)
    if thick > 1:
        window = np.where(_led(window, inside, thick, spacing), window, -1)
    return np.asarray(low + _cheapest(window, inside, spacing))


def straight(start: ArrayLike, end: ArrayLike) -> np.ndarray:
    """The straight way from one pixel to another, ``(pixel, 2)`` int with both ends."""
    from skimage.draw import line

    first, last = (np.array(place, int) for place in (start, end))
    return np.stack(line(*first, *last), axis=1)


def enclosed(shape: tuple[int, ...], outline: np.ndarray) -> np.ndarray:
    """What an outline encloses, with the pixels that it goes through, ``(row, column)`` bool.

    Parameters
    ----------
    shape
        Of the slice.
    outline
        Its pixels in order, ``(pixel, 2)``; the last one goes straight on to the first.
    """
    low, high = outline.min(0), outline.max(0) + 1
    line = np.zeros(high - low, bool)
    line[tuple((outline - low).T)] = True
    line[tuple((straight(outline[-1], outline[0]) - low).T)] = True
    inside = np.zeros(shape, bool)
    inside[low[0] : high[0], low[1] : high[1]] = ndimage.binary_fill_holes(line)
    return inside


def _led(costs: np.ndarray, ends: np.ndarray, thick: int, spacing: Sequence[float]) -> np.ndarray:
    """Pixels near the cheapest way on a coarser grid, ``(row, column)`` bool."""
    rows, columns = costs.shape
    whole = np.pad(costs, [(0, -rows % thick), (0, -columns % thick)], mode="edge")
    coarse = whole.reshape(whole.shape[0] // thick, thick, -1, thick).min(axis=(1, 3))
    near = np.zeros(coarse.shape, bool)
    near[tuple(_cheapest(coarse, ends // thick, spacing).T)] = True
    near = ndimage.binary_dilation(near, np.ones((3, 3), bool), iterations=BAND)
    return np.repeat(np.repeat(near, thick, 0), thick, 1)[:rows, :columns]


def _cheapest(costs: np.ndarray, ends: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    from skimage.graph import MCP_Geometric

    first, last = (tuple(int(n) for n in place) for place in ends)
    graph = MCP_Geometric(costs, sampling=tuple(spacing))
    graph.find_costs([first], [last])
    return np.array(graph.traceback(last), int)
