"""Which slices of a labels layer changed, by whatever way.

napari tells of strokes, fills and polygons (`events.paint`), but not of undo, redo, `data=`
or writing into the array. So what a slice held when it was last looked at is remembered as
a checksum; slices that an event or the undo history points at are looked at first, and the
others in turn. Of data that lie in a file (a memory map, Zarr) only the former are looked at:
reading all of it now and then would be too much.
"""

from __future__ import annotations

import time
import weakref
import zlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from napari.layers import Labels

from napari_dim.gui.layers.aside_layer import is_aside
from napari_dim.gui.layers.napari_compat import last_steps, painted_slices, redo_length


class LayerWatch:
    """Finds changed slices.

    Parameters
    ----------
    layer
        The layer; not kept alive. ``(slice, ...)``, or one slice where it has two axes.
    as_it_is
        Whether what it holds now counts as known; else all that is not 0 has changed.
    woken
        Called when something may have changed.

    Attributes
    ----------
    shape, dtype
        ``(slice, ...)``, as last looked at.
    """

    def __init__(
        self, layer: Labels, *, as_it_is: bool = False, woken: Callable[[], None] = lambda: None
    ) -> None:
        self._layer = weakref.ref(layer)
        self._woken = woken
        self.restart()
        if as_it_is:
            self.changed()
        layer.events.paint.connect(self._on_paint)
        layer.events.set_data.connect(self._on_data)

    def restart(self, wanted: Iterable[int] = ()) -> None:
        """Find all that is not 0 once more; of data in a file, only what is `wanted`."""
        layer = self._layer()
        if layer is None:
            return
        data = planes_of(layer)
        self.shape, self.dtype = tuple(data.shape), np.dtype(data.dtype)
        self._filed = not isinstance(data, np.ndarray) or isinstance(data, np.memmap)
        empty = -1 if self._filed else _sum(np.zeros(self.shape[1:], self.dtype))
        self._sums = [empty] * len(data)
        self._wanted = set(wanted) if self._filed else set(range(len(data)))
        self._next = 0
        self._mark()

    @property
    def settled(self) -> bool:
        """Whether no slice is known to wait for a look."""
        layer = self._layer()
        if layer is not None:
            self._read_history(layer)
        return not self._wanted

    def reshaped(self) -> np.ndarray | None:
        """A copy of all slices, if the layer has another shape or type than before."""
        layer = self._layer()
        if layer is None:
            return None
        data = planes_of(layer)
        if (tuple(data.shape), data.dtype) == (self.shape, self.dtype):
            return None
        copy = np.array(data, order="C")
        self.shape, self.dtype = copy.shape, copy.dtype
        self._sums = [_sum(plane) for plane in copy]
        self._next = 0
        self._wanted.clear()
        self._mark()
        return copy

    def changed(self, seconds: float = float("inf")) -> dict[int, np.ndarray]:
        """Copies of the slices that changed, as many as are found in a time.

        With no limit of time all slices are looked at.
        """
        layer = self._layer()
        found: dict[int, np.ndarray] = {}
        if layer is None:
            return found
        self._read_history(layer)
        data = planes_of(layer)
        if (tuple(data.shape), data.dtype) != (self.shape, self.dtype):
            return found  # `reshaped` comes first
        end = time.monotonic() + seconds
        while self._wanted:
            self._look(data, self._wanted.pop(), found)
            if time.monotonic() > end:
                return found
        if self._filed:
            return found
        for _ in range(len(data)):
            self._look(data, self._next, found)
            self._next = (self._next + 1) % len(data)
            if time.monotonic() > end:
                break
        return found

    def _look(self, data: Any, number: int, found: dict[int, np.ndarray]) -> None:
        plane = np.ascontiguousarray(data[number])
        if _sum(plane) != self._sums[number]:
            copy = plane.copy()
            self._sums[number] = _sum(copy)
            found[number] = copy

    def _on_paint(self, event: Any) -> None:
        layer = self._layer()
        if layer is not None:
            self._wanted |= painted_slices(event.value, len(self._sums), layer.ndim)
            self._woken()

    def _on_data(self, event: Any = None) -> None:
        self._woken()

    def _read_history(self, layer: Labels) -> None:
        """Want the slices that undo and redo changed, or all where that can't be told."""
        data, redone = self._data, self._redone
        self._mark()
        count = len(self._sums)
        if self._data is not data or self._redone < 0:
            self._wanted |= set(range(count))
            return
        undone = self._redone - redone
        if undone:
            for item in last_steps(layer, undone):
                self._wanted |= painted_slices(item, count, layer.ndim)

    def _mark(self) -> None:
        """Remember the array that the layer has, and how much can be redone; -1 if unknown."""
        layer = self._layer()
        # The array itself: the number of one that is gone may be given to another.
        self._data = None if layer is None else layer.data
        self._redone = -1 if layer is None else redo_length(layer)


def planes_of(layer: Labels) -> Any:
    """The data of a layer with its slices along the first axis; a view."""
    data = layer.data
    return data[None] if data.ndim == 2 else data


def can_watch(layer: Any) -> bool:
    """Whether the strokes of a layer can be kept."""
    return (
        isinstance(layer, Labels)
        and not layer.multiscale
        and 2 <= layer.ndim <= 5
        and not is_aside(layer)
    )


def _sum(plane: np.ndarray) -> int:
    return zlib.crc32(np.ascontiguousarray(plane).data)
