"""The rulers and angles of a scan, and the one that is being drawn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from psygnal import Signal

Point = tuple[float, float, float]
Points = tuple[Point, ...]


class Rulers:
    """What was measured in a scan; nothing of it is part of a mask.

    Attributes
    ----------
    done
        Two places for a length, three for an angle, each slice, row and column in voxels.
    drawn
        The places of the one that is being drawn; empty while none is.
    """

    changed = Signal()
    """Some were added or removed."""
    drawing = Signal()
    """The one that is being drawn has changed."""

    def __init__(self) -> None:
        self.done: list[Points] = []
        self.drawn: Points = ()

    def draw(self, points: Sequence[Point]) -> None:
        """Show places that are not measured yet; none for giving up."""
        self.drawn = tuple(points)
        self.drawing.emit()

    def add(self, points: Sequence[Point]) -> None:
        """Keep a ruler (two places) or an angle (three).

        Raises
        ------
        ValueError
            If there are fewer or more.
        """
        if len(points) not in (2, 3):
            raise ValueError(f"{len(points)} places are no ruler and no angle")
        self.drawn = ()
        self.done.append(tuple(points))
        self.changed.emit()

    def remove(self, number: int) -> None:
        """Take one away, counted from 0."""
        del self.done[number]
        self.changed.emit()

    def put(self, all_: Iterable[Sequence[Point]]) -> None:
        """Keep these in place of all there were."""
        self.done = [tuple(points) for points in all_]
        self.drawn = ()
        self.changed.emit()
