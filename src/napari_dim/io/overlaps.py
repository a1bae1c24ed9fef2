"""Segments of their own that become one mask: where they overlap, one wins, and it is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal, get_args

import numpy as np

from napari_dim.errors import InputError
from napari_dim.io.format_rows import Part
from napari_dim.io.labels import LabelClass

Winner = Literal["later", "earlier", "smaller"]
"""Which segment keeps a voxel that two claim: by their order in the file, or by their size."""

WINNERS: dict[str, str] = {
    "later": "the later segment is kept",
    "earlier": "the earlier segment is kept",
    "smaller": "the smaller segment is kept",
}
"""What each of them does, in words."""

SHARED = "voxels belong to two segments"


def overlap_parts() -> tuple[Part, ...]:
    """What to choose from where a file's segments overlap, by `Winner`."""
    return tuple(Part(key, f"segments overlap: {text}") for key, text in WINNERS.items())


def winner(text: str) -> Winner:
    """What a person chose, by default ``"later"``.

    Raises
    ------
    InputError
        If it is none of `WINNERS`.
    """
    for name in get_args(Winner):
        if name == (text.strip().lower() or "later"):
            found: Winner = name
            return found
    raise InputError(
        f"{text!r} does not say which of two overlapping segments is kept",
        hint=f"Use {', '.join(WINNERS)}",
    )


def painting_order(sizes: Sequence[int], wins: Winner) -> list[int]:
    """In which order segments of these sizes are painted, so that the right one is on top."""
    numbers = list(range(len(sizes)))
    if wins == "smaller":
        return sorted(numbers, key=lambda n: -sizes[n])
    return numbers[::-1] if wins == "earlier" else numbers


class Painting:
    """A mask that segments are painted into, one over the other.

    Parameters
    ----------
    out
        Class ids, all 0 at first; painted in place.
    """

    def __init__(self, out: np.ndarray) -> None:
        self.out = out
        self.shared = 0
        self._sizes: Counter[int] = Counter()

    def put(
        self, where: tuple[slice, ...], inside: np.ndarray, class_id: int,
        over: np.ndarray | None = None,
    ) -> None:  # fmt: skip
        """Paint the voxels of a part of the mask that are `inside` a segment.

        `over` says where it wins against what is painted already; by default everywhere.
        """
        view = self.out[where]
        self.shared += int(np.count_nonzero(inside & (view != 0) & (view != class_id)))
        self._sizes[class_id] += int(np.count_nonzero(inside))
        view[inside if over is None else inside & over] = class_id

    def notes(self, classes: Iterable[LabelClass], how: str) -> tuple[str, ...]:
        """What overlaps, what is done about it, and what each class lost by it."""
        if not self.shared:
            return ()
        names = {item.id: item.label for item in classes}
        kept = {class_id: int(np.count_nonzero(self.out == class_id)) for class_id in self._sizes}
        lost = [
            f"{names.get(class_id, class_id)} keeps {kept[class_id]} of {size} voxels"
            for class_id, size in sorted(self._sizes.items())
            if kept[class_id] < size
        ]
        more = f" and {len(lost) - 6} more" if len(lost) > 6 else ""
        return (f"{self.shared} {SHARED}: {how}, so that {', '.join(lost[:6])}{more}",)
