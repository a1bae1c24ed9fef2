"""Which slice to label next: where the model is unsure, far from what is labelled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Doubts:
    """What the model says of one case.

    Attributes
    ----------
    entropy
        Mean entropy of each slice, ``(slice,)``.
    disagreement
        Share of each slice's pixels on which a second network differs, ``(slice,)``.
    labelled
        Numbers of the slices that need no more labels.
    """

    entropy: np.ndarray
    disagreement: np.ndarray
    labelled: Sequence[int]


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

    A slice's need is the mean of its entropy and of its disagreement, each as a share of the
    largest of all cases. Near a labelled or suggested slice it is damped, over a distance
    that shrinks as more are labelled, so that suggestions spread over a volume and over cases.

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
    found: list[Suggestion] = []
    while len(found) < count:
        best: tuple[float, int, int] | None = None
        for place, taken in enumerate(known):
            need = (unsure[place] + apart[place]) / 2 * _spread(len(unsure[place]), taken)
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


def _spread(count: int, taken: Sequence[int]) -> np.ndarray:
    """From 0 at a labelled slice to 1 far from all of them, ``(slice,)``."""
    if not taken:
        return np.ones(count)
    gap = np.abs(np.arange(count)[:, None] - np.asarray(taken)).min(1)
    reach = max(1.0, count / (2 * (len(taken) + 1)))
    return np.asarray(1 - np.exp(-((gap / reach) ** 2)))


def _reason(unsure: float, apart: float, number: int, taken: Sequence[int]) -> str:
    if not taken:
        return "nothing of this scan is labelled yet"
    gap = min(abs(number - other) for other in taken)
    why = "the model keeps changing its mind here" if apart > unsure else "the model is unsure here"
    return f"{why}, {gap} slice{'s' if gap > 1 else ''} from the nearest labelled one"
