"""A mask stays with its scan: in place, above others, counted alike; no window needed."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_dim.gui.commands.scan_shown import below_masks
from napari_dim.gui.layers.image_layers import (
    current_slice,
    go_to_slice,
    image_tuples,
    layer_source,
    new_labels,
)
from napari_dim.gui.layers.mask_place import fits, place_words
from napari_dim.gui.layers.open_scans import OpenScans
from napari_dim.gui.layers.slice_numbers import number_like
from napari_dim.volume import Grid, Volume

SHAPE = (6, 8, 8)


def scan(name: str = "scan", **place: object) -> Image:
    return Image(np.random.default_rng(0).random(SHAPE, np.float32), name=name, **place)


def paired(viewer: ViewerModel, image: Image) -> tuple[OpenScans, Labels]:
    viewer.add_layer(image)
    labels = viewer.add_layer(new_labels(image))
    scans = OpenScans(viewer)
    scans.pair(image, labels)
    scans.mask_in(labels)
    return scans, labels


def test_a_scan_that_gets_another_scale_takes_its_mask_along():
    viewer, image = ViewerModel(), scan(scale=(3, 1, 1))
    _, labels = paired(viewer, image)
    labels.data[2, 3, 3] = 1
    image.scale = (5, 0.5, 0.5)
    image.translate = (10, 2, 0)
    image.affine = np.diag([2.0, 1, 1, 1])
    assert fits(labels, image)
    at = (2, 3, 3)
    np.testing.assert_allclose(labels.data_to_world(at), image.data_to_world(at))
    grid = layer_source(labels).grid
    np.testing.assert_allclose(grid.spacing, (10, 0.5, 0.5))
    assert place_words(labels) == ("where the window shows the scan, which knows no file", False)


def test_a_file_says_where_its_mask_lies_whatever_the_window_shows(tmp_path):
    affine = np.diag([-0.5, -0.5, 2.0, 1.0])
    grid = Grid((8, 8, 6), affine, 2)
    volume = Volume(np.zeros(SHAPE, np.float32), grid, tmp_path / "a.nii.gz", "volume", {})
    data, how, _ = image_tuples(volume, "a")[0]
    viewer, image = ViewerModel(), Image(data, **how)
    _, labels = paired(viewer, image)
    assert place_words(labels) == ("where the scan's file says", False)
    image.scale = (7, 1, 1)
    np.testing.assert_allclose(labels.scale, (7, 1, 1))
    assert fits(labels, image)
    words, moved = place_words(labels)
    assert moved
    assert "file" in words
    np.testing.assert_allclose(layer_source(labels).grid.spacing, (2, 0.5, 0.5))


def test_slices_are_counted_as_in_the_scan_that_is_worked_on():
    viewer, image = ViewerModel(), scan(scale=(3, 1, 1), translate=(9, 0, 0))
    viewer.add_layer(image)
    other = Image(np.zeros((20, 8, 8), np.float32), scale=(1, 1, 1), translate=(-5, 0, 0))
    viewer.add_layer(other)
    back = Image(np.zeros((9, 8, 8), np.float32), scale=(-2, 1, 1), translate=(30, 0, 0))
    viewer.add_layer(back)
    stepped = []
    viewer.dims.events.current_step.connect(lambda event: stepped.append(event.value[0]))
    for shown in (image, other, back, image, back):
        number_like(viewer, shown)
        assert viewer.dims.nsteps[0] == len(shown.data)
        for number in (2, 0, len(shown.data) - 1):
            go_to_slice(viewer, shown, number)
            assert viewer.dims.current_step[0] == current_slice(viewer, shown) == number
            assert stepped[-1] == number
            viewer.dims.set_current_step(0, 1)
            assert current_slice(viewer, shown) == 1
    viewer.dims.current_step = (7, 0, 0)
    viewer.dims._increment_dims_right()
    assert current_slice(viewer, back) == viewer.dims.current_step[0] == 8
    assert viewer.dims.point[0] == 30 - 2 * 8
    number_like(viewer, None)  # and napari counts as it does
    assert viewer.dims.current_step[0] == 0


def test_a_scan_opened_later_goes_beneath_the_masks():
    viewer, image = ViewerModel(), scan()
    scans, labels = paired(viewer, image)
    viewer.layers.selection.active = labels
    late = viewer.add_layer(scan("late"))
    assert viewer.layers.index(late) > viewer.layers.index(labels)
    session = SimpleNamespace(viewer=viewer, scans=scans)
    below_masks(session, late)
    assert [layer.name for layer in viewer.layers] == ["scan", "late", labels.name]
    below_masks(session, late)  # it stays there
    assert viewer.layers.index(late) == 1
