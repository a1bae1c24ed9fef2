"""A labels layer that the machine fills and a person may correct.

Slices that a person has touched are never written again, so the layer's undo history, which
holds nothing but a person's strokes, always refers to voxels that are still as they were.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels

from napari_dim.gui.layers.annotation import painted_slices
from napari_dim.gui.layers.image_layers import Source, labels_array, labels_tuple

if TYPE_CHECKING:
    from napari_dim.engine.inference.trained_model import Model

PLACE = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
"""What a prediction layer takes over from its image, so that it is shown in the same place."""


class PredictionLayer:
    """Writes masks into a labels layer, but not over a person's corrections.

    Parameters
    ----------
    source
        The grid the masks lie on.
    name
        The layer's name.
    dtype
        Type of the class ids.
    like
        Where the layer is shown, as keywords of `Labels`; by default the source's place.

    Attributes
    ----------
    layer
        The layer; the caller adds it to the viewer.
    mask
        What the machine said last, ``(slice, row, column)``.
    areas
        Pixels that it found in each slice, ``(slice,)``.
    said
        Whether it has said anything of a slice, ``(slice,)`` bool.
    model, run
        What made the masks, and the folder it is saved in; None until it is known.
    unknown
        Slices whose mask by the machine is not known, only what a person made of it.
    entropy, disagreement, confidence
        As in `engine.training.events.Preview`; NaN and None where the machine has not said.
    """

    def __init__(
        self,
        source: Source,
        name: str,
        dtype: np.dtype[Any] | type = np.uint8,
        like: dict[str, Any] | None = None,
    ) -> None:
        self.mask = np.zeros(source.grid.shape, dtype=dtype)
        data, keywords, _ = labels_tuple(self.mask, source, name)
        self.layer = Labels(data, **{**keywords, "opacity": 0.5, **(like or {})})
        self._sums = [_sum(plane) for plane in self.mask]
        self.areas = np.zeros(len(self.mask), dtype=int)
        self.said = np.zeros(len(self.mask), dtype=bool)
        self.entropy = np.full(len(self.mask), np.nan, dtype=np.float32)
        self.disagreement = np.zeros(len(self.mask), dtype=np.float32)
        self.confidence: np.ndarray | None = None
        self.model: Model | None = None
        self.run: Path | None = None
        self._touched: set[int] = set()
        self.unknown: set[int] = set()
        self.layer.events.paint.connect(self._on_paint)

    @property
    def touched(self) -> tuple[int, ...]:
        """Slices that a person has changed, ascending."""
        self._sweep(range(len(self._sums)))
        return tuple(sorted(self._touched))

    @property
    def noticed(self) -> tuple[int, ...]:
        """Slices found so far that a person has changed; `touched` looks at all."""
        return tuple(sorted(self._touched))

    def leave(self, numbers: Iterable[int]) -> None:
        """Take what some slices hold for a person's, made of a mask that is not known."""
        self.unknown |= set(numbers)
        self._touched |= self.unknown

    def write(self, numbers: np.ndarray, masks: np.ndarray) -> list[int]:
        """Write the machine's masks; returns the slices left alone.

        Parameters
        ----------
        numbers
            Slice numbers, ``(n,)``.
        masks
            Class ids, ``(n, row, column)``.
        """
        array = labels_array(self.layer)
        if array.shape != self.mask.shape:
            return [int(n) for n in numbers]  # A person put other data into the layer.
        self.mask = self.mask.astype(np.promote_types(self.mask.dtype, masks.dtype), copy=False)
        if not np.can_cast(masks.dtype, array.dtype, "safe"):
            self._widen(masks.dtype)
            array = labels_array(self.layer)
        numbers = np.asarray(numbers, dtype=int)
        self._sweep(numbers.tolist())
        written = []
        for number, mask in zip(numbers.tolist(), masks, strict=True):
            self.mask[number] = mask
            self.said[number] = True
            self.unknown.discard(number)
            self.areas[number] = np.count_nonzero(mask)
            if number not in self._touched:
                array[number] = mask
                self._sums[number] = _sum(array[number])
                written.append(number)
        if written:
            self.layer.refresh()
        return sorted(set(numbers.tolist()) - set(written))

    def _widen(self, dtype: np.dtype[Any]) -> None:
        """Make room for larger ids."""
        data = np.asarray(self.layer.data)
        # Assigning data keeps napari's undo history; the values are the same, so it stays right.
        self.layer.data = data.astype(np.promote_types(data.dtype, dtype))
        self._sums = [_sum(plane) for plane in labels_array(self.layer)]

    def _sweep(self, numbers: Iterable[int]) -> None:
        """Find slices that changed since the machine wrote them, by whatever way."""
        array = labels_array(self.layer)
        if array.shape == self.mask.shape:
            self._touched |= {n for n in numbers if _sum(array[n]) != self._sums[n]}

    def _on_paint(self, event: Any) -> None:
        # A slice stays touched even when the stroke is undone: it is in the history.
        self._touched |= painted_slices(event.value, len(self._sums), self.layer.ndim)


def _sum(plane: np.ndarray) -> int:
    return zlib.crc32(np.ascontiguousarray(plane).tobytes())
