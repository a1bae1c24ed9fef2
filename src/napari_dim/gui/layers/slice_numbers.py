"""One number a slice: napari's slider counts as the file of the scan that is worked on does."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from napari.components import Dims
from napari.layers import Layer


def number_like(viewer: Any, layer: Layer | None) -> None:
    """Let napari's slider count the slices of this layer, whatever else is open.

    napari counts from the first slice of all layers to the last, hidden ones too, and always
    in the direction of its world, where a scan that is stored in reverse lies as its patient
    does: such a scan is counted back. Without a layer napari counts in its own way.
    """
    if layer is None or layer.ndim < 3 or layer not in viewer.layers:
        _count_back(viewer.dims, None)
        return
    axis = viewer.dims.ndim - layer.ndim
    low, high = (float(corner[0]) for corner in layer.extent.world)
    wanted = (low, high, float(layer.extent.step[0]))
    ranges = [tuple(one) for one in viewer.dims.range]
    if not np.allclose(ranges[axis], wanted):
        ranges[axis] = wanted
        viewer.dims.range = tuple(ranges)
    _count_back(viewer.dims, axis if _in_reverse(layer) else None)


def _in_reverse(layer: Layer) -> bool:
    """Whether the slices of a layer follow each other against the direction of the world."""
    first, second = (layer.data_to_world((n, *([0] * (layer.ndim - 1)))) for n in (0, 1))
    return bool(second[0] < first[0])


def _count_back(dims: Dims, axis: int | None) -> None:
    """Count the steps along one axis of a viewer from its end, or along none."""
    kind = Dims if axis is None else _counting_back(axis)
    if type(dims) is kind or type(dims).__module__ not in (Dims.__module__, __name__):
        return  # or somebody else has put a kind of their own there
    object.__setattr__(dims, "__class__", kind)
    dims.events.current_step(value=dims.current_step)


@cache
def _counting_back(back: int) -> type[Dims]:
    """`Dims` whose steps along one axis are counted from its end.

    The slider, the number beside it, arrow keys, playing and other plugins all ask
    `current_step` and `set_current_step`; points of the world stay as they are.
    """

    class CountingBack(Dims):
        # napari reads off a property's code which fields it depends on: they are named in it.
        @property
        def current_step(self) -> tuple[int, ...]:
            found = zip(self.point, self.range, strict=False)
            return turned(self, [round((at - one.start) / (one.step or 1)) for at, one in found])

        @current_step.setter
        def current_step(self, value: Sequence[int]) -> None:
            wanted = zip(turned(self, value), self.range, strict=False)
            self.point = tuple(one.start + step * (one.step or 1) for step, one in wanted)

        def set_current_step(self, axis: int | Sequence[int], value: int | Sequence[int]) -> None:
            steps = dict(zip(np.atleast_1d(axis), np.atleast_1d(value), strict=True))
            if back in steps:
                steps[back] = self.nsteps[back] - 1 - steps[back]
            super().set_current_step([int(one) for one in steps], list(steps.values()))

    def turned(dims: Dims, steps: Sequence[int]) -> tuple[int, ...]:
        last = dims.nsteps[back] - 1 if back < dims.ndim else 0
        return tuple(last - step if n == back else step for n, step in enumerate(steps))

    return CountingBack
