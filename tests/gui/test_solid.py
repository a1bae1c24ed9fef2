"""The mask in 3D: where it belongs, and everything as it was afterwards."""

from __future__ import annotations

import numpy as np
from napari.layers import Surface


def test_3d_shows_the_mask_in_its_place_and_goes_back(viewer, workspace, open_ball, notes):
    image, labels, reference = open_ball()
    labels.data = reference.copy()
    image.translate = (10, 20, 30)
    button = workspace.header.solid
    viewer.camera.center, viewer.camera.zoom = (40, 45), 7.5
    button.click()
    assert notes == []
    assert viewer.dims.ndisplay == 3
    (surface,) = (layer for layer in viewer.layers if isinstance(layer, Surface))
    assert not labels.visible
    low, high = np.asarray(surface.extent.world)
    inside = np.nonzero(reference)
    for axis, (step, start) in enumerate(zip((3, 1, 1), (10, 20, 30), strict=True)):
        assert abs(low[axis] - (start + step * (inside[axis].min() - 0.5))) < step
        assert abs(high[axis] - (start + step * (inside[axis].max() + 0.5))) < step
    viewer.dims.ndisplay = 2  # with napari's own button
    assert not button.isChecked()
    assert labels.visible
    assert image.depiction == "volume"
    assert not any(isinstance(layer, Surface) for layer in viewer.layers)
    assert viewer.camera.zoom == 7.5
    np.testing.assert_allclose(np.asarray(viewer.camera.center)[-2:], (40, 45))
    assert viewer.dims.nsteps[0] == len(image.data)


def test_3d_of_nothing_is_told(viewer, workspace, notes):
    viewer.add_image(np.random.default_rng(0).random((4, 20, 20)))
    workspace.header.solid.click()
    assert len(notes) == 1
    assert viewer.dims.ndisplay == 2
    assert not workspace.header.solid.isChecked()
