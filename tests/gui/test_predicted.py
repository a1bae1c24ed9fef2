"""The machine's layer: strokes of a person are never written over, and undo stays right."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image

from napari_dim.data.cohort import read_cohort
from napari_dim.data.phantom import make_phantom
from napari_dim.gui.controller import session_of
from napari_dim.gui.hooks.demo_launch import show_demo
from napari_dim.gui.layers.image_layers import layer_source
from napari_dim.gui.layers.predicted_layer import PredictionLayer
from napari_dim.io import prediction_name, read_mask, read_volume, write_mask

SHAPE = (6, 20, 24)


@pytest.fixture
def prediction():
    made = PredictionLayer(layer_source(Image(np.zeros(SHAPE))), "p")
    made.write(np.arange(6), np.ones(SHAPE, np.uint8))
    return made


def twos():
    return np.arange(6), np.full(SHAPE, 2, np.uint8)


def brush(layer):
    layer.selected_label = 5
    layer.paint((2, 10, 10), 5)


def setitem(layer):
    layer.data_setitem((np.array([2]), np.array([3]), np.array([4])), 5)


def fill(layer):
    layer.fill((2, 3, 4), 5)


def directly(layer):
    layer.data[2, 3, 4] = 5


@pytest.mark.parametrize("touch", [brush, setitem, directly])
def test_a_touched_slice_is_kept(prediction, touch):
    touch(prediction.layer)
    mine = prediction.layer.data[2].copy()
    assert prediction.write(*twos()) == [2]
    np.testing.assert_array_equal(prediction.layer.data[2], mine)
    assert (prediction.layer.data[[0, 1, 3, 4, 5]] == 2).all()
    assert (prediction.mask == 2).all()  # What the machine says is known all the same.


@pytest.mark.parametrize("touch", [brush, setitem])
def test_an_undone_stroke_still_protects_what_its_history_refers_to(prediction, touch):
    touch(prediction.layer)
    mine = prediction.layer.data[2].copy()
    prediction.layer.undo()
    assert prediction.touched == (2,)
    prediction.write(*twos())
    prediction.layer.redo()
    np.testing.assert_array_equal(prediction.layer.data[2], mine)
    prediction.layer.undo()
    assert (prediction.layer.data[2] == 1).all()


def test_fill_over_several_slices_touches_them_all(prediction):
    prediction.layer.n_edit_dimensions = 3
    fill(prediction.layer)
    assert prediction.write(*twos()) == [0, 1, 2, 3, 4, 5]


def test_larger_ids_make_room_without_losing_strokes(prediction):
    setitem(prediction.layer)
    numbers, masks = twos()
    prediction.write(numbers, masks.astype(np.uint16) + 400)
    assert prediction.layer.data[0, 0, 0] == 402
    assert prediction.layer.data[2, 3, 4] == 5
    prediction.layer.undo()
    assert (prediction.layer.data[2] == 1).all()


def test_other_data_put_into_the_layer_is_left_alone(prediction):
    prediction.layer.data = np.full((3, 4, 5), 7, np.uint8)
    assert prediction.write(*twos()) == [0, 1, 2, 3, 4, 5]
    assert (prediction.layer.data == 7).all()


def test_a_picture_is_one_slice():
    made = PredictionLayer(layer_source(Image(np.zeros((20, 24)))), "p")
    made.write(np.array([0]), np.ones((1, 20, 24), np.uint8))
    assert made.layer.data.shape == (20, 24)
    assert made.layer.data.all()
    made.layer.paint((3, 3), 4)
    assert made.write(np.array([0]), np.zeros((1, 20, 24), np.uint8)) == [0]


def test_the_demo_opens_with_its_predictions(viewer, tmp_path):
    cohort = read_cohort(make_phantom(_made(tmp_path / "phantom")))
    rows = cohort.split("test")
    _made(tmp_path / "predictions")
    for row in rows:
        volume = read_volume(row.image)
        target = tmp_path / "predictions" / prediction_name(row.image)
        write_mask(target, read_mask(row.labels, volume), volume)
    workspace = show_demo(tmp_path, viewer)
    sites = {row.site for row in rows}
    assert len(viewer.layers) == 2 * len(sites)
    assert len(session_of(viewer).predictions) == len(sites)
    assert workspace.export.layer.layer is not None
    assert sum(layer.visible for layer in viewer.layers) == 2


def _made(folder):
    folder.mkdir()
    return folder
