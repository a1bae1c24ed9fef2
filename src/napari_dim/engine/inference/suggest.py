"""Which slice to label next: where the model is unsure, far from what is labelled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

REACH = 0.25
"""How far a label tells something of its neighbours, of the share of a volume that it has."""
_LEAST = 0.25  # slices: that is, of no neighbour


@dataclass(frozen=True)
class Doubts:
    """What the model says of one case.

    Attributes
    ----------
    entropy
        Mean entropy of each slice, ``(slice,)``.
    disagreement
        How far a second network differs on each slice, ``(slice,)``; see
        `engine.inference.predictor.Predictor.disagreement`.
    labelled
        Numbers of the slices that need no more labels.
    separate
        Whether slices are pictures of their own, whose labels say nothing of their neighbours.
    """

    entropy: np.ndarray
    disagreement: np.ndarray
    labelled: Sequence[int]
    separate: bool = False


@dataclass(frozen=True)
class Suggestion:
    """A slice to label next.

    `case` is its case's place, `need` in [0, 1], `reason` why, for the annotator.
    """

    case: int
    number: int
    need: float
    reason: str


def suggest(cases: Sequence[Doubts], count: int = 5) -> list[Suggestion]:
    """The slices whose labels should help most, the first first.

    The doubt of a slice is the mean of its entropy and of its disagreement, each as a share of
    the largest of all cases. A label takes away the doubts of its slice and, less and less, those
    of its neighbours; the next one to be suggested is always the slice that takes away most of
    what is left (the greedy choice of facilities: Nemhauser, Wolsey and Fisher, "An analysis of
    approximations for maximizing submodular set functions", 1978). So suggestions lie in the
    middle of what is unsure, not at the far ends of a scan, and spread over volumes and cases.

    Parameters
    ----------
    cases
        What the model says of each.
    count
        How many are wanted; there may be fewer.
    """
    most_unsure = max((float(c.entropy.max(initial=0)) for c in cases), default=0) or 1.0
    most_apart = max((float(c.disagreement.max(initial=0)) for c in cases), default=0) or 1.0
    unsure = [c.entropy / most_unsure for c in cases]
    apart = [c.disagreement / most_apart for c in cases]
    known = [list(c.labelled) for c in cases]
    reaches = [_reach(c) for c in cases]
    found: list[Suggestion] = []
    while len(found) < count:
        best: tuple[float, int, int] | None = None
        for place, taken in enumerate(known):
            doubt = (unsure[place] + apart[place]) / 2
            need = _taken_away(doubt, taken, reaches[place])
            if not need.size:
                continue
            number = int(need.argmax())
            if need[number] > 0 and (best is None or need[number] > best[0]):
                best = float(need[number]), place, number
        if best is None:
            break
        need_of, place, number = best
        reason = _reason(unsure[place][number], apart[place][number], number, known[place])
        found.append(Suggestion(place, number, need_of, reason))
        known[place].append(number)
    return found


def _reach(case: Doubts) -> float:
    """How many slices away a label says half as much: the fewer there are, the further."""
    alone = 0.0 if case.separate else REACH * len(case.entropy) / (len(case.labelled) + 1)
    return max(_LEAST, alone)


def _taken_away(doubt: np.ndarray, taken: Sequence[int], reach: float) -> np.ndarray:
    """The doubts that a label of each slice would take away beyond those taken, ``(slice,)``.

    As a share of the most that a label can take away.
    """
    count = len(doubt)
    said = np.zeros(count)
    if taken:
        gap = np.abs(np.arange(count)[:, None] - np.asarray(taken)).min(1)
        said = np.exp2(-np.square(gap / reach))
    far = int(3 * reach)  # further away a label says less than a five hundredth
    says = np.exp2(-np.square(np.arange(-far, far + 1) / reach))
    around, known = np.pad(doubt, far), np.pad(said, far)
    need = np.zeros(count)
    for place, here in enumerate(says):
        window = slice(place, place + count)
        need += around[window] * np.maximum(here - known[window], 0)
    return np.asarray(need / says.sum())


def _reason(unsure: float, apart: float, number: int, taken: Sequence[int]) -> str:
    if not taken:
        return "nothing of this scan is labelled yet"
    gap = min(abs(number - other) for other in taken)
    why = "the model keeps changing its mind here" if apart > unsure else "the model is unsure here"
    return f"{why}, {gap} slice{'s' if gap > 1 else ''} from the nearest labelled one"
