"""The finished mask of a scan, put together from a person's labels and the machine's."""

from __future__ import annotations

import numpy as np
from napari.layers import Labels, Layer

from napari_dim.errors import InputError
from napari_dim.gui.layers import labels_array
from napari_dim.gui.session import Session
from napari_dim.project.states import LABELLED, SliceState

CONFIRMED, FILLED, LAYER = (
    "confirmed slices only",
    "confirmed slices, predictions elsewhere",
    "a layer as it is",
)
"""What a mask may hold."""


def exported(
    session: Session, include: str, image: Layer | None = None
) -> tuple[np.ndarray, str, Labels, np.ndarray]:
    """The mask of an open scan, by default of the one that is worked on.

    Returns
    -------
    mask, text, layer, states
        Class ids ``(slice, row, column)``; what is in it, in words; the layer in whose place
        it lies; a `SliceState` for each slice.

    Raises
    ------
    InputError
        If there is nothing to write.
    """
    annotation, prediction = session.annotation, session.prediction
    if image is not None and image is not session.image:
        labels, prediction = session.labels_of(image), session.prediction_of(image)
        annotation = None if labels is None else session.annotation_of(labels)
    if annotation is None and prediction is None:
        raise InputError("there is nothing to export yet", hint="Label some slices, or train")
    if annotation is None:
        assert prediction is not None
        layer = prediction.layer
        states = np.zeros(len(prediction.mask), np.uint8)
    else:
        layer, states = annotation.layer, annotation.states
    mine = labels_array(layer)
    known = np.isin(states, LABELLED)
    mask = np.zeros_like(mine)
    mask[known] = mine[known]  # of a large scan only a few slices may be labelled
    if annotation is not None and annotation.brush is not None:
        mask[mask == annotation.brush] = 0
    parts = [f"{int(known.sum())} of {len(mask)} slices are labelled"]
    if include == FILLED and prediction is not None and prediction.mask.shape == mask.shape:
        machine = labels_array(prediction.layer)
        rest = ~known & prediction.said
        mask = mask.astype(np.promote_types(mask.dtype, machine.dtype), copy=False)
        mask[rest] = machine[rest]
        for number in np.flatnonzero(states == SliceState.PARTIAL):
            not_painted = mine[number] == 0
            mask[number][not_painted] = machine[number][not_painted]
        states = np.where(rest, SliceState.PREDICTED, states)
        parts.append(f"{int(rest.sum())} are the machine's, as you corrected them")
    else:
        parts.append("the others are left empty")
    return mask, "; ".join(parts) + ".", layer, states
