"""Series that show one place several times, taken apart into volumes by the tag that does it.

A tag does it if its groups cover the same places, each as often: echo, b value, time point.
Where its values drift from slice to slice, as trigger times do, their order at each place
counts. What no tag tells apart is numbered by instance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_dim.io.dicom.frames import Frame
from napari_dim.io.dicom.splitters import SPLITTERS, STACK, codes, described

_MOST_FULL = 0.75
"""Share of places that must hold all images for their order to tell which is missing elsewhere."""


@dataclass(frozen=True)
class Group:
    """Frames of one volume, what tells it from the others, and what was decided."""

    frames: list[Frame]
    labels: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def taken_apart(frames: Sequence[Frame]) -> list[Group]:
    """The volumes among frames of one orientation, which are sorted by instance."""
    return [
        one
        for stack in _stacks_told(Group(list(frames)))
        for beside in _stacks_beside(stack)
        for one in _apart(beside, _places(beside.frames)[1])
    ]


def along_normal(frames: Sequence[Frame]) -> np.ndarray:
    """Distance of each plane along the normal of the first, in mm."""
    turn = np.array(frames[0].orientation)
    along: np.ndarray = _positions(frames) @ np.cross(turn[:3], turn[3:])
    return along


def _positions(frames: Sequence[Frame]) -> np.ndarray:
    return np.array([frame.position for frame in frames], float)


def _stacks_told(group: Group) -> list[Group]:
    """A multi-frame file says itself which frames form a stack."""
    numbers, values = codes([frame.splits[STACK] for frame in group.frames])
    if len(values) < 2 or min(Counter(numbers).values()) < 2:
        return [group]
    return _grouped(group, numbers, [_name(STACK, values, n) for n in range(len(values))])


def _stacks_beside(group: Group) -> list[Group]:
    """Stacks of the same planes with other corners: two knees, say."""
    planes, places = _places(group.frames)
    if np.unique(planes).size == np.unique(places).size:
        return [group]
    corners = _corners(group.frames)
    sizes = Counter(corners)
    if min(sizes.values()) < 2:
        return [group]
    names = [f"stack {n + 1} of {len(sizes)} side by side" for n in range(len(sizes))]
    return _grouped(group, corners, names)


def _places(frames: Sequence[Frame]) -> tuple[np.ndarray, np.ndarray]:
    """The number of each frame's plane, and of the place in it where its corner lies."""
    along = along_normal(frames)
    order = np.argsort(along, kind="stable")
    steps = np.diff(along[order])
    pixel = min(frames[0].spacing or (1.0, 1.0))
    real = steps[steps > 0.01 * pixel]
    closest = max(0.02 * float(np.median(real)) if real.size else 0.0, 0.01 * pixel)
    planes = np.empty(len(frames), int)
    planes[order] = np.concatenate([[0], np.cumsum(steps > closest)])
    positions, seen = _positions(frames), dict[int, list[tuple[int, np.ndarray]]]()
    places, count = np.empty(len(frames), int), 0
    for n, plane in enumerate(planes.tolist()):
        for number, corner in seen.setdefault(plane, []):
            if np.linalg.norm(positions[n] - corner) < closest + 0.5 * pixel:
                places[n] = number
                break
        else:
            seen[plane].append((count, positions[n]))
            places[n], count = count, count + 1
    return planes, places


def _apart(group: Group, places: np.ndarray) -> list[Group]:
    """The volumes in a group whose frames are at the given places."""
    times = Counter(places.tolist())
    if max(times.values()) == 1:
        return [group]
    for split in (_by_value, _by_order, _by_instance, _by_groups):
        parts = split(group, places)
        if parts is not None:
            numbers = {id(frame): place for frame, place in zip(group.frames, places, strict=True)}
            return [
                one
                for part in parts
                for one in _apart(part, np.array([numbers[id(f)] for f in part.frames]))
            ]
    first = np.unique(places, return_index=True)[1]
    doubled = len(places) - len(first)
    note = (
        f"{doubled} slice{'s are' if doubled > 1 else ' is'} at a place that another has; the first"
        " of each is read"
    )
    kept = [group.frames[n] for n in sorted(first.tolist())]
    return [Group(kept, group.labels, (*group.notes, note))]


def _by_value(group: Group, places: np.ndarray) -> list[Group] | None:
    """By a tag whose groups cover the same places, each as often."""
    for number in range(len(SPLITTERS)):
        found, values = codes([frame.splits[number] for frame in group.frames])
        if len(values) < 2:
            continue
        times = [Counter(places[np.array(found) == n].tolist()) for n in range(len(values))]
        same = all(one.keys() == times[0].keys() for one in times)
        if same and all(len(set(one.values())) == 1 for one in times):
            return _grouped(group, found, [_name(number, values, n) for n in range(len(values))])
    return None


def _by_order(group: Group, places: np.ndarray) -> list[Group] | None:
    """By the order of a tag's numbers at each place, where they drift from place to place."""
    for number, splitter in enumerate(SPLITTERS):
        values = [frame.splits[number] for frame in group.frames]
        numbers = np.array([one for one in values if isinstance(one, float)])
        if len(numbers) < len(values):
            continue
        ranks = _ranks(numbers, places)
        if ranks is None:
            continue
        count = int(ranks.max()) + 1
        names = []
        for n in range(count):
            low, high = numbers[ranks == n].min(), numbers[ranks == n].max()
            names.append(
                f"{splitter.name} {low:g} to {high:g}" if splitter.shown
                else f"{splitter.name} {n + 1} of {count}"
            )  # fmt: skip
        return _grouped(group, ranks.tolist(), names, _lacking(ranks, places))
    return None


def _ranks(numbers: np.ndarray, places: np.ndarray) -> np.ndarray | None:
    """The place of each number among those at its place; None where that tells nothing apart."""
    from scipy.optimize import linear_sum_assignment

    here = [np.flatnonzero(places == place) for place in np.unique(places)]
    coded = [codes(numbers[at].tolist()) for at in here]
    most = max(len(values) for _, values in coded)
    full = [len(values) == most for _, values in coded]
    if most < 2 or np.mean(full) < _MOST_FULL:
        return None
    if all(full):
        if any(len(set(Counter(found).values())) > 1 for found, _ in coded):
            return None
    elif len(places) != sum(len(values) for _, values in coded):
        return None
    usual = np.median([values for (_, values), all_ in zip(coded, full, strict=True) if all_], 0)
    ranks = np.empty(len(numbers), int)
    for at, (found, values) in zip(here, coded, strict=True):
        _, order = linear_sum_assignment(np.abs(np.array(values, float)[:, None] - usual[None]))
        ranks[at] = (np.arange(most) if len(values) == most else order)[found]
    return ranks


def _by_instance(group: Group, places: np.ndarray) -> list[Group] | None:
    """By the order of the frames at each place, which is that of their instance numbers."""
    times = Counter(places.tolist())
    most = max(times.values())
    if np.mean([count == most for count in times.values()]) < _MOST_FULL:
        return None
    seen: Counter[int] = Counter()
    ranks = np.empty(len(places), int)
    for n, place in enumerate(places.tolist()):
        ranks[n] = seen[place]
        seen[place] += 1
    notes = _lacking(ranks, places)
    if notes:
        notes = (*notes, "which image lacks them can't be told; the last is taken")
    names = [f"image {n + 1} of {most}" for n in range(most)]
    return _grouped(group, ranks.tolist(), names, notes)


def _by_groups(group: Group, places: np.ndarray) -> list[Group] | None:
    """By a tag in whose groups no place is there twice, though they cover other places."""
    one_place = np.unique(places).size == 1
    for number in range(len(SPLITTERS)):
        found, values = codes([frame.splits[number] for frame in group.frames])
        sizes = list(Counter(found).values())
        if len(values) < 2 or (np.median(sizes) < 2 and not one_place):
            continue
        if len(set(zip(found, places.tolist(), strict=True))) == len(found):
            return _grouped(group, found, [_name(number, values, n) for n in range(len(values))])
    return None


def _corners(frames: Sequence[Frame]) -> list[int]:
    """Frames whose corners lie above each other, in one group."""
    turn = np.array(frames[0].orientation)
    normal = np.cross(turn[:3], turn[3:])
    positions = _positions(frames)
    flat = positions - np.outer(positions @ normal, normal)
    near = 0.5 * min(frames[0].spacing or (1.0, 1.0))
    known: list[np.ndarray] = []
    numbers = []
    for corner in flat:
        number = next(
            (n for n, one in enumerate(known) if np.linalg.norm(one - corner) < near), len(known)
        )
        if number == len(known):
            known.append(corner)
        numbers.append(number)
    return numbers


def _lacking(ranks: np.ndarray, places: np.ndarray) -> tuple[str, ...]:
    """What is to be told where some images have no slice at some places."""
    count = (int(ranks.max()) + 1) * np.unique(places).size - len(ranks)
    if count < 1:
        return ()
    return (f"{count} of all slices of the {int(ranks.max()) + 1} images of this series "
            f"{'is' if count == 1 else 'are'} not there",)  # fmt: skip


def _grouped(
    group: Group, numbers: Sequence[int], names: Sequence[str], notes: tuple[str, ...] = ()
) -> list[Group]:
    frames: list[list[Frame]] = [[] for _ in names]
    for frame, number in zip(group.frames, numbers, strict=True):
        frames[number].append(frame)
    return [
        Group(inner, (*group.labels, name), (*group.notes, *notes))
        for inner, name in zip(frames, names, strict=True)
    ]


def _name(number: int, values: Sequence[object], place: int) -> str:
    return described(number, values[place], place, len(values))  # type: ignore[arg-type]
