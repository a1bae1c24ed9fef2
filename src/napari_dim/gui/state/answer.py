"""What the machine said last of a scan, whoever drew what is shown of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from napari_dim.engine.inference.trained_model import Model


class Answer:
    """The machine's newest masks of a scan, and how sure it is.

    Parameters
    ----------
    shape
        ``(slice, row, column)``.
    dtype
        Type of the class ids.

    Attributes
    ----------
    mask
        Class ids, ``(slice, row, column)``.
    said
        Whether the machine has said anything of a slice, ``(slice,)`` bool.
    areas
        Pixels that it found in each slice, ``(slice,)``.
    versions
        A number of each slice that changes whenever its mask may have, ``(slice,)``.
    entropy, disagreement, confidence
        As in `engine.training.events.Preview`; NaN, 0 and None where it has not said.
    model, run
        What made the masks, and the folder it is saved in; None until it is known.
    made
        What is known of a model of another day that made them; None where nothing is.
    """

    def __init__(self, shape: tuple[int, int, int], dtype: np.dtype[Any] | type = np.uint8) -> None:
        self.mask = np.zeros(shape, dtype=dtype)
        self.said = np.zeros(shape[0], dtype=bool)
        self.areas = np.zeros(shape[0], dtype=int)
        self.versions = np.zeros(shape[0], dtype=int)
        self.entropy = np.full(shape[0], np.nan, dtype=np.float32)
        self.disagreement = np.zeros(shape[0], dtype=np.float32)
        self.confidence: np.ndarray | None = None
        self.model: Model | None = None
        self.run: Path | None = None
        self.made: Mapping[str, Any] | None = None

    @property
    def maker(self) -> object:
        """The same for masks of one model, another for those of others; None if it isn't known."""
        if self.model is not None:
            return id(self.model)
        return None if self.made is None else self.made.get("weights_sha256")

    def take(self, numbers: np.ndarray, masks: np.ndarray) -> None:
        """Keep new masks.

        Parameters
        ----------
        numbers
            Slice numbers, ``(n,)``.
        masks
            Class ids, ``(n, row, column)``.
        """
        self.mask = self.mask.astype(np.promote_types(self.mask.dtype, masks.dtype), copy=False)
        for number, mask in zip(np.asarray(numbers, dtype=int).tolist(), masks, strict=True):
            self.mask[number] = mask
            self.said[number] = True
            self.settle(number)

    def settle(self, number: int) -> None:
        """What was written into the mask of a slice is known."""
        self.areas[number] = np.count_nonzero(self.mask[number])
        self.versions[number] += 1
