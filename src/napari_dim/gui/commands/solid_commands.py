"""The mask as a surface in napari's 3D view, with the slice on the screen as a plane in it."""

from __future__ import annotations

from napari.layers import Image, Labels

from napari_dim.errors import InputError
from napari_dim.gui.commands.slice_commands import current, go_to
from napari_dim.gui.layers.layer_classes import classes_of
from napari_dim.gui.layers.solid_surfaces import Solid, surfaces
from napari_dim.gui.logic.mask_contents import SHOWN, exported
from napari_dim.gui.session import Session

MOST = 6_000_000
"""Voxels that a surface is made of; a larger mask is thinned out, or the window would wait."""


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
    known = session.mask
    mask, _ = exported(known, SHOWN, None if known is None else known.brush)
    assert known is not None
    if image is None or mask.shape[0] < 2:
        raise InputError("a single picture has no third dimension")
    if not mask.any():
        raise InputError("the mask is empty: there is nothing to show in 3D")
    number = current(session)
    made = surfaces(mask, image, classes_of(known.layer))
    solid = Solid(list(made), number, (tuple(viewer.camera.center), float(viewer.camera.zoom)))
    session.lay_down()
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
    go_to(session, solid.number)
    if session.labels in viewer.layers:
        session.take_up(session.labels)
    if solid.camera is not None:
        viewer.camera.center, viewer.camera.zoom = solid.camera
    return "Back to the slices"
