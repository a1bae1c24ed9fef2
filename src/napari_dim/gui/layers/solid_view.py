"""The mask as a surface in napari's 3D view, with the slice on the screen as a plane in it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer, Surface
from napari.utils.colormaps import Colormap
from napari.utils.colormaps.standardize_color import transform_color

from napari_dim.errors import InputError
from napari_dim.gui.controller import Session
from napari_dim.gui.layers.finished_mask import FILLED, exported
from napari_dim.gui.layers.image_layers import layer_source
from napari_dim.gui.layers.predicted_layer import PLACE
from napari_dim.gui.logic.slice_actions import current
from napari_dim.gui.widgets.class_table import classes_of
from napari_dim.io.export.surfaces import surface

MOST = 6_000_000
"""Voxels that a surface is made of; a larger mask is thinned out, or the window would wait."""


@dataclass
class Solid:
    """What was changed to show a scan in 3D, to put it back."""

    surfaces: list[Layer]
    image: Image | None = None
    visible: dict[Layer, bool] = field(default_factory=dict)


def toggle(session: Session) -> str:
    """Show the mask of the scan in 3D, or go back to its slices."""
    return leave(session) if session.solid is not None else enter(session)


def enter(session: Session) -> str:
    """Show the mask of the scan in 3D.

    Raises
    ------
    InputError
        If there is no mask of several slices.
    """
    image, viewer = session.image, session.viewer
    mask, what = exported(session, FILLED)
    layer = what.layer
    if image is None or mask.shape[0] < 2:
        raise InputError("a single picture has no third dimension")
    if not mask.any():
        raise InputError("the mask is empty: there is nothing to show in 3D")
    number = current(session)
    made = surfaces(mask, image, classes_of(layer))
    solid = Solid(list(made))
    for other in viewer.layers:
        if isinstance(other, Labels) or (isinstance(other, Image) and other is not image):
            solid.visible[other] = other.visible
            other.visible = False
    viewer.dims.ndisplay = 3
    session.solid = solid
    for one in made:
        viewer.add_layer(one)
    if image.visible and not image.rgb and not image.multiscale:
        solid.image = image
        image.depiction = "plane"
        image.plane.position = (number, *(n / 2 for n in image.data.shape[1:]))
        image.plane.normal = (1, 0, 0)
        image.plane.thickness = 1
    viewer.layers.selection.active = None
    viewer.reset_view()
    viewer.camera.angles = (-20, 30, 145)
    return "Drag to turn, scroll to zoom; press 3D once more to go back to the slices"


def leave(session: Session) -> str:
    """Go back to the slices."""
    solid, viewer = session.solid, session.viewer
    session.solid = None
    if solid is None:
        return ""
    for one in solid.surfaces:
        if one in viewer.layers:
            viewer.layers.remove(one)
    if solid.image is not None:
        solid.image.depiction = "volume"
    for layer, visible in solid.visible.items():
        if layer in viewer.layers:
            layer.visible = visible
    if viewer.dims.ndisplay == 3:
        viewer.dims.ndisplay = 2
    if session.labels in viewer.layers:
        viewer.layers.selection.active = session.labels
    with suppress(RuntimeError):
        viewer.reset_view()
    return "Back to the slices"


def surfaces(mask: np.ndarray, image: Layer, classes: Any) -> list[Surface]:
    """A surface layer for each class of a mask ``(slice, row, column)``, in place of the scan."""
    spacing = np.asarray(layer_source(image).grid.spacing, dtype=float)
    step = max(1, int(np.ceil((np.count_nonzero(mask.any(0)) * len(mask) / MOST) ** (1 / 2))))
    thin = mask[:, ::step, ::step]
    fine = spacing * (1, step, step)
    affine = np.eye(4)
    # `surface` turns to the patient's left and back: turned there, it stays as it is here.
    affine[:3, :3] = np.diag(fine * (-1, -1, 1))
    known = {info.id: info for info in classes}
    place = {name: getattr(image, name) for name in PLACE}
    place["scale"] = np.asarray(image.scale) / spacing
    made = []
    for class_id in (int(i) for i in np.unique(thin) if i):
        points, triangles = surface(thin == class_id, affine, smooth=True)
        info = known.get(class_id)
        colour = transform_color(info.colour if info else "#808080")[0]
        made.append(
            Surface(
                (points, triangles, np.ones(len(points))),
                name=f"{image.name}: {info.name if info else class_id} (3D)",
                colormap=Colormap([colour, colour], name=f"class {class_id}"),
                shading="smooth",
                opacity=0.75 if len(known) > 1 else 1.0,
                **place,
            )
        )
    return made
