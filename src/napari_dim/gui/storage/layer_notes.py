"""What is kept of a labels layer beside its voxels: from the layer to a note, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels, Layer

from napari_dim.errors import InputError
from napari_dim.gui.layers.annotation import BRUSH, MARKS
from napari_dim.gui.layers.image_layers import (
    KEY,
    Source,
    current_slice,
    labels_tuple,
    layer_source,
)
from napari_dim.gui.layers.mask_place import fits
from napari_dim.gui.layers.predicted_layer import PLACE, PredictionLayer
from napari_dim.gui.layers.searched_classes import KEY as SEARCHED
from napari_dim.gui.layers.searched_classes import searched_in
from napari_dim.gui.widgets.class_table import KEY as CLASSES
from napari_dim.gui.widgets.class_table import ClassInfo, set_classes
from napari_dim.project.model import GridNote, Note, Place, ProjectClass
from napari_dim.states import SliceState
from napari_dim.volume import Grid

if TYPE_CHECKING:
    from napari_dim.gui.controller import Session


def case_of(session: Session, layer: Layer) -> Image | None:
    """The open scan that a labels layer belongs to."""
    for image, prediction in session.predictions.items():
        if prediction.layer is layer:
            return image if isinstance(image, Image) else None
    if layer is session.labels and session.image is not None:
        return session.image if fits(layer, session.image) else None
    owner = session.owner_of(layer)
    if isinstance(owner, Image):
        return owner
    source = layer.metadata.get(KEY)
    on_it = [image for image in session.layers(Image) if fits(layer, image)]
    same = [i for i in on_it if source is not None and i.metadata.get(KEY) is source]
    return next(iter(same or on_it), None)


def note_of(session: Session, layer: Labels) -> Note:
    """What is known of a layer."""
    made = [p for p in session.predictions.values() if p.layer is layer]
    annotation = None if made else session.annotation_of(layer)
    known = layer.metadata
    fields: dict[str, Any] = {
        "name": layer.name[:1000],
        "role": "prediction" if made else "labels",
        "slice": current_slice(session.viewer, layer),
        "marks": {int(n): int(state) for n, state in known.get(MARKS, {}).items()},
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
    if annotation is not None:
        fields["states"] = "".join(str(int(state)) for state in annotation.states)
    if made:
        fields["touched"] = made[0].noticed
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
    source, flat = _source_of(array, note, image)
    if source is None:
        layer = Labels(array, name=note.name)
    else:
        data, how, _ = labels_tuple(array, source, note.name)
        layer = Labels(data, **{**how, **_place_of(note, image, data.ndim)})
    count = 1 if flat else len(array)
    marks = {n: SliceState(state) for n, state in note.marks.items() if 0 <= n < count}
    if marks:
        layer.metadata[MARKS] = marks
    if note.brush is not None and note.brush <= np.iinfo(layer.data.dtype).max:
        layer.metadata[BRUSH] = note.brush
    if searched := {n: ids for n, ids in note.searched.items() if 0 <= n < count}:
        layer.metadata[SEARCHED] = searched
    if note.classes:
        set_classes(layer, [ClassInfo(c.id, c.name, c.colour) for c in note.classes])
    return layer


def prediction_from(array: np.ndarray, note: Note, image: Image) -> PredictionLayer | None:
    """A prediction as it was kept; None if it doesn't lie on the scan."""
    source = layer_source(image)
    if source.grid.shape != array.shape:
        return None
    like = {name: getattr(image, name) for name in PLACE}
    prediction = PredictionLayer(source, note.name, array.dtype, like)
    prediction.write(np.arange(len(array)), array)
    prediction.leave(n for n in note.touched if 0 <= n < len(array))
    if note.classes:
        set_classes(prediction.layer, [ClassInfo(c.id, c.name, c.colour) for c in note.classes])
    return prediction


def _source_of(array: np.ndarray, note: Note, image: Image | None) -> tuple[Source | None, bool]:
    if image is not None:
        source = layer_source(image)
        if source.grid.shape == array.shape:
            return source, source.kind == "picture"
    if note.grid is not None:
        kept = note.grid
        try:
            grid = Grid(kept.file_shape, np.array(kept.file_affine), kept.slice_axis, kept.unit)
        except (InputError, ValueError):
            return None, False
        if grid.shape == array.shape:
            return Source(grid, kept.kind), kept.kind == "picture"
    return None, False


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
