"""What a person does with classes, and with the marks what they looked for, as steps of undoing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from napari.layers import Labels

from napari_dim.gui.layers.layer_classes import KEY as CLASSES
from napari_dim.gui.layers.mask_layer import MaskLayer
from napari_dim.gui.layers.searched_classes import KEY as SEARCHED


def kept_beside(layer: Labels) -> dict[str, Any]:
    """What is kept of classes beside the voxels: their names, colours and order, and marks."""
    return {key: layer.metadata.get(key) for key in (CLASSES, SEARCHED)}


@contextmanager
def one_step(mask: MaskLayer, title: str) -> Iterator[None]:
    """What changes of the classes meanwhile is one step of undoing, with an act done meanwhile."""
    before, last = kept_beside(mask.layer), mask.steps.last
    yield
    if kept_beside(mask.layer) != before:
        done = mask.steps.last
        mask.note(title, before, into=None if done is last else done)
