"""The one mask of a scan: its voxels, where each slice comes from, and one order of undoing.

What is on the screen is what is trained on and exported, so there is one array. Slices that
nobody stands behind (`states.FREE`) show the machine's newest answer; all others change by a
person's acts alone. An act keeps the slices that it changes as they were: undoing gives a
person's slice back as it was, and a slice that nobody stood behind back to the machine, with
what it says by now. So undoing everything leaves the scan as if no hand had touched it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from psygnal import Signal

from napari_dim.gui.state.act import Act, SliceBefore
from napari_dim.gui.state.answer import Answer
from napari_dim.gui.state.packed_plane import PackedPlane
from napari_dim.gui.state.provenance import edited
from napari_dim.gui.state.score import Score, dice
from napari_dim.gui.state.undo_steps import UndoSteps
from napari_dim.states import FREE, LABELLED, OPEN, SliceState, known_states

_LABELLED = np.isin(np.arange(256), LABELLED)  # looked up for each slice of a stroke through many


class ScanMask:
    """The mask of a scan.

    Parameters
    ----------
    planes
        Class ids, ``(slice, row, column)``; the array itself is written into, and others may
        write into it: `look` finds what they changed.
    states
        One `SliceState` a slice; by default slices that hold anything are painted.

    Attributes
    ----------
    planes
        The voxels.
    answer
        What the machine said last.
    """

    changed = Signal()
    """States, sizes or voxels have changed."""
    wrote = Signal(object)
    """Numbers of the slices whose voxels were written here, not by a person's tool."""
    moved = Signal(object, str)
    """Numbers of the slices that undo or redo brought back, and what was done."""

    def __init__(self, planes: np.ndarray, states: np.ndarray | None = None) -> None:
        self.answer = Answer(planes.shape)  # type: ignore[arg-type]
        self._turn = 0
        self._missing: frozenset[int] = frozenset()
        self.start(planes, states)

    def start(self, planes: np.ndarray, states: np.ndarray | None = None) -> None:
        """Begin with an array; nothing can be undone."""
        self.planes = planes
        self._seen = np.zeros_like(planes)
        self._areas = np.zeros(len(planes), dtype=int)
        self._turn += 1
        self._versions = np.full(len(planes), self._turn, dtype=np.int64)
        for number, plane in enumerate(planes):
            self._areas[number] = np.count_nonzero(plane)
            if self._areas[number]:
                self._seen[number] = plane
        if states is None or len(states) != len(planes):
            states = np.where(self._areas > 0, SliceState.PAINTED, SliceState.UNTOUCHED)
        self._states = known_states(np.asarray(states, np.uint8), self._areas)
        self._left: set[int] = set()  # emptied by hand: the machine leaves them alone
        self._missed: set[int] = set()  # written while a stroke was going on
        self._base: dict[int, tuple[PackedPlane, int]] = {}
        self._checked: set[int] = set()
        self._dice: dict[int, float] = {}
        self._older: dict[int, Score] = {}
        self._steps: UndoSteps[Act] = UndoSteps()
        if planes.shape != self.answer.mask.shape:
            self.answer = Answer(planes.shape)  # type: ignore[arg-type]
        self._remember_machine()
        self.lack(self._missing)
        self.changed.emit()

    def rebind(self, planes: np.ndarray) -> None:
        """Go on in an array of the same shape, perhaps of another type; it is looked at anew."""
        self.planes = planes
        self._seen = self._seen.astype(planes.dtype, copy=False)
        self.look()

    def hear(self, answer: Answer) -> None:
        """Take over what is known of the machine's masks; voxels are left alone."""
        if answer.mask.shape == self.planes.shape:
            self.answer = answer

    @property
    def brush(self) -> int | None:
        """The id that paints background; None where there is none."""
        return None

    @property
    def only(self) -> int | None:
        """The class that is drawn while all others stay; None where any may change."""
        return None

    @property
    def states(self) -> np.ndarray:
        """One `SliceState` a slice, ``(slice,)`` uint8; a copy."""
        return self._states.copy()

    @property
    def areas(self) -> np.ndarray:
        """Pixels of each slice that are not 0, ``(slice,)``; a copy."""
        return self._areas.copy()

    @property
    def versions(self) -> np.ndarray:
        """A number of each slice that changes whenever its voxels may have, ``(slice,)``."""
        return self._versions.copy()

    @property
    def labelled(self) -> tuple[int, ...]:
        """Numbers of the slices that training takes labels from, ascending."""
        return tuple(int(n) for n in np.flatnonzero(np.isin(self._states, LABELLED)))

    @property
    def left(self) -> tuple[int, ...]:
        """Slices without a state that a person emptied: the machine leaves them alone."""
        return tuple(sorted(self._left))

    def leave(self, numbers: Iterable[int]) -> None:
        """Say that a person emptied these slices, as `left` gave them."""
        self._left |= {n for n in numbers if 0 <= n < len(self._states) and not self._areas[n]}

    @property
    def missing(self) -> frozenset[int]:
        """Slices that the scan lacks: what is drawn there is kept, and is nobody's label."""
        return self._missing

    def lack(self, numbers: Iterable[int]) -> None:
        """Say which slices the scan lacks, as a series of which files are missing does."""
        self._missing = frozenset(n for n in numbers if 0 <= n < len(self._states))
        for number in self._missing:
            self._states[number] = self._known(number, SliceState(int(self._states[number])))

    @property
    def scores(self) -> list[Score]:
        """How right the machine was on slices that were corrected or checked, as they came."""
        found = [
            score
            for score in self._older.values()
            if score.number not in self._base
            and self._states[score.number] in (SliceState.CORRECTED, SliceState.ACCEPTED)
        ]
        for number, (base, labelled) in self._base.items():
            state = self._states[number]
            if state == SliceState.CORRECTED or (
                state == SliceState.ACCEPTED and number in self._checked
            ):
                if number not in self._dice:
                    self._dice[number] = dice(base.plane(), self.planes[number])
                found.append(Score(number, labelled, self._dice[number]))
        return found

    def remember(self, scores: Iterable[Score]) -> None:
        """Take over scores of an earlier day; one holds until a person changes its slice."""
        self._older = {one.number: one for one in scores if 0 <= one.number < len(self._states)}

    @property
    def steps(self) -> UndoSteps[Act]:
        """The acts that can be taken back."""
        return self._steps

    def shows_answer(self, number: int) -> bool:
        """Whether a slice shows just what the machine said last."""
        said = self.answer.said[number]
        return bool(said) and np.array_equal(self.planes[number], self.answer.mask[number])

    def look(
        self, numbers: Iterable[int] | None = None, *, title: str = "stroke", through: bool = False
    ) -> tuple[int, ...]:
        """Find slices that something else has written into: a person's act.

        Parameters
        ----------
        numbers
            Where to look; by default everywhere.
        title, through
            What it is called, and whether it is one stroke through several slices.

        Returns
        -------
        tuple of int
            The slices that had changed.
        """
        wanted = range(len(self.planes)) if numbers is None else sorted(set(numbers))
        found = [n for n in wanted if not np.array_equal(self.planes[n], self._seen[n])]
        if found:
            before = {n: self._side(n, self._seen[n]) for n in found}
            for number in found:
                self._settle(number)
                state = SliceState(int(self._states[number]))
                # Who paints background says it of what is painted, not of the rest.
                brushed = self.brush is not None and bool((self.planes[number] == self.brush).any())
                after = edited(state, int(self._areas[number]), through=through or brushed)
                self._become(number, after, before[number])
                self._older.pop(number, None)
                if after in FREE:
                    self._left.add(number)
            self._steps.push(Act(title, before))
        missed = self._missed.intersection(wanted)
        self._missed -= missed
        written = [n for n in missed if self._states[n] in FREE and n not in self._left]
        for number in written:
            self._show_answer(number)
        if written:
            self.wrote.emit(frozenset(written))
        if found or written:
            self.changed.emit()
        return tuple(found)

    def act(
        self,
        title: str,
        states: Mapping[int, SliceState | None],
        planes: Mapping[int, np.ndarray] | None = None,
        *,
        checked: bool = False,
    ) -> Act:
        """Change some slices as one act.

        Parameters
        ----------
        title
            What it is called.
        states
            Slice number -> its state from now on; None gives it back to the machine, or to
            nobody where the machine has said nothing. A slice that is to be `UNTOUCHED` is
            left alone by the machine.
        planes
            Slice number -> class ids, ``(row, column)``, where they change.
        checked
            Whether a person says deliberately that the machine was right.
        """
        planes = planes or {}
        self._prepare(planes)
        self.look([*states, *planes])
        before = {int(n): self._side(n, self.planes[n]) for n in {**states, **planes}}
        for number, was in before.items():
            if number in planes:
                self.planes[number] = planes[number]
                self._settle(number)
            state = states.get(number, was.state)
            if state is None:
                self._free(number)
                continue
            self._become(number, state, was)
            if checked and state == SliceState.ACCEPTED:
                self._checked.add(number)
            if state == SliceState.UNTOUCHED:
                self._left.add(number)
        done = Act(title, before)
        self._steps.push(done)
        self.wrote.emit(frozenset(before))
        self.changed.emit()
        return done

    def relabel(self, title: str, ids: Mapping[int, int]) -> Act | None:
        """Give classes other ids (0 erases one) as one act, in what the machine said as well.

        States stay as they are, but a painted or partial slice that is empty then is nobody's.
        """
        self._prepare({})
        self.look()
        old = np.array(sorted(ids))
        numbers = [n for n, plane in enumerate(self.planes) if np.isin(plane, old).any()]
        answered = [n for n, plane in enumerate(self.answer.mask) if np.isin(plane, old).any()]
        if not numbers and not answered:
            return None
        before = {n: self._side(n, self.planes[n]) for n in numbers}
        done = Act(title, before, answer={n: PackedPlane.of(self.answer.mask[n]) for n in answered})
        for number in answered:
            _swap(self.answer.mask[number], ids)
            self.answer.settle(number)
        for number in numbers:
            _swap(self.planes[number], ids)
            self._settle(number)
            state = before[number].state
            drawn = state in (SliceState.PAINTED, *OPEN, SliceState.FILLED)
            if drawn and not self._areas[number]:
                self._become(number, SliceState.UNTOUCHED, before[number])
        self._steps.push(done)
        self.wrote.emit(frozenset(numbers))
        self.changed.emit()
        return done

    def note(self, title: str, before: Mapping[str, object], into: Act | None = None) -> None:
        """What is kept beside the voxels was changed by a person: an act that can be undone.

        Parameters
        ----------
        title
            What it is called.
        before
            What was kept, by name.
        into
            The act that it is a part of; by default one of its own.
        """
        if into is not None and into is self._steps.last:
            into.beside = before
        else:
            self._steps.push(Act(title, {}, beside=before))
        self.changed.emit()

    def take(self, numbers: np.ndarray, masks: np.ndarray) -> list[int]:
        """Hear the machine's newest masks; they are shown where nobody stands behind a slice.

        Parameters
        ----------
        numbers
            Slice numbers, ``(n,)``.
        masks
            Class ids, ``(n, row, column)``; they fit into the array's type.

        Returns
        -------
        list of int
            The slices that show something else, because a person drew or said so.
        """
        self.answer.take(numbers, masks)
        for act in self._steps.known:
            for number in numbers if act.answer else ():
                act.answer.pop(int(number), None)  # what it said before is of no use any more
        kept, written = [], []
        for number in np.asarray(numbers, dtype=int).tolist():
            if self._states[number] not in FREE or number in self._left:
                kept.append(number)
            elif not np.array_equal(self.planes[number], self._seen[number]):
                self._missed.add(number)  # a stroke is going on in it
                kept.append(number)
            else:
                self._show_answer(number)
                written.append(number)
        if written:
            self.wrote.emit(frozenset(written))
        self.changed.emit()
        return kept

    def undo(self) -> Act | None:
        """Take back the last act, if there is one."""
        self.look(() if (act := self._steps.last) is None else act.before)
        return self._step(self._steps.last, undo=True)

    def redo(self) -> Act | None:
        """Do again what `undo` took back last, if nothing was done since."""
        self.look(() if (act := self._steps.ahead) is None else act.before)
        return self._step(self._steps.ahead, undo=False)

    def _prepare(self, planes: Mapping[int, np.ndarray]) -> None:
        """An act that writes these slices is about to begin: for those who keep the voxels."""

    def _swap_beside(self, kept: Mapping[str, object]) -> Mapping[str, object]:
        """Put what was kept beside the voxels in place of what is there, which is returned."""
        return kept

    def _step(self, act: Act | None, *, undo: bool) -> Act | None:
        if act is None:
            return None
        now = {n: self._side(n, self.planes[n]) for n in act.before}
        if act.answer:
            before = {n: PackedPlane.of(self.answer.mask[n]) for n in act.answer}
            for number, packed in act.answer.items():
                self.answer.mask[number] = packed.plane()
                self.answer.settle(number)
            act.answer = before
        if act.beside:
            act.beside = self._swap_beside(act.beside)
        wanted = act.before if undo else act.after
        act.before, act.after = (act.before, now) if undo else (now, act.after)
        for number, was in wanted.items():
            self._restore(number, was)
        (self._steps.back if undo else self._steps.again)()
        numbers = frozenset(wanted)
        self.wrote.emit(numbers)
        self.changed.emit()
        self.moved.emit(numbers, f"{'Took back' if undo else 'Did again'}: {act.title}")
        return act

    def _side(self, number: int, plane: np.ndarray) -> SliceBefore:
        state = SliceState(int(self._states[number]))
        if state in FREE and number not in self._left:
            return SliceBefore(state)
        return SliceBefore(
            state, PackedPlane.of(plane), self._base.get(number), number in self._checked
        )

    def _restore(self, number: int, was: SliceBefore) -> None:
        if was.plane is None:
            self._free(number)
            return
        self.planes[number] = was.plane.plane()
        self._settle(number)
        self._states[number] = was.state
        self._base.pop(number, None)
        if was.base is not None:
            self._base[number] = was.base
        (self._checked.add if was.checked else self._checked.discard)(number)
        (self._left.add if was.state in FREE else self._left.discard)(number)

    def _become(self, number: int, state: SliceState, was: SliceBefore) -> None:
        """Give a slice a state, and remember what the machine had said when it loses it."""
        labelled = int(_LABELLED[self._states].sum())
        if was.state == SliceState.MACHINE and state not in FREE and number not in self._base:
            self._base[number] = PackedPlane.of(self.answer.mask[number]), labelled
        elif number in self._base and _LABELLED[state] and not _LABELLED[was.state]:
            # A tool had changed it first; it counts, and is the newest score, from here on.
            said, _ = self._base.pop(number)
            self._base[number] = said, labelled
        self._states[number] = self._known(number, state)
        self._left.discard(number)
        self._checked.discard(number)

    def _known(self, number: int, state: SliceState) -> SliceState:
        """What a slice becomes: of one that the scan lacks nobody can say what it shows."""
        if number not in self._missing or state not in LABELLED:
            return state
        return SliceState.FILLED if self._areas[number] else SliceState.UNTOUCHED

    def _free(self, number: int) -> None:
        """A slice is nobody's, and shows what the machine says of it."""
        self._left.discard(number)
        self._base.pop(number, None)
        self._checked.discard(number)
        self._show_answer(number)

    def _show_answer(self, number: int) -> None:
        said = bool(self.answer.said[number])
        self.planes[number] = self.answer.mask[number] if said else 0
        self._settle(number)
        self._states[number] = SliceState.MACHINE if said else SliceState.UNTOUCHED

    def _settle(self, number: int) -> None:
        """What a slice holds now is known."""
        self._seen[number] = self.planes[number]
        self._areas[number] = np.count_nonzero(self.planes[number])
        self._turn += 1
        self._versions[number] = self._turn
        self._dice.pop(number, None)

    def _remember_machine(self) -> None:
        """What is shown of the machine's at the start is what it said last."""
        numbers = np.flatnonzero(self._states == SliceState.MACHINE)
        fresh = numbers[~self.answer.said[numbers]]
        if fresh.size:
            self.answer.take(fresh, self.planes[fresh])


def _swap(plane: np.ndarray, ids: Mapping[int, int]) -> None:
    old = plane.copy()
    for one, other in ids.items():
        plane[old == one] = other
