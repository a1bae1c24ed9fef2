"""One scan at a time on the screen, of several that are open."""

from __future__ import annotations

import numpy as np
from napari.layers import Image, Labels, Layer

from napari_dim.gui.layers.image_layers import layer_path
from napari_dim.gui.layers.napari_compat import fit_camera
from napari_dim.gui.session import Session


def show_alone(session: Session, image: Layer) -> None:
    """Hide the other scans and what belongs to them, so that they don't lie over this one."""
    viewer = session.viewer
    belongs: dict[Layer, Layer | None] = {}
    for layer in viewer.layers:
        if isinstance(layer, Image) and session.scans.is_scan(layer):
            belongs[layer] = layer
    belongs.update({doubt: owner for owner, doubt in session.scans.doubts.items()})
    for layer in session.scans.layers(Labels):
        belongs.setdefault(layer, session.scans.owner_of(layer))
    same = layer_path(image)
    for layer, owner in belongs.items():
        if owner is None or layer not in viewer.layers:
            continue
        if owner is image:
            layer.visible = True
        elif same is None or layer_path(owner) != same:  # a channel of this scan stays as it is
            layer.visible = False
    low, high = (np.asarray(corner)[-2:] for corner in image.extent.world)
    seen = viewer.camera.center[-2:]
    fitted = tuple(map(tuple, (low, high)))
    if session.fitted != fitted or ((seen < low) | (seen > high)).any():
        fit_camera(viewer, image)  # another size or place; of the same, the zoom is kept
    session.fitted = fitted
