"""Strokes of a person in one slice, and the mask of the slice that they ask for together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np

from napari_dim.editing.kept_classes import free
from napari_dim.editing.random_walks import around, scribbled
from napari_dim.gui.state.act import Act
from napari_dim.gui.state.answer import Answer
from napari_dim.gui.state.provenance import edited
from napari_dim.gui.state.scan_mask import ScanMask
from napari_dim.states import BY_HAND, FREE, SliceState


@dataclass(frozen=True)
class _Stroke:
    """One stroke.

    Attributes
    ----------
    of, off
        What it says is of the class, and what is not, ``(row, column)`` bool.
    act
        What it did; None where it changed nothing: it holds as long as the one before.
    left
        The slice after it.
    alike
        The mask that it gave, where it holds no longer than until the next one, or that it found
        as the first: it shows what the class looks like, which a stroke over what it missed
        does not.
    """

    of: np.ndarray
    off: np.ndarray
    act: Act | None
    left: np.ndarray
    alike: np.ndarray | None = None


class Scribbles:
    """The strokes in a slice, as long as nothing else changes it.

    The first gives the mask, each further one corrects it around all of them. A stroke that was
    taken back has no say any more. What a person had drawn before the first one stays, but
    around strokes over what is not of the class.

    Parameters
    ----------
    mask
        The mask that is drawn in.
    """

    def __init__(self, mask: ScanMask) -> None:
        self._mask = mask
        self._place: tuple[int, int] | None = None
        self._strokes: list[_Stroke] = []
        self._drawn: np.ndarray | None = None  # by hand, before the first of them

    def standing(self, number: int, class_id: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """The strokes that hold in a slice for a class: what is of it, and what is not."""
        return [(one.of, one.off) for one in self._held(number, class_id)]

    def add(
        self,
        number: int,
        class_id: int,
        of: np.ndarray,
        off: np.ndarray,
        *,
        image: np.ndarray,
        spacing: Sequence[float],
        lasting: bool = True,
        what: str = "scribble",
    ) -> Act | None:
        """Add a stroke: the mask of the slice follows it, as one act.

        Parameters
        ----------
        number, class_id
            The slice and the class.
        of, off
            What it says is of the class, and what is not, ``(row, column)`` bool.
        image
            Values of the slice, ``(row, column[, channel])``.
        spacing
            Size of a pixel along rows and columns.
        lasting
            Whether it holds for the strokes to come, or gives a mask that they correct.
        what
            What the act is called.

        Returns
        -------
        Act or None
            None where nothing changes.
        """
        mask = self._mask
        mask.look([number])
        held = self._held(number, class_id)
        self._place, self._strokes = (number, class_id), held
        stroke, none = (of, off), np.zeros(of.shape, bool)
        of, off = none, none
        for more, less in (*((one.of, one.off) for one in held), stroke):  # the last one holds
            of, off = (of & ~less) | more, (off & ~more) | less
        shown = mask.planes[number]
        others = (shown != 0) & (shown != class_id)
        of &= free(shown, mask.only)
        others &= ~of
        before, state = shown == class_id, SliceState(int(mask.states[number]))
        # What the model holds likely tells more than its mask; a person's mask more than either.
        asked = not held and (state in FREE or not before.any())
        alike = next((one.alike for one in reversed(held) if one.alike is not None), None)
        if not held:
            self._drawn = before.copy() if state in BY_HAND else None
            alike = before if before.any() else alike
        found = scribbled(
            image,
            of,
            off | others,
            before=before if before.any() else None,
            probability=_probability(mask.answer, number, class_id) if asked else None,
            alike=alike,
            spacing=spacing,
        )
        if self._drawn is not None:
            stays = self._drawn & before
            said = [stroke[1]] if lasting else []  # around a box nobody said that it is not
            for less in (*(one.off for one in held), *said):
                if less.any():
                    stays[around(less)] = False
            found |= stays
        plane = np.where(before, 0, shown).astype(shown.dtype)
        plane[found & ~others] = class_id
        act = None
        if not np.array_equal(plane, shown):
            after = edited(state, int(np.count_nonzero(plane)))
            act = mask.act(f"{what} in slice {number}", {number: after}, {number: plane})
        made = (
            _Stroke(*stroke, act, plane, None if held else alike)
            if lasting
            else _Stroke(none, none, act, plane, found)
        )
        self._strokes = [*held, made]
        return act

    def forget(self, number: int, class_id: int) -> bool:
        """Forget the last stroke in a slice, where it changed nothing; returns whether it did."""
        held = self._held(number, class_id)
        if not held or held[-1].act is not None:
            return False
        self._strokes = held[:-1]
        return True

    def _held(self, number: int, class_id: int) -> list[_Stroke]:
        """The strokes whose acts stand, if the slice still shows what they asked for."""
        if self._place != (number, class_id):
            return []
        stands = self._mask.steps.stands
        held = list(takewhile(lambda one: one.act is None or stands(one.act), self._strokes))
        same = bool(held) and np.array_equal(held[-1].left, self._mask.planes[number])
        return held if same else []


def _probability(answer: Answer, number: int, class_id: int) -> np.ndarray | None:
    """How likely the model holds each pixel of a slice to be of a class; None if it has not said.

    It tells how sure it is of the class that it chose; what is left is shared by the others.
    """
    if not answer.said[number] or answer.confidence is None:
        return None
    from skimage.transform import resize

    shape = answer.mask.shape[1:]
    sure = resize(answer.confidence[number].astype(np.float32) / 255, shape, order=1)
    return np.asarray(np.where(answer.mask[number] == class_id, sure, 1 - sure))
