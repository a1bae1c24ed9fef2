"""Strokes in a plane that runs through all slices, on the one mask.

They go the way of napari's own: the same events, so that provenance, undo and the journal
hear of them. Of a slice that nobody stood behind, a stroke through many says nothing but of
what is painted: it becomes partial. One that the machine made is corrected in place.
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack

import numpy as np
from napari.layers import Labels

from napari_dim.editing.intensity_ranges import hanging_together
from napari_dim.editing.kept_classes import free
from napari_dim.errors import InputError
from napari_dim.gui.layers.locked_layer import why_locked
from napari_dim.gui.layers.mask_layer import MaskLayer
from napari_dim.gui.layers.plane_layers import voxel_size
from napari_dim.gui.logic.cross_planes import CrossPlane
from napari_dim.gui.tools.brush import along
from napari_dim.states import SliceState
from napari_dim.words import count as counted


class CrossStroke:
    """One stroke of the brush or the eraser; it is one step of undoing once it has ended.

    Parameters
    ----------
    mask
        The mask that is drawn in.
    plane, number
        Where.
    erase
        Whether it takes away.

    Raises
    ------
    InputError
        If nothing can be drawn in this mask.
    """

    def __init__(
        self, mask: MaskLayer, plane: CrossPlane, number: int, *, erase: bool = False
    ) -> None:
        self._layer = drawable(mask)
        self._mask, self._plane, self._number = mask, plane, number
        self._value = 0 if erase else int(self._layer.selected_label)
        self._radius = brush_radius(self._layer) / np.array(voxel_size(self._layer))
        if self._layer.n_edit_dimensions < 3:
            self._radius[plane.along] = 0
        self._touched: set[int] = set()
        self._last: np.ndarray | None = None
        self._open = ExitStack()
        self._open.enter_context(mask.across())
        self._open.enter_context(self._layer.block_history())

    def go(self, place: np.ndarray) -> None:
        """Draw from where it was last to a place in the plane."""
        places = along(place if self._last is None else self._last, place)
        self._last = np.asarray(place, float)
        voxels = np.array([self._plane.voxel(self._number, one) for one in places])
        at = _touched(voxels, self._radius, self._layer.data.shape)
        self._touched |= _set(self._mask, at, self._value)

    def end(self) -> str:
        """The mouse is up: returns what was done, for people."""
        self._open.close()
        return told_of(self._mask, self._touched)


def fill(mask: MaskLayer, plane: CrossPlane, number: int, place: np.ndarray) -> str:
    """Fill what hangs together with a place and is of its class, in one plane; says what it did.

    Raises
    ------
    InputError
        If nothing can be drawn in this mask.
    """
    layer = drawable(mask)
    shown = plane.cut(layer.data, number)
    down, right = np.rint(place).astype(int)
    if not (0 <= down < shown.shape[0] and 0 <= right < shown.shape[1]):
        return ""
    there = shown == shown[down, right]
    if layer.contiguous:
        spot = np.zeros(there.shape, bool)
        spot[down, right] = True
        there = hanging_together(there, spot)
    index = plane.voxels(number, there)
    with mask.across(), layer.block_history():
        touched = _set(mask, index, int(layer.selected_label))
    return told_of(mask, touched)


def brush_radius(layer: Labels) -> float:
    """The radius of a layer's brush on the screen, in units of the world."""
    sizes = voxel_size(layer)
    return float(np.floor(layer.brush_size / 2) + 0.5) * min(sizes[1:])


def drawable(mask: MaskLayer) -> Labels:
    """The layer of a mask.

    Raises
    ------
    InputError
        If nothing can be drawn in it.
    """
    layer = mask.layer
    if why := why_locked(layer):
        raise InputError(why, where=layer.name)
    if not layer.editable:
        raise InputError("this mask can only be looked at", where=layer.name)
    return layer


def told_of(mask: MaskLayer, touched: set[int]) -> str:
    """What became of the slices that a stroke went through."""
    if not touched:
        return ""
    states = mask.states
    now = Counter(SliceState(int(states[number])) for number in touched)
    parts = ", ".join(f"{number} {state.name.lower()}" for state, number in now.most_common())
    return f"Through {counted(len(touched), 'slice')}: {parts}. Ctrl-Z takes it back"


def _touched(
    voxels: np.ndarray, radius: np.ndarray, shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Voxels that a round brush touches in some places: indices along each axis."""
    middles = np.unique(np.rint(voxels).astype(int), axis=0)
    reach = np.floor(radius).astype(int)
    low = np.maximum(middles.min(0) - reach, 0)
    high = np.minimum(middles.max(0) + reach + 1, shape)
    if (low >= high).any():
        none = np.zeros(0, int)
        return none, none, none
    box = np.zeros(high - low, bool)
    for middle in middles:
        first = np.maximum(middle - reach, low)
        last = np.minimum(middle + reach + 1, high)
        if (first >= last).any():
            continue
        away: np.ndarray = np.zeros(())
        for axis in range(3):
            line = (np.arange(first[axis], last[axis]) - middle[axis]) / max(radius[axis], 0.5)
            away = away + (line**2).reshape([-1 if axis == a else 1 for a in range(3)])
        box[tuple(slice(a, b) for a, b in zip(first - low, last - low, strict=True))] |= away <= 1
    found = np.nonzero(box)
    return found[0] + low[0], found[1] + low[1], found[2] + low[2]


def _set(mask: MaskLayer, at: tuple[np.ndarray, np.ndarray, np.ndarray], value: int) -> set[int]:
    """Write a class where napari's brush would, too; returns the slices that changed."""
    layer = mask.layer
    if not at[0].size:
        return set()
    there = layer.data[at]
    wanted = there != value
    wanted &= free(there, mask.only)
    if not wanted.any():
        return set()
    changed = (at[0][wanted], at[1][wanted], at[2][wanted])
    layer.data_setitem(changed, value)
    return {int(number) for number in np.unique(changed[0])}
