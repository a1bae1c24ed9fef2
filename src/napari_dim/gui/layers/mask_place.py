"""Whether a labels layer lies on a scan, and laying it there: by place, never by shape alone."""

from __future__ import annotations

import numpy as np
from napari.layers import Labels, Layer

from napari_dim.errors import InputError
from napari_dim.gui.layers.image_layers import (
    KEY,
    PLACE,
    Source,
    in_place_of,
    labels_array,
    layer_source,
    placement,
    spatial_shape,
)
from napari_dim.io.geometry import Fit, fit, lay_ids
from napari_dim.io.pictures.picture_reader import untagged
from napari_dim.volume import Grid

_DECIDED = "napari_dim_decided"
"""Where a mask's metadata hold what was decided when it was laid onto its scan."""
_SHOWN_FAR = 0.6
"""Voxels that a layer of unknown origin may be shown beside the scan: napari rounds new ones."""


def fits(labels: Layer, image: Layer) -> bool:
    """Whether each voxel of a labels layer is the scan's voxel of the same index."""
    try:
        shape = spatial_shape(labels)
        if shape != spatial_shape(image):
            return False
        found, like = _found(labels, image)
        cuts = {_cut(layer) for layer in (labels, image)} - {None}
        return found.same(like.grid) and len(cuts) < 2
    except InputError:
        return False


def from_file(labels: Layer) -> bool:
    """Whether a layer knows the file that it was read from."""
    source = _source(labels)
    return source is not None and source.path is not None


def why_not(labels: Layer, image: Layer) -> str:
    """Why a labels layer can't be laid onto a scan; empty if it can."""
    try:
        _found(labels, image)
    except InputError as error:
        return error.problem
    return ""


def laid(labels: Labels, image: Layer) -> tuple[np.ndarray, tuple[str, ...]]:
    """The ids of a labels layer, ``(slice, row, column)`` on the grid of a scan, and notes.

    Raises
    ------
    InputError
        If it doesn't lie on the scan.
    """
    if fits(labels, image):
        return labels_array(labels), ()
    try:
        found, like = _found(labels, image)
        mine = _source(labels)
        grid = layer_source(labels).grid if mine is not None else _shown(labels)
        ids = grid.to_file(labels_array(labels)) if mine is not None else _reversed(labels)
        done = lay_ids(ids, found, like.grid)
    except InputError as error:
        raise InputError(error.problem, where=labels.name, hint=error.hint) from None
    if mine is not None and _source(image) is not None:
        return done.ids, done.notes
    return np.transpose(like.grid.to_file(done.ids), (2, 1, 0)), done.notes


def lay_onto(labels: Labels, image: Layer) -> tuple[str, ...]:
    """Give a labels layer the voxels, place and source of the scan that it belongs to.

    Raises
    ------
    InputError
        If it doesn't lie on the scan; the layer is as before.
    """
    ids, notes = laid(labels, image)
    own, source = _source(labels), layer_source(image)
    data = np.array(ids[0] if source.flat else ids, order="C")
    if data.ndim != labels.ndim:  # a picture's mask in a file of slices, or the reverse
        labels.data = data
    for name, value in in_place_of(image, source).items():
        if name != "metadata":
            setattr(labels, name, value)
    if labels.data is not data:
        labels.data = data
    told = (*(own.notes if own is not None else ()), *notes)
    labels.metadata = {**labels.metadata, KEY: source, _DECIDED: told}
    return notes


def decided_of(labels: Layer, image: Layer) -> tuple[str, ...]:
    """What was decided when a mask was read and laid onto its scan."""
    if _DECIDED in labels.metadata:
        return tuple(labels.metadata[_DECIDED])
    mine, yours = _source(labels), _source(image)
    if mine is None or (yours is not None and mine.path == yours.path):
        return ()
    if yours is None:
        return mine.notes
    notes = mine.notes
    turn = int(yours.header.get("orientation", 1))
    if turn != 1 and mine.header.get("orientation") == 1:
        notes += (untagged(turn),)
    try:
        return (*notes, *fit(mine.grid, yours.grid).notes)
    except InputError:
        return notes


def move_with(labels: Labels, image: Layer) -> None:
    """Show a mask where its scan is shown by now.

    A scan that knows its file stays in the place that the file says, however it is shown; any
    other lies where it is shown, and so does its mask from now on.
    """
    if labels.ndim != image.ndim:
        return
    for name in PLACE:
        value = getattr(image, name)
        if not _same(getattr(labels, name), value):
            setattr(labels, name, value)
    if not isinstance(image.metadata.get(KEY), Source):
        labels.metadata[KEY] = layer_source(image)


def place_words(labels: Layer) -> tuple[str, bool]:
    """Whose geometry a mask is written with and why, and whether the window shows it elsewhere."""
    source = layer_source(labels)
    if source.path is None:
        return "where the window shows the scan, which knows no file", False
    shown = placement(source, labels.ndim)
    plain = Labels(np.zeros((1,) * labels.ndim, np.uint8), scale=shown["scale"],
                   translate=shown["translate"])  # fmt: skip
    ends = ((0,) * labels.ndim, (1,) * labels.ndim)
    moved = not all(
        np.allclose(labels.data_to_world(at), plain.data_to_world(at), atol=1e-4) for at in ends
    )
    if moved:
        return (
            "where the scan's file says; the window shows the scan elsewhere since its scale or "
            "place was changed there, which is not written",
            True,
        )
    return "where the scan's file says", False


def _same(one: object, other: object) -> bool:
    if hasattr(other, "affine_matrix"):
        return np.array_equal(one.affine_matrix, other.affine_matrix)  # type: ignore[attr-defined]
    return np.array_equal(np.asarray(one), np.asarray(other))


def _found(labels: Layer, image: Layer) -> tuple[Fit, Source]:
    """How a layer lies on a scan: in the patient where both files say so, else in the window."""
    mine, yours = _source(labels), _source(image)
    if mine is not None and yours is not None:
        return fit(mine.grid, yours.grid), yours
    like = Source(_shown(image))
    if _bare(labels) and spatial_shape(labels) == spatial_shape(image):
        return Fit(np.array([[0, 1], [1, 1], [2, 1]]), (0, 0, 0), like.grid.file_shape), like
    return fit(_shown(labels), like.grid, _SHOWN_FAR), like


def _source(layer: Layer) -> Source | None:
    """What a layer remembers of its file, if that is still true of its shape."""
    source = layer.metadata.get(KEY)
    return source if isinstance(source, Source) and layer_source(layer) is source else None


def _cut(layer: Layer) -> int | None:
    """Along which axis of its file a layer is cut, if it came from one."""
    source = _source(layer)
    return None if source is None else source.grid.slice_axis


def _bare(layer: Layer) -> bool:
    """Whether a layer was never put anywhere: it has no place of its own."""
    ndim = layer.ndim
    corner, ahead = layer.data_to_world((0,) * ndim), layer.data_to_world((1,) * ndim)
    return not np.any(corner) and bool(np.allclose(ahead, 1.0))


def _shown(layer: Layer) -> Grid:
    """Where the window shows a layer, as a grid whose file axes are the array's, reversed."""
    shape = spatial_shape(layer)
    ndim, lead = len(shape), 3 - len(shape)
    start = np.asarray(layer.data_to_world((0,) * ndim), dtype=float)
    affine = np.eye(4)
    affine[:ndim, 3] = start[::-1]
    for axis in range(ndim):
        ahead = np.asarray(layer.data_to_world([float(i == axis) for i in range(ndim)]))
        affine[:ndim, ndim - 1 - axis] = (ahead - start)[::-1]
    sizes = (*shape[::-1], *(1,) * lead)
    return Grid((sizes[0], sizes[1], sizes[2]), affine, 2)


def _reversed(labels: Labels) -> np.ndarray:
    return np.transpose(labels_array(labels), (2, 1, 0))
