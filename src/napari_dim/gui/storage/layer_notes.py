"""What is kept of a labels layer beside its voxels: from the layer to a note, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels, Layer

from napari_dim.errors import InputError
from napari_dim.gui.layers.image_layers import (
    KEY,
    PLACE,
    Source,
    labels_tuple,
    layer_source,
    slice_of,
)
from napari_dim.gui.layers.layer_classes import KEY as CLASSES
from napari_dim.gui.layers.layer_classes import ClassInfo, set_classes
from napari_dim.gui.layers.mask_layer import BRUSH, LEFT, SCORES, STATES, MaskLayer
from napari_dim.gui.layers.mask_place import fits
from napari_dim.gui.layers.searched_classes import KEY as SEARCHED
from napari_dim.gui.layers.searched_classes import searched_in
from napari_dim.project.model import GridNote, Note, Place, ProjectClass
from napari_dim.states import LABELLED, SliceState, known_states
from napari_dim.volume import Grid

if TYPE_CHECKING:
    from napari_dim.gui.session import Session


def case_of(session: Session, layer: Layer) -> Image | None:
    """The open scan that a labels layer belongs to."""
    if layer is session.labels and session.image is not None:
        return session.image if fits(layer, session.image) else None
    owner = session.scans.owner_of(layer)
    if isinstance(owner, Image):
        return owner
    source = layer.metadata.get(KEY)
    on_it = [image for image in session.scans.layers(Image) if fits(layer, image)]
    same = [i for i in on_it if source is not None and i.metadata.get(KEY) is source]
    return next(iter(same or on_it), None)


def note_of(session: Session, layer: Labels) -> Note:
    """What is known of a layer."""
    mask, known = session.scans.known_mask(layer), layer.metadata
    fields: dict[str, Any] = {
        "name": layer.name[:1000],
        "role": "labels" if mask is None else "mask",
        "slice": slice_of(session.viewer, layer),
        "in_hand": int(layer.selected_label),
        "brush_size": int(layer.brush_size),
        "brush": None if known.get(BRUSH) is None else int(known[BRUSH]),
        "searched": searched_in(layer),
        "classes": tuple(
            ProjectClass(id=info.id, name=info.name[:200] or "-", colour=info.colour)
            for info in known.get(CLASSES, ())
        ),
        "place": Place(
            scale=_row(layer.scale),
            translate=_row(layer.translate),
            rotate=_matrix(layer.rotate),
            shear=_row(layer.shear),
            affine=_matrix(layer.affine.affine_matrix),
            units=tuple(str(unit) for unit in layer.units),
            axis_labels=tuple(layer.axis_labels),
        ),
    }
    if mask is not None:
        fields["states"] = "".join(str(int(state)) for state in mask.states)
        fields["touched"] = mask.left
        fields["scores"] = {one.number: (one.labelled, round(one.dice, 4)) for one in mask.scores}
    try:
        source = layer_source(layer)
    except InputError:
        return Note(**fields)
    grid = source.grid
    fields["grid"] = GridNote(
        file_shape=grid.file_shape,
        file_affine=_matrix(grid.file_affine),
        slice_axis=grid.slice_axis,
        unit=grid.unit,
        kind=source.kind,
    )
    return Note(**fields)


def labels_from(array: np.ndarray, note: Note, image: Image | None) -> Labels:
    """A labels layer as it was kept.

    Parameters
    ----------
    array
        Class ids, ``(slice, row, column)``.
    image
        The scan it lies on, if it is open: their places are shared.
    """
    source = _source_of(array, note, image)
    if source is None:
        layer = Labels(array, name=note.name)
    else:
        data, how, _ = labels_tuple(array, source, note.name)
        layer = Labels(data, **{**how, **_place_of(note, image, data.ndim)})
    count = len(array)  # 1 for a single picture
    states = states_from(array, note)
    if states is not None:
        layer.metadata[STATES] = states
        layer.metadata[LEFT] = note.touched
    if note.scores:
        layer.metadata[SCORES] = tuple((n, *one) for n, one in sorted(note.scores.items()))
    if note.brush is not None and note.brush <= np.iinfo(layer.data.dtype).max:
        layer.metadata[BRUSH] = note.brush
    if searched := {n: ids for n, ids in note.searched.items() if 0 <= n < count}:
        layer.metadata[SEARCHED] = searched
    if note.classes:
        set_classes(layer, [ClassInfo(c.id, c.name, c.colour) for c in note.classes])
    if note.in_hand in {c.id for c in note.classes}:
        layer.selected_label = note.in_hand
    if note.brush_size:
        layer.brush_size = note.brush_size
    return layer


def states_from(array: np.ndarray, note: Note) -> np.ndarray | None:
    """The states that were kept of a layer, ``(slice,)`` uint8; None where none were.

    Of a layer that only a person wrote into, what was marked as predicted was filled in.
    """
    if len(note.states) != len(array):
        return None
    areas = np.array([np.count_nonzero(plane) for plane in array])
    states = known_states(np.array([int(digit) for digit in note.states], np.uint8), areas)
    if note.role == "labels":
        states[states == SliceState.MACHINE] = SliceState.FILLED
    return states


def take_over(mask: MaskLayer, prediction: np.ndarray, note: Note) -> str:
    """Put the machine's layer of an older project into the one mask of its scan.

    A person's slices stay; all others show the prediction: the machine's, or corrected where a
    person had changed it.

    Parameters
    ----------
    mask
        The scan's mask, with a person's labels.
    prediction
        Class ids, ``(slice, row, column)``.
    note
        What was kept of the prediction.

    Returns
    -------
    str
        What was done, for the user.
    """
    states, touched = mask.states, set(note.touched)
    mine = np.isin(states, (*LABELLED, SliceState.FILLED))
    others = [int(n) for n in np.flatnonzero(~mine)]
    for number in others:
        states[number] = SliceState.CORRECTED if number in touched else SliceState.MACHINE
    mask.make_room(prediction.dtype)
    mask.planes[others] = prediction[others]
    mask.start(mask.planes, states)
    heard = [n for n in range(len(prediction)) if n not in touched]
    mask.answer.take(np.array(heard, int), prediction[heard])
    mask.layer.refresh()
    fixed = sum(1 for n in others if n in touched)
    lost = len(touched) - fixed
    text = (
        f"labels and prediction are one mask now: {int(mine.sum())} slices are yours, "
        f"{len(others) - fixed} the machine's, {fixed} the machine's as you corrected it"
    )
    if lost:
        text += f"; of {lost} slices that you had both labelled and corrected, the labels stay"
    return text


def _source_of(array: np.ndarray, note: Note, image: Image | None) -> Source | None:
    if image is not None:
        source = layer_source(image)
        if source.grid.shape == array.shape:
            return source
    if note.grid is not None:
        kept = note.grid
        try:
            grid = Grid(kept.file_shape, np.array(kept.file_affine), kept.slice_axis, kept.unit)
        except (InputError, ValueError):
            return None
        if grid.shape == array.shape:
            return Source(grid, kept.kind)
    return None


def _place_of(note: Note, image: Image | None, ndim: int) -> dict[str, Any]:
    """Where a layer is shown: where its scan is, else where it was."""
    if image is not None and image.ndim == ndim:
        return {name: getattr(image, name) for name in PLACE}
    place = note.place
    if place is None or len(place.scale) != ndim:
        return {}
    how: dict[str, Any] = {"scale": place.scale, "translate": place.translate}
    if len(place.units) == ndim:
        how["units"] = place.units
    if len(place.axis_labels) == ndim:
        how["axis_labels"] = place.axis_labels
    for name, size in (("rotate", ndim), ("affine", ndim + 1)):
        matrix = np.array(getattr(place, name), dtype=float)
        if matrix.shape == (size, size) and abs(np.linalg.det(matrix)) > 1e-9:
            how[name] = matrix
    if len(place.shear) == ndim * (ndim - 1) // 2:
        how["shear"] = place.shear
    return how


def _row(values: Any) -> tuple[float, ...]:
    return tuple(float(v) for v in np.asarray(values).ravel())


def _matrix(values: Any) -> tuple[tuple[float, ...], ...]:
    return tuple(_row(row) for row in np.atleast_2d(np.asarray(values, dtype=float)))
