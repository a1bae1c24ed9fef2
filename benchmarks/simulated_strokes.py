"""The strokes of a simulated person: along the middle of what is missing or too much."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import breadth_first_order
from skimage.morphology import skeletonize


def stroke(part: np.ndarray) -> np.ndarray:
    """A stroke along the middle of a piece, two thirds of its length, (row, column) bool."""
    path, width = stroke_path(part)
    made = np.zeros(part.shape, bool)
    made[path[:, 0], path[:, 1]] = True
    return (ndimage.binary_dilation(made, iterations=width) if width else made) & part


def stroke_path(part: np.ndarray) -> tuple[np.ndarray, int]:
    """Its pixels in order, (n, 2), and how far it reaches to each side."""
    depth = ndimage.distance_transform_edt(np.pad(part, 1))[1:-1, 1:-1]
    deepest = depth.max()
    path = longest_path(skeletonize(depth >= 0.4 * deepest))
    if len(path) < deepest:  # compact: a line along its longer axis, as people draw it
        points = np.argwhere(part)
        middle = np.array(np.unravel_index(depth.argmax(), depth.shape), float)
        axis = np.linalg.svd(points - points.mean(0), full_matrices=False)[2][0]
        reach = np.linspace(-0.6 * deepest, 0.6 * deepest, int(2 * deepest) + 3)
        path = np.round(middle + reach[:, None] * axis).astype(int)
    cut = len(path) // 6
    path = path[cut : len(path) - cut] if len(path) > 6 else path
    path = np.clip(path, 0, np.array(part.shape) - 1)
    return path, int(np.clip(0.25 * deepest, 0, 2))


def longest_path(line: np.ndarray) -> np.ndarray:
    """Pixels of the longest way through a skeleton, in order, (n, 2)."""
    points = np.argwhere(line)
    if len(points) < 2:
        return points
    number = -np.ones(line.shape, int)
    number[tuple(points.T)] = np.arange(len(points))
    rows, columns = [], []
    for offset in np.array(((0, 1), (1, 0), (1, 1), (1, -1))):
        to = points + offset
        inside = ((to >= 0) & (to < line.shape)).all(1)
        other = number[tuple(to[inside].T)]
        rows += np.flatnonzero(inside)[other >= 0].tolist()
        columns += other[other >= 0].tolist()
    graph = csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(points),) * 2)
    end = breadth_first_order(graph, 0, directed=False)[0][-1]
    order, before = breadth_first_order(graph, end, directed=False)
    at, path = order[-1], []
    while at >= 0:
        path.append(at)
        at = before[at] if at != end else -1
    return points[path]


def next_stroke(mask: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, bool]:
    """A stroke along the largest mistake, and whether it is of the structure."""
    part, wanted = largest_mistake(mask, truth)
    return (np.zeros_like(mask), True) if part is None else (stroke(part), wanted)


def largest_mistake(mask: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray | None, bool]:
    """The largest piece that is missing or too much, and whether it is missing."""
    best, part, wanted = 0, None, True
    for wrong, kind in ((truth & ~mask, True), (mask & ~truth, False)):
        pieces, count = ndimage.label(wrong)
        sizes = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
        if count and sizes.max() > best:
            best, part, wanted = sizes.max(), pieces == sizes.argmax() + 1, kind
    return part, wanted
