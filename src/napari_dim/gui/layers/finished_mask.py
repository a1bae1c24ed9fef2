"""The finished mask of a scan, put together from a person's labels and the machine's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from napari.layers import Labels, Layer

from napari_dim.errors import InputError
from napari_dim.gui.controller import Session
from napari_dim.gui.layers.annotation import Annotation
from napari_dim.gui.layers.image_layers import labels_array
from napari_dim.gui.layers.predicted_layer import PredictionLayer
from napari_dim.states import LABELLED, SliceState

CONFIRMED, FILLED, LAYER = (
    "confirmed slices only",
    "confirmed slices, predictions elsewhere",
    "a layer as it is",
)
"""What a mask may hold."""


@dataclass(frozen=True)
class Contents:
    """What a mask is to hold, before it is put together.

    Attributes
    ----------
    layer
        The layer in whose place it lies.
    states
        A `SliceState` for each slice of the mask.
    machine
        Slices that are the machine's, ``(slice,)`` bool.
    text
        All that in words.
    """

    layer: Labels
    states: np.ndarray
    machine: np.ndarray
    text: str


def contents(session: Session, include: str, image: Layer | None = None) -> Contents:
    """What the mask of an open scan would hold; no voxel is looked at.

    Parameters
    ----------
    session
        The session.
    include
        `CONFIRMED` or `FILLED`.
    image
        The scan; by default the one that is worked on.

    Raises
    ------
    InputError
        If there is nothing to write.
    """
    annotation, prediction = _known(session, image)
    if annotation is None and prediction is None:
        raise InputError("there is nothing to export yet", hint="Label some slices, or train")
    if annotation is None:
        assert prediction is not None
        layer = prediction.layer
        states = np.zeros(len(prediction.mask), np.uint8)
    else:
        layer, states = annotation.layer, annotation.states
    known = np.isin(states, LABELLED)
    machine = np.zeros(len(states), bool)
    parts = [f"{int(known.sum())} of {len(states)} slices are labelled"]
    if include == FILLED and prediction is not None and _on_one_grid(prediction, layer):
        machine = ~known & prediction.said
        parts.append(f"{int(machine.sum())} are the machine's, as you corrected them")
    else:
        parts.append("the others are left empty")
    states = np.where(machine, SliceState.MACHINE, states)
    return Contents(layer, states, machine, "; ".join(parts) + ".")


def exported(
    session: Session, include: str, image: Layer | None = None
) -> tuple[np.ndarray, Contents]:
    """The mask of an open scan, class ids ``(slice, row, column)``, and what it holds.

    Parameters and errors as in `contents`.
    """
    what = contents(session, include, image)
    annotation, prediction = _known(session, image)
    mine = labels_array(what.layer)
    known = np.isin(what.states, LABELLED)
    mask = np.zeros_like(mine)
    mask[known] = mine[known]  # of a large scan only a few slices may be labelled
    if annotation is not None and annotation.brush is not None:
        mask[mask == annotation.brush] = 0
    if include == FILLED and prediction is not None and _on_one_grid(prediction, what.layer):
        machine = labels_array(prediction.layer)
        mask = mask.astype(np.promote_types(mask.dtype, machine.dtype), copy=False)
        mask[what.machine] = machine[what.machine]
        for number in np.flatnonzero(what.states == SliceState.PARTIAL):
            not_painted = mine[number] == 0
            mask[number][not_painted] = machine[number][not_painted]
    return mask, what


def _on_one_grid(prediction: PredictionLayer, layer: Labels) -> bool:
    return prediction.mask.shape[-layer.ndim :] == tuple(layer.data.shape)


def _known(
    session: Session, image: Layer | None
) -> tuple[Annotation | None, PredictionLayer | None]:
    """What a person and what the machine said of a scan."""
    if image is None or image is session.image:
        return session.annotation, session.prediction
    labels = session.labels_of(image)
    annotation = None if labels is None else session.annotation_of(labels)
    prediction = session.prediction_of(image)
    return annotation, prediction
