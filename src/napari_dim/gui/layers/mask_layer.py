"""The layer that shows the mask of a scan, and in which a person corrects it."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from napari.layers import Labels
from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_dim.errors import InputError
from napari_dim.gui.layers.image_layers import labels_array
from napari_dim.gui.layers.locked_layer import why_locked
from napari_dim.gui.layers.napari_compat import (
    forget_undo,
    keep_outlines_in_slice,
    lead_undo,
    painted_slices,
    stroke_goes_on,
)
from napari_dim.gui.state.act import Act
from napari_dim.gui.state.answer import Answer
from napari_dim.gui.state.scan_mask import ScanMask
from napari_dim.gui.state.score import Score
from napari_dim.gui.state.undo_steps import UndoSteps

STATES = "napari_dim_states"
"""Where a layer's metadata hold the states that its mask begins with, ``(slice,)``."""
LEFT = "napari_dim_left"
"""Where they hold the slices that a person emptied, `ScanMask.left`."""
SCORES = "napari_dim_scores"
"""Where they hold the scores of an earlier day: tuples of slice, labelled slices, Dice."""
BRUSH = "napari_dim_background"
"""Where they hold the id that paints background in partial slices."""

_BRUSHES = ("paint", "fill", "polygon")


class MaskLayer(ScanMask):
    """A `ScanMask` whose voxels are those of a labels layer.

    Strokes of any tool become acts once napari has told of them; `layer.undo` and
    `layer.redo` go through these acts, whoever calls them.

    Parameters
    ----------
    layer
        The layer; not kept alive.
    """

    renamed = Signal(object)
    """The mask itself, where undoing changed what is kept beside its voxels."""

    def __init__(self, layer: Labels) -> None:
        if not isinstance(layer.data, np.ndarray):
            layer.data = np.array(layer.data)  # Strokes need memory to go into.
        self._layer = weakref.ref(layer)
        self._data = layer.data
        self._waiting: set[int] = set()
        self._noticed: set[int] = set()
        self._through = self._across = False
        super().__init__(labels_array(layer), layer.metadata.get(STATES))
        self.leave(layer.metadata.get(LEFT, ()))
        self.remember(Score(*one) for one in layer.metadata.get(SCORES, ()))
        layer.events.paint.connect(self._on_paint)
        layer.events.set_data.connect(self._on_data)
        self.wrote.connect(self._on_wrote)
        lead_undo(layer, self.undo, self.redo)
        keep_outlines_in_slice(layer)
        forget_undo(layer)

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
    def brush(self) -> int | None:
        """The id that paints background in partial slices; None before it is first wanted."""
        brush = self.layer.metadata.get(BRUSH)
        return None if brush is None else int(brush)

    @property
    def only(self) -> int | None:
        """The class in the hand, where *preserve labels* is ticked: all others stay then."""
        layer = self.layer
        return int(layer.selected_label) if layer.preserve_labels else None

    def background_brush(self) -> int:
        """The id that paints background; one that no class has, chosen at the first call."""
        if self.brush is None:
            dtype = self.planes.dtype
            free = int(np.iinfo(dtype).max) if dtype.itemsize < 4 else 2**16 - 1
            while free in self.planes:
                free -= 1
            self.layer.metadata[BRUSH] = free
        brush = self.brush
        assert brush is not None
        return brush

    @property
    def states(self) -> np.ndarray:
        """One `SliceState` a slice, ``(slice,)`` uint8; strokes that are done are known."""
        self._catch_up()
        return super().states

    @property
    def areas(self) -> np.ndarray:
        """Pixels of each slice that are not 0, ``(slice,)``; strokes that are done are known."""
        self._catch_up()
        return super().areas

    @property
    def versions(self) -> np.ndarray:
        """As `ScanMask.versions`; strokes that are done are known."""
        self._catch_up()
        return super().versions

    @property
    def labelled(self) -> tuple[int, ...]:
        """Numbers of the slices that training takes labels from, ascending."""
        self._catch_up()
        return super().labelled

    @property
    def steps(self) -> UndoSteps[Act]:
        """The acts that can be taken back; strokes that are done are known."""
        self._catch_up()
        return super().steps

    def hear(self, answer: Answer) -> None:
        """Take over what is known of the machine's masks."""
        self.make_room(answer.mask.dtype)
        super().hear(answer)

    def take(self, numbers: np.ndarray, masks: np.ndarray) -> list[int]:
        """Hear the machine's newest masks, as `ScanMask.take`; larger ids make room."""
        self._catch_up()
        if masks.shape[1:] != self.planes.shape[1:] or self.layer.data is not self._data:
            return [int(n) for n in numbers]  # A person put other data into the layer.
        self.make_room(masks.dtype)
        return super().take(numbers, masks)

    def undo(self) -> Act | None:
        """Take back the last act; nothing in the middle of a stroke."""
        if stroke_goes_on(self.layer):
            return None
        self._catch_up()
        return super().undo()

    def redo(self) -> Act | None:
        """Do again what was taken back last; nothing in the middle of a stroke."""
        if stroke_goes_on(self.layer):
            return None
        self._catch_up()
        return super().redo()

    def notice(self, numbers: Iterable[int]) -> None:
        """Look at slices that were written into, once a stroke that goes on is done.

        A stroke is one act however long the mouse is down.
        """
        self._noticed |= set(numbers)
        self._catch_up()

    @contextmanager
    def across(self) -> Iterator[None]:
        """A stroke that ends meanwhile goes across the slices, however few it meets.

        What it paints in a slice that nobody stood behind says nothing of the rest of it.
        """
        self._across = True
        try:
            yield
        finally:
            self._across = False

    def make_room(self, dtype: np.dtype[Any]) -> None:
        """Let the array hold larger ids."""
        wanted = np.promote_types(self._data.dtype, dtype)
        if wanted != self._data.dtype:
            layer = self.layer
            self._data = np.asarray(layer.data).astype(wanted)
            layer.data = self._data
            self.rebind(labels_array(layer))

    def _prepare(self, planes: Mapping[int, np.ndarray]) -> None:
        """Strokes come first; larger ids make room.

        Raises
        ------
        InputError
            If the layer can only be looked at.
        """
        if why := why_locked(self.layer):
            raise InputError(why, where=self.layer.name)
        self._catch_up()
        for plane in planes.values():
            if plane.size and int(plane.max()) > np.iinfo(self.planes.dtype).max:
                self.make_room(plane.dtype)

    def _swap_beside(self, kept: Mapping[str, object]) -> Mapping[str, object]:
        known = self.layer.metadata
        now = {key: known.get(key) for key in kept}
        known.update(kept)
        for key in [key for key, value in kept.items() if value is None]:
            del known[key]
        self.renamed.emit(self)
        return now

    def _catch_up(self) -> None:
        """Strokes that napari has told of become acts."""
        waiting, self._waiting = self._waiting, set()
        if waiting:
            self.look(waiting, through=self._through)
        layer = self._layer()
        if layer is None:
            return
        forget_undo(layer)
        if self._noticed and not stroke_goes_on(layer):
            noticed, self._noticed = self._noticed, set()
            self.look(noticed)

    def _on_paint(self, event: Any) -> None:
        # napari sends this before it has written what `data_setitem` was given.
        self._catch_up()
        layer = self.layer
        self._waiting = painted_slices(event.value, len(self.planes), layer.ndim)
        many = len(self._waiting) > 1 and str(layer.mode) in _BRUSHES
        self._through = self._across or many
        QTimer.singleShot(0, self._soon)

    def _soon(self) -> None:
        if self._layer() is not None:
            self._catch_up()

    def _on_data(self, event: Any = None) -> None:
        """Other data were put into the layer; this comes for every slice shown, too."""
        layer = self.layer
        if layer.data is self._data:
            return
        self._data = layer.data
        self._waiting, self._noticed = set(), set()
        planes = labels_array(layer)
        if planes.shape == self.planes.shape:
            self.rebind(planes)
        else:
            self.start(planes)

    def _on_wrote(self, numbers: frozenset[int]) -> None:
        self.layer.refresh()
