"""Image planes to stacks: which belong together, and in what order.

Order and place come from positions in the patient, never from file names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_dim.io.dicom.frame_pixels import pixel_hash
from napari_dim.io.dicom.frames import Frame
from napari_dim.io.dicom.placement import spacings_in
from napari_dim.io.dicom.repeated_places import along_normal, taken_apart

_SAME = 1e-3
"""Directions this close are one orientation."""


@dataclass(frozen=True)
class Stack:
    """Planes of one size and orientation, in order; `label` tells it from its siblings."""

    frames: tuple[Frame, ...]
    label: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def first(self) -> Frame:
        """The frame that speaks for all."""
        return self.frames[0]

    @property
    def voxels(self) -> int:
        """How large the image is."""
        return len(self.frames) * self.first.shape[0] * self.first.shape[1]


def stacks_of(frames: Sequence[Frame]) -> list[Stack]:
    """The stacks of all series among `frames`, by series number, each sorted by position."""
    groups: dict[tuple[object, ...], list[list[Frame]]] = {}
    for frame in frames:
        alike = groups.setdefault((frame.series, frame.shape, frame.color), [])
        for group in alike:
            if _same_plane(group[0], frame):
                group.append(frame)
                break
        else:
            alike.append([frame])
    stacks = [stack for alike in groups.values() for group in alike for stack in _split(group)]
    return sorted(stacks, key=lambda stack: (stack.first.series_number, stack.first.series))


def _same_plane(one: Frame, other: Frame) -> bool:
    for a, b in ((one.orientation, other.orientation), (one.spacing, other.spacing)):
        if (a is None) != (b is None):
            return False
        if a is not None and b is not None and not np.allclose(a, b, atol=_SAME, rtol=_SAME):
            return False
    return True


def _split(frames: list[Frame]) -> list[Stack]:
    """Copies left out, planes in order, several images of one place taken apart."""
    kept = _without_copies(frames)
    notes: tuple[str, ...] = ()
    if len(kept) < len(frames):
        count = len(frames) - len(kept)
        notes = (f"{count} slice{'s are' if count > 1 else ' is'} stored twice; one copy is read",)
    uids = [frame.uid for frame in kept if frame.uid and frame.index == 0]
    if len(set(uids)) < len(uids):
        notes += ("slices share a UID; they are told apart by their place and pixels",)
    kept.sort(key=lambda frame: (frame.instance, str(frame.file), frame.index, frame.tile or ()))
    if kept[0].position is None or kept[0].orientation is None:
        return [Stack(tuple(kept), "", notes)]
    stacks = []
    for group in taken_apart(kept):
        inner = sorted(group.frames, key=lambda frame: float(along_normal([frame])[0]))
        parts, told = spacings_in(inner)
        for part, label in parts:
            labels = ", ".join(text for text in (*group.labels, label) if text)
            stacks.append(Stack(tuple(part), labels, (*notes, *group.notes, *told)))
    return stacks


def _without_copies(frames: list[Frame]) -> list[Frame]:
    """One of each set of copies, the first: the same pixels at the same place.

    A UID alone proves nothing: some programs give one to a whole series, others give a copy a
    new one. Pixels are compared where all else is the same.
    """
    groups: dict[tuple[object, ...], list[Frame]] = {}
    for frame in frames:
        place = None if frame.position is None else tuple(np.round(frame.position, 3))
        same = frame.instance, frame.splits, frame.tile, frame.index
        groups.setdefault((place, same), []).append(frame)
    kept: list[Frame] = []
    for group in groups.values():
        if len(group) == 1:
            kept += group
            continue
        seen: set[str] = set()
        for frame in group:
            mark = pixel_hash(frame)
            if mark not in seen:
                seen.add(mark)
                kept.append(frame)
    return kept
