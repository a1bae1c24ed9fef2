"""The rulers and angles of a scan, and the one that is being drawn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from psygnal import Signal

from napari_dim.gui.state.undo_steps import UndoSteps
from napari_dim.words import count as counted

Point = tuple[float, float, float]
Points = tuple[Point, ...]


@dataclass(frozen=True)
class Measuring:
    """One step of a person: what it is called, and what was measured before and after."""

    title: str
    before: tuple[Points, ...]
    after: tuple[Points, ...]

    @property
    def changed(self) -> tuple[Points, ...]:
        """What came or went."""
        kept = set(self.before) & set(self.after)
        return tuple(one for one in (*self.before, *self.after) if one not in kept)


class Rulers:
    """What was measured in a scan; nothing of it is part of a mask.

    Attributes
    ----------
    done
        Two places for a length, three for an angle, each slice, row and column in voxels.
    drawn
        The places of the one that is being drawn; empty while none is.
    steps
        What can be taken back.
    """

    changed = Signal()
    """Some were added or removed."""
    drawing = Signal()
    """The one that is being drawn has changed."""

    def __init__(self) -> None:
        self.done: list[Points] = []
        self.drawn: Points = ()
        self.steps: UndoSteps[Measuring] = UndoSteps()

    def start(self, all_: Iterable[Sequence[Point]]) -> None:
        """Begin with some; nothing can be taken back."""
        self.steps.clear()
        self._show(tuple(points) for points in all_)

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
        what = "ruler" if len(points) == 2 else "angle"
        self._step(f"draw the {what}", [*self.done, tuple(points)])

    def remove(self, numbers: Iterable[int]) -> None:
        """Take some away, counted from 0."""
        gone = set(numbers)
        if gone:
            left = [points for number, points in enumerate(self.done) if number not in gone]
            self._step(f"remove {counted(len(gone), 'ruler')}", left)

    def undo(self) -> Measuring | None:
        """Take the last step back, if there is one."""
        step = self.steps.last
        if step is not None:
            self.steps.back()
            self._show(step.before)
        return step

    def redo(self) -> Measuring | None:
        """Do again what `undo` took back last, if nothing was done since."""
        step = self.steps.ahead
        if step is not None:
            self.steps.again()
            self._show(step.after)
        return step

    def _step(self, title: str, after: Iterable[Points]) -> None:
        before = tuple(self.done)
        self.done = list(after)
        self.steps.push(Measuring(title, before, tuple(self.done)))
        self._show(self.done)

    def _show(self, all_: Iterable[Points]) -> None:
        self.done = list(all_)
        self.drawn = ()
        self.changed.emit()
