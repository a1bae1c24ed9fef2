"""What can be taken back and done again, in the order in which it was done."""

from __future__ import annotations

from collections import deque
from itertools import count
from typing import Any, Generic, TypeVar

Step = TypeVar("Step")
MOST = 500
"""Steps that can be taken back."""
_TURNS = count(1)


class UndoSteps(Generic[Step]):
    """The steps of one thing, as of a mask, or of the rulers beside it.

    Whatever they are of, all are numbered as they come: `to_undo` and `to_redo` tell which of
    several things is next.
    """

    def __init__(self) -> None:
        self._done: deque[tuple[int, Step]] = deque(maxlen=MOST)
        self._undone: deque[tuple[int, int, Step]] = deque(maxlen=MOST)
        self._new = 0

    @property
    def last(self) -> Step | None:
        """The step that would be taken back."""
        return self._done[-1][-1] if self._done else None

    @property
    def ahead(self) -> Step | None:
        """The step that would be done again."""
        return self._undone[-1][-1] if self._undone else None

    @property
    def known(self) -> list[Step]:
        """All steps, those that were taken back as well."""
        return [*(step for _, step in self._done), *(step for _, _, step in self._undone)]

    def stands(self, step: Step) -> bool:
        """Whether a step was done and not taken back."""
        return any(one is step for _, one in self._done)

    def push(self, step: Step) -> None:
        """A step was done: what was taken back before it can't be done again."""
        self._new = next(_TURNS)
        self._done.append((self._new, step))
        self._undone.clear()

    def back(self) -> None:
        """The last step was taken back."""
        self._undone.append((next(_TURNS), *self._done.pop()))

    def again(self) -> None:
        """The step ahead was done again."""
        _, turn, step = self._undone.pop()
        self._done.append((turn, step))

    def clear(self) -> None:
        """Forget all of them."""
        self._done.clear()
        self._undone.clear()


def to_undo(*things: UndoSteps[Any]) -> UndoSteps[Any] | None:
    """Of several things, the one whose last step came last; None where there is none."""
    there = [steps for steps in things if steps._done]
    return max(there, key=lambda steps: steps._done[-1][0], default=None)


def to_redo(*things: UndoSteps[Any]) -> UndoSteps[Any] | None:
    """Of several things, the one that was taken back last; None if a new step came since."""
    there = [steps for steps in things if steps._undone]
    found = max(there, key=lambda steps: steps._undone[-1][0], default=None)
    new = max((steps._new for steps in things), default=0)
    return found if found is not None and found._undone[-1][0] > new else None
