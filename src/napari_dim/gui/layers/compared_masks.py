"""The masks that can be compared: of the scan, of the machine, in another layer, in a file."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from napari.layers import Image, Labels

from napari_dim.errors import InputError
from napari_dim.gui.layers.image_layers import labels_array, layer_source
from napari_dim.gui.layers.layer_classes import classes_of
from napari_dim.gui.layers.mask_layer import BRUSH, MaskLayer
from napari_dim.gui.layers.mask_place import fits, laid
from napari_dim.gui.layers.napari_compat import painted_slices
from napari_dim.io.labels import image_like


@dataclass(frozen=True)
class Compared:
    """One of two masks.

    Attributes
    ----------
    title
        What it is called.
    plane
        Gives the class ids of a slice, ``(row, column)``; None where it says nothing of it.
    versions
        Gives something for each slice that changes whenever it does.
    names
        Class id -> name, where it has one.
    """

    title: str
    plane: Callable[[int], np.ndarray | None]
    versions: Callable[[], Sequence[object]]
    names: dict[int, str]


def mask_compared(mask: MaskLayer) -> Compared:
    """The mask of the scan, as it is by now."""
    return Compared(
        "the mask",
        lambda number: without(mask.planes[number], mask.brush),
        lambda: mask.versions.tolist(),
        _names(mask.layer),
    )


def answer_compared(mask: MaskLayer) -> Compared:
    """What the machine said last of the scan.

    Raises
    ------
    InputError
        If it has said nothing.
    """
    if not mask.answer.said.any():
        raise InputError("there is no prediction of this scan yet", hint="Train first")

    def plane(number: int) -> np.ndarray | None:
        answer = mask.answer
        return answer.mask[number] if answer.said[number] else None

    def versions() -> list[object]:
        answer = mask.answer
        return [(id(answer), version) for version in answer.versions.tolist()]

    return Compared("the machine's newest answer", plane, versions, _names(mask.layer))


def layer_compared(labels: Labels, image: Image) -> Compared:
    """Another labels layer, laid onto the scan.

    Raises
    ------
    InputError
        If it doesn't lie on the scan.
    """
    planes, _ = laid(labels, image)
    brush, painted = labels.metadata.get(BRUSH), _painted(labels)
    on_it = fits(labels, image)

    def plane(number: int) -> np.ndarray:
        return without((labels_array(labels) if on_it else planes)[number], brush)

    def versions() -> list[object]:
        if not on_it:  # it was laid as it was then
            return [0] * len(planes)
        return [(id(labels.data), painted[number]) for number in range(len(planes))]

    return Compared(labels.name, plane, versions, _names(labels))


def file_compared(path: Path, image: Image) -> Compared:
    """The mask in a file, laid onto the scan.

    Raises
    ------
    InputError
        If it can't be read, doesn't lie on the scan, or is no mask.
    """
    from napari_dim.io import lay_mask, read_classes

    planes = lay_mask(path, layer_source(image)).ids
    if len(planes) > 1 and (why := image_like(planes)):
        raise InputError(why, where=path, hint="Choose a file of class numbers")
    names = {item.id: item.label for item in read_classes(path)}
    return Compared(path.name, lambda number: planes[number], lambda: [0] * len(planes), names)


def _painted(labels: Labels) -> Counter[int]:
    """How often something was painted in each slice of a layer since it was first compared."""
    if labels not in _PAINTED:
        count: Counter[int] = Counter()
        many, ndim = len(labels_array(labels)), labels.ndim
        labels.events.paint.connect(
            lambda event: count.update(painted_slices(event.value, many, ndim))
        )
        _PAINTED[labels] = count
    return _PAINTED[labels]


def without(plane: np.ndarray, brush: int | None) -> np.ndarray:
    """A slice without painted background, which is no part of a mask."""
    return plane if brush is None else np.where(plane == brush, 0, plane)


def _names(layer: Labels) -> dict[int, str]:
    return {info.id: info.name for info in classes_of(layer)}


_PAINTED: weakref.WeakKeyDictionary[Labels, Counter[int]] = weakref.WeakKeyDictionary()
