"""Classes of the slices between or beside labelled ones, from their shapes and from the image.

Slices whose every pixel is known are walls: nothing that is known on one side of one says
anything of the other. So a scan falls into slabs, each between two walls or beyond one, which
are solved one by one. What is known of a pixel there: how deep it lies in the shape between
the shapes of its walls, the less sure the further away they are; how bright it is, beside the
histograms of each class in the walls; perhaps what a model says. From each pixel random walks
go off that cross edges unwillingly and give in to that (Grady, "Multilabel random walker image
segmentation using prior models", 2005). Constants were chosen by ``benchmarks/seeds_3d.py``,
see docs/decisions/0024.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from napari_dim.editing.shapes_between import signed

MOST = 1_500_000
"""Voxels of a slab that are solved for; the rows and columns of a larger one are thinned out."""
ROOM = 0.25
"""Room around the structures of the walls, of their longer extent."""
LEAST_ROOM = 12
"""Pixels of room at least."""
BINS = 64
"""Bins of the histograms."""
LOOKS = 1.4
"""How much brightness counts."""
SPREAD = 1.5
"""Bins that a histogram is smoothed over."""
SCALES = (0.0, 1.0, 3.0)
"""Widths of the Gaussians through which brightness is looked at, in units of a pixel."""
NEAR = 0.4
"""How near the structures background is looked at, of the root of their area."""
SHAPE = 2.5
"""Logarithm of the odds between two walls for depth in the shape as large as the distance."""
BESIDE = 1.2
"""The same beside one wall alone."""
MOST_SHAPE = 8.0
"""Logarithm of the odds that the shape counts for at most."""
SURE = 6.0
"""Logarithm of the odds that all of it counts for at most."""
MODEL = 3.0
"""Logarithm of the odds that a model counts for at most."""
LEAST = 0.02
"""Share of the walks that a class has at least, where a model is heard once more."""
EDGE = 0.7
"""How unwillingly a walk crosses a step of intensity, in units of the usual squared step."""
PULL = 0.2
"""How readily a walk gives in to what a voxel looks like, of the ease of a step."""
STEPS = 100
"""Steps of the solver at most."""
GOOD = 1e-6
"""Share of the squared residual at which it is done."""

Box = tuple[slice, slice]
Plane = Callable[[int], np.ndarray]
Model = Callable[[int, Sequence[int]], np.ndarray | None]
Report = Callable[[float], None]


@dataclass(frozen=True)
class Grown:
    """What was found of a slice.

    Attributes
    ----------
    ids
        Class ids, ``(row, column)``.
    certain
        Share of the walks from each pixel that end in the class that was chosen, in 255ths,
        ``(row, column)`` uint8.
    sure
        Its mean over the structures and a rim of background as large, in [0, 1]; 1 where
        nothing is.
    classes
        What the walls show.
    """

    ids: np.ndarray
    certain: np.ndarray
    sure: float
    classes: tuple[int, ...]


def grown(
    image: Plane,
    walls: Mapping[int, np.ndarray],
    numbers: Sequence[int],
    spacing: Sequence[float],
    *,
    model: Model | None = None,
    trust: float = 1.0,
    again: float = 0.0,
    report: Report | None = None,
) -> dict[int, Grown]:
    """Classes of the slices of one slab.

    Parameters
    ----------
    image
        Gives the values of a slice, ``(row, column)`` or ``(row, column, channel)``.
    walls
        One or two slice numbers -> class ids, ``(row, column)``.
    numbers
        Slices next to each other, between the two walls or beyond the one.
    spacing
        Size of a voxel along slices, rows and columns.
    model
        Gives how likely a model holds background and each of some classes to be in each pixel
        of a slice, ``(1 + class, row, column)`` in [0, 1]; None where it has not said.
    trust
        How much of what a model says counts as evidence on the way, in [0, 1].
    again
        How much of it counts once more at the end, in [0, 1]: walks smooth over what one that is
        right sees in a single slice.
    report
        Hears the share done in [0, 1]; what it raises ends the work.

    Returns
    -------
    dict
        Slice number -> what was found there.
    """
    some = next(iter(walls.values()))
    classes = [int(i) for i in np.unique(np.stack(list(walls.values()))) if i]
    if not classes or not numbers:
        nothing = np.zeros_like(some)
        return {n: Grown(nothing, np.full(some.shape, 255, np.uint8), 1.0, ()) for n in numbers}
    every = sorted([*walls, *numbers])
    box = _box(np.any([ids != 0 for ids in walls.values()], axis=0))
    rows, columns = (side.stop - side.start for side in box)
    step = max(1, int(np.ceil(np.sqrt(len(every) * rows * columns / MOST))))
    size = (float(spacing[0]), float(spacing[1]) * step, float(spacing[2]) * step)
    known = {every.index(n): _chosen(walls[n][box], step) for n in sorted(walls)}
    values = _scaled(np.stack([_mean(_channels(image(n))[box], step) for n in every]))
    likely = _looks(values, known, classes, size)
    likely[1:] += _shape(known, len(every), classes, size)
    says = np.zeros_like(likely)
    for at, number in enumerate(every):
        said = None if model is None or at in known else model(number, classes)
        if said is not None:
            shares = np.moveaxis(_mean(np.moveaxis(said, 0, -1)[box], step), -1, 0)
            says[:, at] = np.log(np.clip(shares, np.exp(-MODEL), 1))
    likely += trust * says
    likely -= likely.max(0)
    likely = np.exp(np.maximum(likely, -SURE))
    likely /= likely.sum(0)
    ended = _walks(values, likely, known, classes, size, report)
    if again > 0:
        ended = np.maximum(ended, LEAST) * np.exp(again * says)
        ended /= ended.sum(0)
    return {
        number: _placed(ended[:, at], classes, some, box, step)
        for at, number in enumerate(every)
        if number not in walls
    }


def said_shares(ids: np.ndarray, sure: np.ndarray, classes: Sequence[int]) -> np.ndarray:
    """How likely a model holds each class in a slice, which tells how sure it is of its choice.

    Parameters
    ----------
    ids
        What it chose, ``(row, column)``.
    sure
        Of that, in 255ths, on any rows and columns.
    classes
        Class ids; what is left is shared out among those that it did not choose.

    Returns
    -------
    numpy.ndarray
        Of background and each class, ``(1 + class, row, column)``, in [0, 1].
    """
    from skimage.transform import resize

    share = resize(sure.astype(np.float32) / 255, ids.shape, order=1)
    every = (0, *classes)
    others = (1 - share) / max(len(classes), 1)
    return np.stack([np.where(ids == one, share, others) for one in every])


def _looks(
    values: np.ndarray,
    known: Mapping[int, np.ndarray],
    classes: Sequence[int],
    size: Sequence[float],
) -> np.ndarray:
    """Logarithm of how much each voxel looks like background and each class, by brightness.

    From histograms of each in the walls; of background the more, the nearer it is to them.

    Returns
    -------
    numpy.ndarray
        ``(1 + class, slice, row, column)``.
    """
    ids, places = np.stack(list(known.values())), list(known)
    weights = np.stack([_nearness(plane != 0, size[1:]) for plane in ids])
    looks = np.zeros((1 + len(classes), *values.shape[:3]), np.float32)
    count = values.shape[3] * len(SCALES)
    for channel in np.moveaxis(values, -1, 0):
        for scale in SCALES:
            wide = [0.0, *(scale * min(size[1:]) / side for side in size[1:])]
            seen = ndimage.gaussian_filter(channel, wide) if scale else channel
            bins = np.minimum((seen * BINS).astype(np.intp), BINS - 1)
            for look, class_id in zip(looks, (0, *classes), strict=True):
                of = ids == class_id
                if of.any():
                    found = np.bincount(
                        bins[places][of], None if class_id else weights[of], minlength=BINS
                    )
                    smooth = ndimage.gaussian_filter1d(found.astype(float), SPREAD, mode="nearest")
                    density = smooth * BINS / max(float(smooth.sum()), 1e-9)
                    look += (LOOKS * np.log(density + 0.01) / count**0.5)[bins]
    return looks


def _nearness(there: np.ndarray, size: Sequence[float]) -> np.ndarray:
    """How much background counts, by its distance from the structures, ``(row, column)``."""
    if not there.any():
        return np.ones(there.shape)
    near = NEAR * np.sqrt(np.count_nonzero(there) * size[0] * size[1])
    away = ndimage.distance_transform_edt(~there, sampling=size)
    return np.asarray(np.exp(-away / near))


def _shape(
    known: Mapping[int, np.ndarray],
    count: int,
    classes: Sequence[int],
    size: Sequence[float],
) -> np.ndarray:
    """Logarithm of the odds of each class by the shapes of the walls.

    Of all classes as one body first: where one gives way to another between the walls, there is
    no gap between them.

    Returns
    -------
    numpy.ndarray
        ``(class, slice, row, column)``.
    """
    places, ids = list(known), list(known.values())
    much = SHAPE if len(places) == 2 else BESIDE
    body = signed(*(plane != 0 for plane in ids), spacing=size[1:])
    ends = [signed(*(plane == one for plane in ids), spacing=size[1:]) for one in classes]
    odds = np.zeros((len(classes), count, *ids[0].shape), np.float32)
    for at in range(count):
        away = [abs(at - place) * size[0] for place in places]
        scale = much / max(min(away), size[0] / 2)
        share = np.array([1.0]) if len(away) == 1 else np.array(away[::-1]) / sum(away)
        there = np.clip(scale * np.tensordot(share, body, 1), -MOST_SHAPE, MOST_SHAPE)
        each = np.stack([scale * np.tensordot(share, end, 1) for end in ends])
        each -= each.max(0)
        odds[:, at] = there + each - np.log(np.exp(each).sum(0))
    return odds


def _walks(
    values: np.ndarray,
    likely: np.ndarray,
    known: Mapping[int, np.ndarray],
    classes: Sequence[int],
    size: Sequence[float],
    report: Report | None,
) -> np.ndarray:
    """The share of walks from each voxel that end in background and in each class.

    Returns
    -------
    numpy.ndarray
        ``(1 + class, slice, row, column)``, summing up to 1.
    """
    ease = _ease(values, size)
    total = np.full(values.shape[:3], PULL, np.float32)
    for axis, easy in enumerate(ease):
        total[_but(axis, last=True)] += easy
        total[_but(axis, last=False)] += easy

    def times(x: np.ndarray) -> np.ndarray:
        y: np.ndarray = total * x
        for axis, easy in enumerate(ease):
            y[_but(axis, last=True)] -= easy * x[_but(axis, last=False)]
            y[_but(axis, last=False)] -= easy * x[_but(axis, last=True)]
        return y

    shares = likely.copy()
    for done, class_id in enumerate(classes):
        share = shares[1 + done]
        for place, ids in known.items():
            share[place] = ids == class_id
        left = PULL * likely[1 + done] - times(share)
        left[list(known)] = 0
        scaled = left / total
        ahead, now = scaled, float(np.vdot(left, scaled))
        begun = now
        for step in range(STEPS):
            if now <= GOOD * begun or now <= 0:
                break
            if report is not None:
                report((done + step / STEPS) / len(classes))
            moved = times(ahead)
            moved[list(known)] = 0
            far = now / float(np.vdot(ahead, moved))
            share += far * ahead
            left -= far * moved
            scaled = left / total
            now, last = float(np.vdot(left, scaled)), now
            ahead = scaled + now / last * ahead
        if report is not None:
            report((done + 1) / len(classes))
    shares[0] = 1 - shares[1:].sum(0)
    return shares


def _ease(values: np.ndarray, size: Sequence[float]) -> list[np.ndarray]:
    """How easily a walk goes to the next slice, row and column: less across an edge, or far."""
    squares = [np.square(np.diff(values, axis=axis)).sum(-1) for axis in range(3)]
    usual = max(float(np.mean([one.mean() for one in squares if one.size])), 1e-9)
    return [
        np.asarray(np.exp(-EDGE * one / usual) * min(size) / side + 1e-4, np.float32)
        for one, side in zip(squares, size, strict=True)
    ]


def _but(axis: int, *, last: bool) -> tuple[slice, ...]:
    """All voxels but those of the last or first slice, row or column."""
    return (slice(None),) * axis + (slice(None, -1) if last else slice(1, None),)


def _placed(
    shares: np.ndarray, classes: Sequence[int], like: np.ndarray, box: Box, step: int
) -> Grown:
    """What walks of one slice say, on its own pixels."""
    fine = np.empty((len(shares), *like[box].shape), np.float32)
    for one, share in zip(fine, shares, strict=True):
        if step > 1:
            share = ndimage.zoom(share, step, order=1, mode="nearest", grid_mode=True)
        one[:] = share[: one.shape[0], : one.shape[1]]
    ids = np.zeros_like(like)
    ids[box] = np.array((0, *classes), like.dtype)[fine.argmax(0)]
    share = fine.max(0)
    certain = np.full(like.shape, 255, np.uint8)
    certain[box] = np.rint(255 * np.clip(share, 0, 1))
    there = ids[box] != 0
    if not there.any():
        return Grown(ids, certain, 1.0, tuple(classes))
    around = ndimage.distance_transform_edt(~there)
    width = np.sort(around[~there])[: np.count_nonzero(there)].max(initial=0)
    return Grown(ids, certain, float(share[around <= width].mean()), tuple(classes))


def _chosen(ids: np.ndarray, step: int) -> np.ndarray:
    """Class ids of the pixels in the middle of blocks."""
    rows, columns = (-(-length // step) for length in ids.shape)
    down, right = (
        np.minimum(np.arange(count) * step + step // 2, length - 1)
        for count, length in zip((rows, columns), ids.shape, strict=True)
    )
    return ids[np.ix_(down, right)]


def _mean(plane: np.ndarray, step: int) -> np.ndarray:
    """Means of blocks of ``(row, column, channel)``; the last ones are filled up from the edge."""
    plane = np.asarray(plane, np.float32)
    if step == 1:
        return plane
    room = [(0, -length % step) for length in plane.shape[:2]]
    whole = np.pad(plane, [*room, (0, 0)], mode="edge")
    rows, columns = whole.shape[0] // step, whole.shape[1] // step
    return np.asarray(whole.reshape(rows, step, columns, step, -1).mean((1, 3)))


def _channels(plane: np.ndarray) -> np.ndarray:
    return plane[..., None] if plane.ndim == 2 else plane


def _scaled(values: np.ndarray) -> np.ndarray:
    """Values of ``(slice, row, column, channel)`` in [0, 1], but for outliers."""
    low, high = np.percentile(values, (1, 99), axis=(0, 1, 2))
    return np.asarray(np.clip((values - low) / np.maximum(high - low, 1e-9), 0, 1), np.float32)


def _box(there: np.ndarray) -> Box:
    """A box around structures, with room."""
    sides = []
    found = [np.flatnonzero(there.any(axis)) for axis in (1, 0)]
    room = max(LEAST_ROOM, round(ROOM * max(int(np.ptp(one)) + 1 for one in found)))
    for one, length in zip(found, there.shape, strict=True):
        sides.append(slice(max(0, int(one[0]) - room), min(length, int(one[-1]) + 1 + room)))
    return sides[0], sides[1]
