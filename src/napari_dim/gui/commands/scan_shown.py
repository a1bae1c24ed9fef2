"""One scan at a time on the screen, of several that are open, and no mask beneath another scan."""

from __future__ import annotations

import numpy as np
from napari.layers import Image, Labels, Layer

from napari_dim.gui.layers.image_layers import go_to_slice, layer_path
from napari_dim.gui.layers.napari_compat import fit_camera
from napari_dim.gui.session import Session


def below_masks(session: Session, image: Layer) -> None:
    """Put a scan that was just opened beneath all masks: it must not cover what is painted."""
    layers = session.viewer.layers
    if image not in layers:
        return
    masks = [layers.index(one) for one in layers if session.scans.known_mask(one) is not None]
    if masks and layers.index(image) > min(masks):
        selected = layers.selection.active
        layers.move(layers.index(image), min(masks))
        layers.selection.active = selected


def centre_on(session: Session, image: Layer, number: int, row: float, column: float) -> None:
    """Show a slice of a scan with a place of it, in pixels, in the middle of the canvas."""
    go_to_slice(session.viewer, image, number)
    viewer = session.viewer
    if viewer.dims.ndisplay == 2 and tuple(viewer.dims.displayed) == tuple(viewer.dims.order[-2:]):
        at = np.asarray(image.data_to_world((number, row, column)[-image.ndim :]), float)
        middle = np.array(viewer.camera.center, float)
        middle[-2:] = at[[axis - viewer.dims.ndim for axis in viewer.dims.displayed]]
        viewer.camera.center = tuple(middle)


def show_alone(session: Session, image: Layer, *, fit: bool = True) -> None:
    """Hide the other scans and what belongs to them, so that they don't lie over this one.

    Its mask is selected, so that keys and tools are for it. Of a scan that was not on the screen,
    `fit` fits the camera to it.
    """
    viewer = session.viewer
    belongs: dict[Layer, Layer | None] = {}
    for layer in viewer.layers:
        if isinstance(layer, Image) and session.scans.is_scan(layer):
            belongs[layer] = layer
    belongs.update({doubt: owner for owner, doubt in session.scans.doubts.items()})
    belongs.update(session.ruler_layers)
    for layer in session.scans.layers(Labels):
        belongs.setdefault(layer, session.scans.owner_of(layer))
    same = layer_path(image)
    for layer, owner in belongs.items():
        if owner is None or layer not in viewer.layers:
            continue
        other = same is None or layer_path(owner) != same  # a channel of this scan stays as it is
        if owner is image and not layer.visible:  # napari lays the tool down, even if it was
            layer.visible = True
        elif owner is not image and other and layer.visible:
            layer.visible = False
    session.take_up(session.scans.labels_of(image) or image)
    if not fit:
        return
    low, high = (np.asarray(corner)[-2:] for corner in image.extent.world)
    seen = viewer.camera.center[-2:]
    fitted = tuple(map(tuple, (low, high)))
    if session.fitted != fitted or ((seen < low) | (seen > high)).any():
        fit_camera(viewer, image)  # another size or place; of the same, the zoom is kept
    session.fitted = fitted
