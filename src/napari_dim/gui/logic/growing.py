"""What grows out of labelled slices and strokes: worked out in the background, landed as one act.

What is found is a proposal, like all that is filled in: it counts once somebody confirms it.
Slices that a person stands behind are never changed, except that a slice of strokes becomes
whole; its strokes are remembered, so that growing once more begins from them again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from napari_dim.editing.grown_seeds import (
    Carried,
    Stop,
    between_walls,
    carried,
    made_whole,
    reach_beyond,
)
from napari_dim.editing.kept_classes import kept
from napari_dim.editing.slab_walks import Model, Plane, Report, said_shares
from napari_dim.errors import InputError
from napari_dim.gui.state.answer import Answer
from napari_dim.gui.state.scan_mask import ScanMask
from napari_dim.states import LABELLED, OPEN, WHOLE, SliceState
from napari_dim.words import count as counted

MOST = 10
"""Slices that a mask is carried on into, in each direction, at most."""


@dataclass(frozen=True)
class Ground:
    """What grows, at one moment: a copy of what a person stands behind.

    Attributes
    ----------
    whole
        Slice number -> class ids, ``(row, column)``, of slices whose every pixel counts.
    strokes
        The same of slices of strokes, 0 for background and -1 where nothing is said.
    states
        One `SliceState` a slice.
    spacing
        Size of a voxel along slices, rows and columns.
    image
        Gives the values of a slice.
    model
        What a model holds, as `editing.slab_walks.grown` takes it.
    """

    whole: Mapping[int, np.ndarray]
    strokes: Mapping[int, np.ndarray]
    states: np.ndarray
    spacing: tuple[float, float, float]
    image: Plane
    model: Model | None = None


@dataclass(frozen=True)
class Harvest:
    """What was found.

    Attributes
    ----------
    title
        What the act is called.
    text
        What was done, for people.
    planes
        Slice number -> class ids, ``(row, column)``.
    strokes
        The strokes that slices among them grew from, as in `Ground`.
    """

    title: str
    text: str
    planes: Mapping[int, np.ndarray]
    strokes: Mapping[int, np.ndarray] = field(default_factory=dict)


Way = Callable[[Ground, Report], Harvest]
"""A way to grow: what is found, or an `InputError` that says why nothing is."""


class Sown:
    """Strokes that slices grew from, as long as a slice still shows what grew."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def keep(self, harvest: Harvest) -> None:
        """Remember the strokes of what was landed."""
        for number, strokes in harvest.strokes.items():
            self._known[number] = strokes, harvest.planes[number]

    def of(self, mask: ScanMask) -> dict[int, np.ndarray]:
        """The strokes that slices which nobody has touched since grew from."""
        states = mask.states
        return {
            number: strokes
            for number, (strokes, grew) in self._known.items()
            if number < len(states)
            and states[number] == SliceState.FILLED
            and np.array_equal(mask.planes[number], grew)
        }


def ground(
    mask: ScanMask,
    image: Plane,
    spacing: tuple[float, float, float],
    sown: Mapping[int, np.ndarray] | None = None,
) -> Ground:
    """What a mask has to grow from.

    Parameters
    ----------
    mask, image, spacing
        The mask, what gives a slice's values, and the size of a voxel.
    sown
        Strokes that slices grew from before.
    """
    mask.look()
    states, brush = mask.states, mask.brush
    whole = {int(n): mask.planes[n].copy() for n in np.flatnonzero(np.isin(states, WHOLE))}
    strokes = dict(sown or {})
    for number in np.flatnonzero(np.isin(states, OPEN)).tolist():
        strokes[number] = _strokes(mask.planes[number], brush)
    if brush is not None:
        for plane in whole.values():
            plane[plane == brush] = 0
    return Ground(whole, strokes, states, spacing, image, _model(mask.answer))


def require_gap(now: Ground) -> None:
    """Refuse to fill where there is nothing between two whole slices."""
    if len(now.whole) < 2:
        raise InputError("there are no two labelled slices", hint="Label two slices that lie apart")
    if not np.isin(now.states[min(now.whole) : max(now.whole)], LABELLED, invert=True).any():
        raise InputError("there is no slice without labels between labelled ones")


def require_seeds(now: Ground) -> None:
    """Refuse to grow where nothing is labelled."""
    if not any((ids > 0).any() for ids in (*now.whole.values(), *now.strokes.values())):
        raise InputError(
            "there is nothing to grow from",
            hint="Label a few slices, or stroke over every class and the background in them",
        )


def require_mask(now: Ground, here: int) -> None:
    """Refuse to carry on a slice that nobody stands behind as a whole."""
    ids = now.whole.get(here)
    if ids is None or not ids.any():
        why = "is not labelled as a whole" if ids is None else "shows nothing"
        raise InputError(
            f"slice {here} {why}", hint="Draw its mask, or confirm the one it has, first"
        )


def fill(now: Ground, report: Report) -> Harvest:
    """Fill the slices between whole ones that nobody stands behind."""
    found = between_walls(now.image, now.whole, now.spacing, model=now.model, report=report)
    planes = _free(now, found)
    what = counted(len(planes), "slice")
    return Harvest(f"fill {what}", f"Filled {what}; look at each and confirm it", planes)


def grow(now: Ground, report: Report) -> Harvest:
    """Fill all slices between and around whole slices and slices of strokes."""
    sown = {n: ids for n, ids in now.strokes.items() if (ids > 0).any()}
    grew = {
        n: made_whole(now.image(n), ids, now.spacing[1:]).astype(_type(now, ids))
        for n, ids in sown.items()
    }
    walls = {**now.whole, **grew}
    report(0.1)
    found = dict(
        between_walls(
            now.image, walls, now.spacing, model=now.model, report=lambda s: report(0.1 + 0.6 * s)
        )
    )
    reach, count = reach_beyond(walls, len(now.states)), len(now.states)
    ways = []
    for begun, wall, numbers in (
        (0.7, min(walls), range(min(walls) - 1, max(min(walls) - reach, 0) - 1, -1)),
        (0.85, max(walls), range(max(walls) + 1, min(max(walls) + reach, count - 1) + 1)),
    ):
        if walls[wall].any():
            more = carried(
                now.image, wall, walls[wall], numbers, now.spacing, model=now.model,
                report=lambda s, begun=begun: report(begun + 0.15 * s),  # type: ignore[misc]
            )  # fmt: skip
            found.update(more.planes)
            ways += [_way(more, wall, numbers.step, None)] if numbers else []
        elif numbers:
            ways.append(f"slice {wall} shows nothing")
    planes = {**_free(now, found), **grew}
    if not planes and ways:
        raise InputError(
            f"it grows nowhere: {'; '.join(ways)}",
            hint="Label one of these slices, as far as the structure goes",
        )
    if not planes:
        raise InputError("there is no slice without labels between or beside labelled ones")
    what = counted(len(planes), "slice")
    text = f"Grew into {what}; look at each and confirm it"
    if grew:
        text += f". {counted(len(grew), 'slice')} of strokes became whole"
    return Harvest(f"grow into {what}", text, planes, sown)


def carry(now: Ground, report: Report, *, here: int) -> Harvest:
    """Carry the mask of a whole slice on into its neighbours, in both directions."""
    ids = now.whole[here]
    planes: dict[int, np.ndarray] = {}
    ways = []
    for begun, step in ((0.0, -1), (0.5, 1)):
        numbers, wall = _ahead(now, here, step)
        way = carried(
            now.image, here, ids, numbers, now.spacing, model=now.model,
            report=lambda s, begun=begun: report(begun + s / 2),  # type: ignore[misc]
        )  # fmt: skip
        planes.update(way.planes)
        ways.append(_way(way, here, step, wall))
    if not planes:
        raise InputError(f"slice {here} goes nowhere: {'; '.join(ways)}")
    text = f"Carried slice {here} {' and '.join(ways)}; look at each and confirm it"
    return Harvest(f"carry slice {here} on into {counted(len(planes), 'slice')}", text, planes)


def land(mask: ScanMask, harvest: Harvest) -> Harvest:
    """Write what was found into slices that nobody stands behind by now; one act.

    Returns
    -------
    Harvest
        What was written, and what that did, for people.

    Raises
    ------
    InputError
        If somebody does behind all of them.
    """
    mask.look()
    states = mask.states
    # Whether a person drew what is in a slice that the scan lacks is not known of it.
    held = {n for n in mask.missing if n in harvest.planes and mask.planes[n].any()}
    found = {
        n: plane
        for n, plane in harvest.planes.items()
        if (states[n] not in LABELLED and n not in held) or n in harvest.strokes
    }
    if not found and held:
        raise InputError(
            "these slices are missing in the scan, and hold a mask already",
            hint="Clear them first to have them filled anew",
        )
    if not found:
        raise InputError("all of these slices were labelled meanwhile")
    planes = {n: kept(_drawn(mask, n), plane, mask.only) for n, plane in found.items()}
    mask.act(harvest.title, dict.fromkeys(planes, SliceState.FILLED), planes)
    text = harvest.text
    if any(not np.array_equal(planes[n], found[n]) for n in planes):
        text += ". “Preserve labels” kept other classes as they were"
    if held:
        which = ", ".join(map(str, sorted(held)))
        text += f". What is drawn in slice {which}, which the scan lacks, stays as it is"
    return replace(harvest, text=f"{text}. Ctrl-Z takes all back", planes=planes)


def _drawn(mask: ScanMask, number: int) -> np.ndarray:
    """Class ids of a slice; strokes of background are background."""
    plane = mask.planes[number]
    return plane if mask.brush is None else np.where(plane == mask.brush, 0, plane)


def _free(now: Ground, found: Mapping[int, np.ndarray]) -> dict[int, np.ndarray]:
    return {n: plane for n, plane in found.items() if now.states[n] not in LABELLED}


def _ahead(now: Ground, here: int, step: int) -> tuple[list[int], int | None]:
    """The slices to carry on into, and the labelled one that ends them, if one does."""
    numbers: list[int] = []
    for number in range(here + step, here + step * (MOST + 1), step):
        if not 0 <= number < len(now.states):
            return numbers, None
        if now.states[number] in LABELLED:
            return numbers, number
        numbers.append(number)
    return numbers, None


def _way(way: Carried, here: int, step: int, wall: int | None) -> str:
    """How far a mask was carried in one direction, and why no further."""
    last = max(way.planes, default=here) if step > 0 else min(way.planes, default=here)
    whither = "on" if step > 0 else "back"
    if way.why == Stop.DONE:
        ends = f"slice {wall} is labelled" if wall is not None else "the scan ends"
        why = f"{MOST} slices at most" if len(way.planes) == MOST else ends
    elif way.why == Stop.GONE:
        why = f"in slice {last + step} it ends"
    else:
        why = f"unsure of slice {last + step}"
    return f"{whither} to {last} ({why})" if way.planes else f"not {whither} ({why})"


def _strokes(plane: np.ndarray, brush: int | None) -> np.ndarray:
    """Class ids of strokes, 0 for painted background, -1 where nothing is said."""
    ids = plane.astype(np.int32)
    ids[plane == 0] = -1
    if brush is not None:
        ids[plane == brush] = 0
    return ids


def _type(now: Ground, ids: np.ndarray) -> np.dtype:
    """The type of the mask's class ids."""
    return next((one.dtype for one in now.whole.values()), np.min_scalar_type(int(ids.max())))


def _model(answer: Answer) -> Model | None:
    """How likely a model holds what in a slice: it tells how sure it is of what it chose."""
    if answer.confidence is None:
        return None
    mask, confidence, said = answer.mask, answer.confidence, answer.said

    def says(number: int, classes: Sequence[int]) -> np.ndarray | None:
        return said_shares(mask[number], confidence[number], classes) if said[number] else None

    return says
