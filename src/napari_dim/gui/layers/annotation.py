"""What a person has said of each slice of a labels layer.

A slice counts as labelled once something is painted in it. What painting can't say is kept
as marks in the layer's metadata: that an empty slice is labelled (background alone), that
only the painted pixels of a slice count, that its labels are the machine's.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from napari.layers import Labels
from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_dim.gui.layers.image_layers import labels_array, set_voxels
from napari_dim.states import SliceState

MARKS = "napari_dim_states"
"""Where a layer's metadata hold the marks: slice number -> `SliceState`."""
BRUSH = "napari_dim_background"
"""Where they hold the id that paints background in partial slices."""

_BRUSHES = ("paint", "fill", "polygon")


class Annotation:
    """States and sizes of a labels layer's slices, kept up to date while it is painted.

    Parameters
    ----------
    layer
        The layer; it is not kept alive.
    """

    changed = Signal()

    def __init__(self, layer: Labels) -> None:
        self._layer = weakref.ref(layer)
        self._areas = np.zeros(0, dtype=int)
        self._writing = False
        self._stale: set[int] = set()
        self._history = self._lengths()
        layer.events.paint.connect(self._on_paint)
        layer.events.set_data.connect(self._on_data)
        self.refresh()

    @property
    def layer(self) -> Labels:
        """The layer.

        Raises
        ------
        RuntimeError
            If it is gone.
        """
        layer = self._layer()
        if layer is None:
            raise RuntimeError("the labels layer is gone")
        return layer

    @property
    def states(self) -> np.ndarray:
        """One `SliceState` a slice, ``(slice,)`` uint8."""
        painted = self.areas > 0
        states = np.where(painted, SliceState.PAINTED, SliceState.UNTOUCHED).astype(np.uint8)
        for number, state in self._marks().items():
            if number < len(states) and (painted[number] or state == SliceState.PAINTED):
                states[number] = state
        return states

    @property
    def areas(self) -> np.ndarray:
        """Painted pixels of each slice, painted background included, ``(slice,)``."""
        self._count(self._stale)
        return self._areas

    @property
    def labelled(self) -> tuple[int, ...]:
        """Numbers of the slices that training learns from, ascending."""
        states = self.states
        known = (states == SliceState.PAINTED) | (states == SliceState.PARTIAL)
        return tuple(int(n) for n in np.flatnonzero(known))

    @property
    def brush(self) -> int | None:
        """The id that paints background in partial slices; None before it is first wanted."""
        brush = self.layer.metadata.get(BRUSH)
        return None if brush is None else int(brush)

    def background_brush(self) -> int:
        """The id that paints background; one that no class has, chosen at the first call."""
        if self.brush is None:
            data = labels_array(self.layer)
            free = int(np.iinfo(data.dtype).max) if data.dtype.itemsize < 4 else 2**16 - 1
            while free in data:
                free -= 1
            self.layer.metadata[BRUSH] = free
        brush = self.brush
        assert brush is not None
        return brush

    def mark(self, numbers: Iterable[int], state: SliceState) -> None:
        """Say what is known of some slices.

        `UNTOUCHED` takes back what was said; a slice that is painted is confirmed then.
        """
        marks = self._marks()
        for number in numbers:
            if state == SliceState.UNTOUCHED:
                marks.pop(int(number), None)
            else:
                marks[int(number)] = SliceState(state)
        self.layer.metadata[MARKS] = marks
        self.changed.emit()

    def write(self, planes: Mapping[int, np.ndarray], state: SliceState) -> int:
        """Put class ids into some slices, as one step that can be undone.

        Parameters
        ----------
        planes
            Slice number -> class ids, ``(row, column)``.
        state
            What is known of these slices from now on.

        Returns
        -------
        int
            How many voxels have changed.
        """
        layer = self.layer
        largest = max((int(plane.max()) for plane in planes.values()), default=0)
        if largest > np.iinfo(layer.data.dtype).max:
            # Assigning data keeps napari's undo history; the values are the same.
            layer.data = np.asarray(layer.data).astype(np.min_scalar_type(largest))
        data = labels_array(layer)
        where: list[tuple[np.ndarray, ...]] = []
        values: list[np.ndarray] = []
        for number, plane in planes.items():
            rows, columns = np.nonzero(plane != data[number])
            where.append((np.full(rows.size, number), rows, columns))
            values.append(plane[rows, columns])
        changed = sum(len(v) for v in values)
        self._writing = True
        try:
            if changed:
                index = tuple(np.concatenate(axis) for axis in zip(*where, strict=True))
                new = np.concatenate(values).astype(data.dtype)
                set_voxels(layer, index[3 - layer.ndim :], new)
        finally:
            self._writing = False
        # Background alone has to be said; what is painted is confirmed by itself.
        said = {n for n, plane in planes.items() if state != SliceState.PAINTED or not plane.any()}
        marks = {n: s for n, s in self._marks().items() if n not in planes or n in said}
        self.layer.metadata[MARKS] = marks
        self._count(planes)
        self.mark(said, state)
        return changed

    def refresh(self) -> None:
        """Count what is painted in all slices anew."""
        array = labels_array(self.layer)
        self._areas = np.array([np.count_nonzero(plane) for plane in array], dtype=int)
        self._history = self._lengths()
        self.changed.emit()

    def _marks(self) -> dict[int, SliceState]:
        return dict(self.layer.metadata.get(MARKS, {}))

    def _count(self, numbers: Iterable[int]) -> None:
        array = labels_array(self.layer)
        if len(array) != len(self._areas):
            self.refresh()
            return
        for number in numbers:
            self._areas[number] = np.count_nonzero(array[number])
        self._history = self._lengths()

    def _on_paint(self, event: Any) -> None:
        numbers = painted_slices(event.value, len(self._areas), self.layer.ndim)
        # napari sends this before it has written what `data_setitem` was given.
        if not self._stale:
            QTimer.singleShot(0, self._settle)
        self._stale |= numbers
        if not self._writing:
            # The machine's labels that a person paints in are that person's now.
            marks = self._marks()
            for number in numbers:
                if marks.get(number) == SliceState.MACHINE:
                    del marks[number]
            if len(numbers) > 1 and str(self.layer.mode) in _BRUSHES:
                # A stroke in another plane, or with a brush of three dimensions, does not say
                # that the rest of each slice is background.
                new = [n for n in numbers if not self._areas[n] and n not in marks]
                marks |= dict.fromkeys(new, SliceState.PARTIAL)
            self.layer.metadata[MARKS] = marks

    def _settle(self) -> None:
        """Count what was painted, now that it is written."""
        if self._layer() is not None:
            self._count(self._stale)
            self._stale.clear()
            self.changed.emit()

    def _on_data(self, event: Any = None) -> None:
        # Undo and redo send no `paint`. This comes for every slice shown, too.
        same = self._history is not None and self._lengths() == self._history
        if not (self._writing or same) or len(self._areas) != len(labels_array(self.layer)):
            self.refresh()

    def _lengths(self) -> tuple[int, ...] | None:
        """Of the layer's undo history; None where napari keeps it elsewhere."""
        layer = self.layer
        try:
            return len(layer._undo_history), len(layer._redo_history), id(layer.data)
        except AttributeError:
            return None


def painted_slices(atoms: Iterable[Any], count: int, ndim: int = 3) -> set[int]:
    """The slices that a `paint` event of a labels layer is about."""
    if ndim < 3:
        return {0}
    numbers: set[int] = set()
    for atom in atoms:
        key = atom[0] if isinstance(atom, tuple) else atom.slice_key
        along = key[0]
        if isinstance(along, slice):
            numbers |= set(range(*along.indices(count)))
        else:
            numbers |= {int(n) for n in np.unique(along)}
    return numbers
