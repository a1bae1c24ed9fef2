"""Along which axis the slices of a scan are counted: shown, and changed before labelling."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer
from qtpy.QtWidgets import QComboBox

from napari_dim.errors import InputError
from napari_dim.gui.layers.image_layers import (
    KEY,
    Source,
    go_to_slice,
    labels_array,
    layer_source,
    new_labels,
    placement,
)
from napari_dim.gui.layers.napari_compat import fit_camera
from napari_dim.gui.logic.measures import turned
from napari_dim.gui.session import Session
from napari_dim.gui.widgets.small_widgets import while_alive
from napari_dim.volume import PLANES, Grid


class SliceAxisBox(QComboBox):
    """Shows and changes the plane of the slices of the scan that is worked on."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.addItems(list(PLANES))
        self.setToolTip(
            "How the scan is cut into slices. It can be changed until the first label is painted"
        )
        self.activated.connect(self._on_activated)
        while_alive(self, session.case_changed, self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show the plane of the scan that is worked on."""
        grid = turnable(self.session.image)
        self.setEnabled(grid is not None)
        self.setCurrentText(grid.plane if grid is not None else next(iter(PLANES)))

    def _on_activated(self) -> None:
        from napari.utils.notifications import show_warning

        try:
            turn_slices(self.session, self.currentText())
        except InputError as error:
            show_warning(str(error))
        self.refresh()


def turnable(image: Layer | None) -> Grid | None:
    """The grid of a scan that can be cut in another way; None for pictures and foreign layers."""
    source = None if image is None else image.metadata.get(KEY)
    return source.grid if isinstance(source, Source) and source.kind == "volume" else None


def turn_slices(session: Session, plane: str) -> None:
    """Cut the scan that is worked on into slices of another plane; no voxel is resampled.

    All channels of the scan and its empty labels layers are turned.

    Raises
    ------
    InputError
        If work goes on, or slices are labelled: what was said of them holds for no other plane.
    """
    grid = turnable(session.image)
    if grid is None:
        raise InputError("only scans that napari-dim opened can be cut in another way")
    axis = grid.axis_called(plane)
    if axis == grid.slice_axis:
        return
    session.require_idle()
    together = [layer for layer in session.viewer.layers if _same(turnable(layer), grid)]
    for layer in together:
        if isinstance(layer, Labels) and _labelled(session, layer):
            raise InputError(
                f"slices are labelled in {layer.name}, which holds for {grid.plane} slices alone",
                hint="Change the plane before you label, or delete this layer",
            )
    image, labels = session.image, session.labels
    for layer in together:
        if isinstance(layer, Image):
            rulers, was = session.rulers_of(layer), layer_source(layer).grid
            _turn(layer, axis)
            rulers.start(turned(points, was, layer_source(layer).grid) for points in rulers.done)
            session.autosave.turned(layer)
    for layer in together:
        if isinstance(layer, Labels):
            made = _fresh(layer, image)
            session.viewer.layers.remove(layer)
            session.viewer.add_layer(made)
            labels = made if layer is labels else labels
    session.show_case(None, None)
    session.show_case(image, labels)
    if image is not None:
        fit_camera(session.viewer, image)
        go_to_slice(session.viewer, image, image.data.shape[0] // 2)


def _same(one: Grid | None, other: Grid) -> bool:
    return (
        one is not None
        and one.slice_axis == other.slice_axis
        and one.file_shape == other.file_shape
        and np.array_equal(one.file_affine, other.file_affine)
    )


def _labelled(session: Session, layer: Labels) -> bool:
    mask = session.scans.known_mask(layer)
    return bool(labels_array(layer).any()) or (mask is not None and bool(mask.states.any()))


def _turn(layer: Image, axis: int) -> None:
    source: Source = layer.metadata[KEY]
    grid = replace(source.grid, slice_axis=axis)

    def turned(array: Any) -> Any:
        return grid.to_array(source.grid.to_file(array))

    channels = None if source.channels is None else turned(source.channels)
    layer.data = turned(layer.data)
    new = replace(source, grid=grid, channels=channels)
    for name, value in placement(new, layer.ndim).items():
        if name != "metadata":
            setattr(layer, name, value)
    layer.metadata[KEY] = new


def _fresh(layer: Labels, image: Layer | None) -> Labels:
    """An empty labels layer like `layer`, on the turned scan: its undo history must not live on."""
    assert image is not None
    made = new_labels(image, largest=int(np.iinfo(layer.data.dtype).max), name=layer.name)
    made.colormap = layer.colormap
    made.metadata = {**layer.metadata, **made.metadata}
    return made
