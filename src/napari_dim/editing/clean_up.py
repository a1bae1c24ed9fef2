"""Clean up class ids: islands, the largest piece, holes, borders, margins in mm, class by class.

Each tool takes class ids of one slice or of a stack, changes the classes that it is asked to,
and leaves all others as they are: where a class grows, it grows into background alone, and
where one shrinks, background is left. Distances are in mm (or pixels, for pictures) along
each axis by its own spacing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from scipy import ndimage

Spacing = Sequence[float]


def without_islands(
    ids: np.ndarray, classes: Iterable[int], spacing: Spacing, width: float
) -> np.ndarray:
    """Drop the pieces of each class that are smaller than a ball, or in a slice a disc.

    Parameters
    ----------
    ids
        Class ids, ``(row, column)`` or ``(slice, row, column)``.
    classes
        The ids to clean.
    spacing
        Size of a voxel along each axis.
    width
        Diameter of the ball or disc.

    Returns
    -------
    numpy.ndarray
        New ids; neighbours by a corner are one piece.
    """
    radius = width / 2
    ball = np.pi * radius**2 if ids.ndim == 2 else 4 / 3 * np.pi * radius**3
    least = ball / float(np.prod(spacing))
    return _piece_by_piece(ids, classes, lambda sizes: sizes >= least)


def largest_piece(ids: np.ndarray, classes: Iterable[int]) -> np.ndarray:
    """Keep the largest connected piece of each class; parameters as in `without_islands`."""
    return _piece_by_piece(ids, classes, lambda sizes: np.arange(len(sizes)) == sizes.argmax())


def without_holes(ids: np.ndarray, classes: Iterable[int]) -> np.ndarray:
    """Fill the background that a class encloses, slice by slice.

    Parameters and result as in `without_islands`; what another class shows in a hole stays.
    """
    made = ids.copy()
    for plane in made if made.ndim == 3 else made[None]:
        for class_id in classes:
            box = _box(plane == class_id, (0, 0))
            if box is not None:
                inside = plane[box]
                there = inside == class_id
                inside[ndimage.binary_fill_holes(there) & (inside == 0)] = class_id
    return made


def smoothed(ids: np.ndarray, classes: Iterable[int], spacing: Spacing, width: float) -> np.ndarray:
    """Smooth the borders of classes against background, and against each other.

    Each voxel of the classes and of background becomes what most of its surroundings are, a
    Gaussian weighing them; details narrower than `width` go.

    Parameters and result as in `without_islands`; `width` is the Gaussian's full width at half
    maximum.
    """
    sigma = [width / 2.355 / size for size in spacing]
    wanted = [int(i) for i in classes]
    box = _box(np.isin(ids, wanted), [int(np.ceil(3 * s)) + 1 for s in sigma])
    made = ids.copy()
    if box is None or width <= 0:
        return made
    inside = ids[box]
    free = np.isin(inside, [0, *wanted])
    best = _blurred(inside == 0, sigma)
    found = np.zeros_like(inside)
    for class_id in wanted:
        share = _blurred(inside == class_id, sigma)
        more = share > best
        found[more] = class_id
        best[more] = share[more]
    made[box] = np.where(free, found, inside)
    return made


def with_margin(
    ids: np.ndarray, classes: Iterable[int], spacing: Spacing, margin: float
) -> np.ndarray:
    """Grow classes by a margin into background, or shrink them by a negative one.

    Where two would grow into one place, the nearer one does. Classes do not shrink from the
    edge of the image, nor from each other's borders if both shrink.

    Parameters and result as in `without_islands`.
    """
    wanted = [int(i) for i in classes]
    reach = [int(np.ceil(abs(margin) / size)) + 1 for size in spacing]
    box = _box(np.isin(ids, wanted), reach)
    made = ids.copy()
    if box is None or margin == 0:
        return made
    inside = ids[box]
    # A tenth of a thousandth of a voxel: distances are sums of squares that don't come out even.
    near = abs(margin) + 1e-4 * min(spacing)
    if margin < 0:
        body = np.isin(inside, wanted)
        if body.all():
            return made  # there is no border to shrink from
        depth = ndimage.distance_transform_edt(body, sampling=spacing)
        made[box] = np.where(body & (depth <= near), 0, inside)
        return made
    best = np.full(inside.shape, np.inf)
    grown = inside.copy()
    for class_id in wanted:
        there = inside == class_id
        if not there.any():
            continue
        away = ndimage.distance_transform_edt(~there, sampling=spacing)
        nearer = (inside == 0) & (away <= near) & (away < best)
        grown[nearer] = class_id
        best[nearer] = away[nearer]
    made[box] = grown
    return made


def without_near(
    ids: np.ndarray, classes: Iterable[int], other: int, spacing: Spacing, distance: float
) -> np.ndarray:
    """Take away what of the classes another one encloses, or lies nearer to it than a distance.

    Classes share no voxel, so one minus another is what is left beside it.

    Parameters and result as in `without_islands`; holes of the other class are looked for slice
    by slice, and `distance` is from its border.
    """
    made = ids.copy()
    box = _box(np.isin(ids, list(classes)), (0,) * ids.ndim)
    if box is not None:
        there = np.isin(ids[box], list(classes))
        made[box][there & _near(ids, other, spacing, distance)[box]] = 0
    return made


def only_near(
    ids: np.ndarray, classes: Iterable[int], other: int, spacing: Spacing, distance: float
) -> np.ndarray:
    """Keep of the classes only what `without_near` takes away: what they and another one share.

    Parameters and result as there.
    """
    made = ids.copy()
    box = _box(np.isin(ids, list(classes)), (0,) * ids.ndim)
    if box is not None:
        there = np.isin(ids[box], list(classes))
        made[box][there & ~_near(ids, other, spacing, distance)[box]] = 0
    return made


def turned_into(ids: np.ndarray, classes: Iterable[int], other: int) -> np.ndarray:
    """Give the classes the id of another one; result as in `without_islands`."""
    return np.asarray(np.where(np.isin(ids, list(classes)), other, ids), ids.dtype)


def _near(ids: np.ndarray, other: int, spacing: Spacing, distance: float) -> np.ndarray:
    """Where a class is, what it encloses in a slice, and what lies nearer than a distance."""
    there = ids == other
    near: np.ndarray = np.zeros(ids.shape, bool)
    reach = [int(np.ceil(distance / size)) + 1 for size in spacing]
    box = _box(there, reach)
    if box is None:
        return near
    inside = there[box]
    flat = inside[None] if inside.ndim == 2 else inside
    whole = np.stack([ndimage.binary_fill_holes(plane) for plane in flat]).reshape(inside.shape)
    if distance > 0:
        away = ndimage.distance_transform_edt(~whole, sampling=spacing)
        whole = away <= distance + 1e-4 * min(spacing)  # as in `with_margin`
    near[box] = whole
    return near


def _piece_by_piece(
    ids: np.ndarray, classes: Iterable[int], kept: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Keep the pieces of each class that a rule names, from their sizes in voxels."""
    made = ids.copy()
    joined = np.ones((3,) * ids.ndim, bool)
    for class_id in classes:
        there = ids == class_id
        box = _box(there, (0,) * ids.ndim)
        if box is None:
            continue
        pieces, count = ndimage.label(there[box], joined)
        sizes = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
        stays = np.concatenate(([True], kept(sizes)))
        made[box][~stays[pieces]] = 0
    return made


def _blurred(there: np.ndarray, sigma: Sequence[float]) -> np.ndarray:
    found: np.ndarray = ndimage.gaussian_filter(
        there.astype(np.float32), sigma, mode="nearest", truncate=3
    )
    return found


def _box(there: np.ndarray, room: Sequence[int]) -> tuple[slice, ...] | None:
    """The box around what is true, with some room; None where nothing is."""
    box = []
    for axis, more in enumerate(room):
        others = tuple(other for other in range(there.ndim) if other != axis)
        found = np.flatnonzero(there.any(axis=others))
        if not found.size:
            return None
        box.append(slice(max(0, int(found[0]) - more), int(found[-1]) + 1 + more))
    return tuple(box)
