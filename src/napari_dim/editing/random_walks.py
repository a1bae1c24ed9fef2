"""From a few strokes to the mask of a slice: random walks, guided by intensities and a model.

A person strokes over some of a structure, and over some of what it is not. The values under
the strokes say how much each pixel looks like the structure; a model's probabilities, or the
mask that was there, say more. From each pixel around the strokes a random walk goes off that
crosses edges unwillingly and gives in to what the pixel looks like; the share of walks that
end in the structure decides (Grady, "Multilabel random walker image segmentation using prior
models", 2005). One small linear system has to be solved for it, by conjugate gradients on
arrays. Constants were chosen by ``benchmarks/scribbles.py``, see docs/decisions/0021.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy import ndimage

MOST = 128
"""Pixels along each side that are solved for; a larger region is thinned out."""
ROOM = 0.5
"""Room around the strokes, of their longer extent."""
LEAST_ROOM = 12
"""Pixels of room at least."""
GROWTHS = 2
"""Times that the region grows where the structure reaches its edge."""
REACHED = 0.1
"""Share of an edge that must be of the structure for that: a thread is a leak."""
BINS = 64
"""Bins of the histograms of what is under the strokes."""
SPREAD = 1.5
"""Bins that a histogram is smoothed over at least."""
EDGE = 0.25
"""How unwillingly a walk crosses a step of intensity, in units of the usual squared step."""
PULL = 0.04
"""How readily a walk gives in to what a pixel looks like, of the ease of a step."""
HOLD = 0.5
"""How much more readily it gives in to an older mask or a model, far from the strokes."""
NEAR = 2.0
"""How fast the strokes' say becomes less with the distance, in lengths of the strokes."""
STEPS = 150
"""Steps of the solver at most."""
GOOD = 1e-8
"""Share of the squared residual at which it is done."""
SURE = 6.0
"""Logarithm of the odds that what a pixel looks like counts for at most."""
TRUST = 3.0
"""Odds that the mask which is corrected is right in a pixel."""
MODEL = 9.0
"""Odds that a model is right in a pixel, at most."""

Box = tuple[slice, slice]
Solver = Callable[
    [np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, Sequence[float]], np.ndarray
]


def scribbled(
    image: np.ndarray,
    wanted: np.ndarray,
    unwanted: np.ndarray,
    *,
    before: np.ndarray | None = None,
    probability: np.ndarray | None = None,
    alike: np.ndarray | None = None,
    spacing: Sequence[float] = (1.0, 1.0),
    solver: Solver | None = None,
) -> np.ndarray:
    """The mask that strokes ask for.

    Parameters
    ----------
    image
        Values of the slice, ``(row, column)`` or ``(row, column, channel)``.
    wanted, unwanted
        Pixels under the strokes of the structure and of what it is not, ``(row, column)``
        bool; they share none.
    before
        The mask that the strokes correct; it stays as it is outside a region around them.
    probability
        How likely a model holds each pixel to be of the structure, in [0, 1].
    alike
        Pixels that show, like those under strokes of the structure, what it looks like, and
        are not said to be of it, ``(row, column)`` bool.
    spacing
        Size of a pixel along rows and columns.
    solver
        By default `walks`.

    Returns
    -------
    numpy.ndarray
        ``(row, column)`` bool.
    """
    made = np.zeros(wanted.shape, bool) if before is None else before.copy()
    strokes = wanted | unwanted
    if not strokes.any() or (before is None and not wanted.any()):
        return made
    box = around(wanted if before is None else strokes)
    for growths_left in reversed(range(GROWTHS + 1)):
        was, said, like = (None if a is None else a[box] for a in (before, probability, alike))
        found = _in_region(
            image[box], wanted[box], unwanted[box], was, said, like, spacing, solver or walks
        )
        wider = _wider(found, box, wanted.shape)
        if wider == box or not growths_left or before is not None:
            break
        box = wider
    made[box] = found
    return made


def walks(
    values: np.ndarray,
    wanted: np.ndarray,
    unwanted: np.ndarray,
    likely: np.ndarray,
    pull: np.ndarray,
    spacing: Sequence[float],
) -> np.ndarray:
    """The share of random walks from each pixel that end in the structure.

    Parameters
    ----------
    values
        ``(row, column, channel)`` in [0, 1].
    wanted, unwanted
        Where walks end, ``(row, column)`` bool.
    likely
        How much a pixel looks like the structure, ``(row, column)`` in (0, 1).
    pull
        How readily a walk ends there by that, ``(row, column)`` above 0.
    spacing
        Size of a pixel along rows and columns.

    Returns
    -------
    numpy.ndarray
        ``(row, column)`` in [0, 1].
    """
    # Half the numbers' length, half the time; a share is asked for to within a hundredth.
    values, likely, pull = (np.asarray(a, np.float32) for a in (values, likely, pull))
    down, right = (np.square(np.diff(values, axis=axis)).sum(-1) for axis in (0, 1))
    usual = max((float(down.mean()) + float(right.mean())) / 2, 1e-9)
    by_row, by_column = (float(min(spacing) / size) ** 2 for size in spacing)
    ease_down: np.ndarray = np.exp(-EDGE * down / usual) * by_row + 1e-4
    ease_right = np.exp(-EDGE * right / usual) * by_column + 1e-4
    total = pull.copy()
    total[:-1] += ease_down
    total[1:] += ease_down
    total[:, :-1] += ease_right
    total[:, 1:] += ease_right

    def times(x: np.ndarray) -> np.ndarray:
        y: np.ndarray = total * x
        y[:-1] -= ease_down * x[1:]
        y[1:] -= ease_down * x[:-1]
        y[:, :-1] -= ease_right * x[:, 1:]
        y[:, 1:] -= ease_right * x[:, :-1]
        return y

    free = ~(wanted | unwanted)
    share = np.where(wanted, 1.0, np.where(unwanted, 0.0, likely))
    left = np.where(free, pull * likely - times(share), 0.0)
    ahead = left / total
    size = begun = float((left * ahead).sum())
    for _ in range(STEPS):
        if size <= GOOD * begun or size <= 0:
            break
        moved = np.where(free, times(ahead), 0.0)
        far = size / float((ahead * moved).sum())
        share += far * ahead
        left -= far * moved
        scaled = left / total
        size, last = float((left * scaled).sum()), size
        ahead = scaled + size / last * ahead
    return np.asarray(np.clip(share, 0.0, 1.0))


def _in_region(
    image: np.ndarray,
    wanted: np.ndarray,
    unwanted: np.ndarray,
    before: np.ndarray | None,
    probability: np.ndarray | None,
    alike: np.ndarray | None,
    spacing: Sequence[float],
    solver: Solver,
) -> np.ndarray:
    """The mask in the region around the strokes, ``(row, column)`` bool."""
    step = -(-max(wanted.shape) // MOST)
    values = np.asarray(image, np.float32)
    values = values[..., None] if values.ndim == 2 else values
    low, high = np.percentile(values[::step, ::step], (1, 99), axis=(0, 1))
    values = np.clip((values - low) / np.maximum(high - low, 1e-9), 0, 1)
    of = _thinned(wanted, step, np.max)
    off = _thinned(unwanted, step, np.max) & ~of
    was = None if before is None else _thinned(before.astype(np.float32), step, np.mean) > 0.5
    said = None if probability is None else _thinned(probability, step, np.mean)
    like = None if alike is None else _thinned(alike, step, np.max)
    values = _thinned(values, step, np.mean)
    likely, pull = _likely(values, of, off, was, said, like)
    if was is not None:  # it goes on in the mask around
        edge = np.ones_like(of)
        edge[1:-1, 1:-1] = False
        of, off = of | (edge & was & ~off), off | (edge & ~was & ~of)
    share = solver(values, of, off, likely, pull, spacing)
    if step > 1:
        rows, columns = wanted.shape
        share = ndimage.zoom(share, step, order=1, mode="nearest", grid_mode=True)
        share = share[:rows, :columns]
    found = ((share > 0.5) | wanted) & ~unwanted
    if before is None:
        # What hangs together with no stroke of the structure is only alike.
        pieces, _ = ndimage.label(found)
        touched = np.unique(pieces[wanted])
        found = np.isin(pieces, touched[touched > 0])
        found = ndimage.binary_fill_holes(found) & ~unwanted
    return np.asarray(found)


def _likely(
    values: np.ndarray,
    wanted: np.ndarray,
    unwanted: np.ndarray,
    before: np.ndarray | None,
    probability: np.ndarray | None,
    alike: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray]:
    """How much each pixel looks like the structure, and how much that counts; as `walks` takes it.

    From histograms of what is under its strokes (and of what is said to be alike, which counts
    as much), and of what is under the others and further away; from how far away a pixel is.
    Where a model or an older mask says what is what, strokes correct it around themselves.
    """
    odds = np.zeros(values.shape[:2])
    held = before if probability is None else probability > 0.5
    strokes = wanted if held is None else wanted | unwanted
    boxes = ndimage.find_objects(ndimage.label(strokes)[0])
    extent = max(side.stop - side.start for box in boxes for side in box)
    away = ndimage.distance_transform_edt(~strokes) / extent
    if wanted.any():
        weights = np.clip(away, 0, 1) if held is None else np.where(held, 0.0, 1.0)
        if unwanted.any():
            weights[unwanted] += weights.sum() / np.count_nonzero(unwanted)
        shown = wanted.astype(float)
        if alike is not None and (rest := alike & ~strokes).any():
            shown[rest] = shown.sum() / np.count_nonzero(rest)
        for channel in np.moveaxis(values, -1, 0):
            bins = np.minimum((channel * BINS).astype(int), BINS - 1)
            under = channel[wanted]
            # As wide as so few pixels allow (Silverman's rule).
            wide = 1.06 * BINS * float(under.std()) * under.size**-0.2
            of = _density(bins.ravel(), shown.ravel(), max(SPREAD, wide))
            off = _density(bins.ravel(), weights.ravel(), SPREAD)
            odds += np.log((of + 0.01) / (off + 0.01))[bins] / values.shape[2] ** 0.5
    if held is None:
        odds -= away**3
        pull = np.full(odds.shape, PULL)
    else:
        near = np.exp(-NEAR * away)
        pull = PULL + HOLD * (1 - near)
        odds = np.clip(odds, -SURE, SURE) * near
        if probability is not None:
            share = np.clip(probability, 1 / (1 + MODEL), MODEL / (1 + MODEL))
        else:
            share = np.where(held, TRUST, 1) / (1 + TRUST)
        odds += np.log(share / (1 - share))
    likely: np.ndarray = 1 / (1 + np.exp(-np.clip(odds, -SURE, SURE)))
    return likely, pull


def _density(bins: np.ndarray, weights: np.ndarray, spread: float) -> np.ndarray:
    """A smooth histogram whose mean is 1, ``(BINS,)``."""
    counts = np.bincount(bins, weights, minlength=BINS).astype(float)
    smooth: np.ndarray = ndimage.gaussian_filter1d(counts, spread, mode="nearest")
    return smooth * BINS / max(float(smooth.sum()), 1e-9)


def _thinned(array: np.ndarray, step: int, how: Callable[..., np.ndarray]) -> np.ndarray:
    """Blocks of so many rows and columns as one; the last ones are filled up from the edge."""
    if step == 1:
        return array
    room = [(0, -length % step) for length in array.shape[:2]] + [(0, 0)] * (array.ndim - 2)
    whole = np.pad(array, room, mode="edge")
    rows, columns = whole.shape[0] // step, whole.shape[1] // step
    return how(whole.reshape(rows, step, columns, step, *array.shape[2:]), axis=(1, 3))


def around(there: np.ndarray) -> Box:
    """A box around strokes, ``(row, column)`` bool, with room: what they may change."""
    rows, columns = np.flatnonzero(there.any(1)), np.flatnonzero(there.any(0))
    ends = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    room = max(LEAST_ROOM, round(ROOM * max(ends[1] - ends[0], ends[3] - ends[2])))
    return _grown(ends, (room,) * 4, there.shape)


def _wider(found: np.ndarray, box: Box, shape: tuple[int, ...]) -> Box:
    """A larger box where the structure reaches the edge of this one inside the image."""
    ends = box[0].start, box[0].stop, box[1].start, box[1].stop
    room = max(LEAST_ROOM, (ends[1] - ends[0]) // 2, (ends[3] - ends[2]) // 2)
    reached = found[0], found[-1], found[:, 0], found[:, -1]
    return _grown(ends, [room * (edge.mean() > REACHED) for edge in reached], shape)


def _grown(ends: Sequence[int], room: Sequence[int], shape: tuple[int, ...]) -> Box:
    top, bottom, left, right = ends
    return (
        slice(max(0, top - room[0]), min(shape[0], bottom + room[1])),
        slice(max(0, left - room[2]), min(shape[1], right + room[3])),
    )
