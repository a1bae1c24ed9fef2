"""The mask in napari's labels layer: every tool corrects in place, one undo gives all back."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Labels

from napari_dim.gui.layers.mask_layer import MaskLayer
from napari_dim.states import SliceState

U, D, P, M, A, C, E, F, H = SliceState
SHAPE = (6, 20, 24)


@pytest.fixture
def layer(qapp) -> Labels:
    return Labels(np.zeros(SHAPE, np.uint8))


@pytest.fixture
def mask(layer) -> MaskLayer:
    made = MaskLayer(layer)
    made.take(np.arange(6), ones())
    return made


def ones(value=1, dtype=np.uint8):
    said = np.zeros(SHAPE, dtype)
    said[:, 8:16, 8:16] = value
    return said


def brush(layer):
    layer.selected_label = 5
    layer.brush_size = 3
    layer.paint((2, 3, 4), 5)


def eraser(layer):
    layer.brush_size = 3
    layer.paint((2, 10, 10), 0)


def drag(layer):
    layer.brush_size = 2
    with layer.block_history():
        for column in range(2, 9):
            layer.paint((2, 3, column), 5)


def fill(layer):
    layer.fill((2, 10, 10), 5)


def polygon(layer):
    layer.paint_polygon([(2, 1, 1), (2, 1, 6), (2, 6, 6)], 5)


def setitem(layer):
    layer.data_setitem((np.array([2]), np.array([3]), np.array([4])), 5)


def directly(layer):
    layer.data[2, 3, 4] = 5


def put(layer):
    data = layer.data.copy()
    data[2, 3, 4] = 5
    layer.data = data


TOOLS = [brush, eraser, drag, fill, polygon, setitem, directly, put]


@pytest.mark.parametrize("tool", TOOLS)
def test_every_tool_corrects_the_machines_slice_in_place_and_one_undo_brings_it_back(
    mask, layer, tool
):
    before = layer.data.copy()
    tool(layer)
    if tool is directly:
        assert mask.look() == (2,)
    assert list(mask.states) == [M, M, C, M, M, M]
    mine = layer.data[2].copy()
    changed = mine != before[2]
    assert 0 < changed.sum() < 100  # what was not touched stays: no slice with a blob alone
    assert mask.take(np.arange(6), ones(2)) == [2]
    np.testing.assert_array_equal(layer.data[2], mine)
    assert (layer.data[[0, 1, 3, 4, 5], 10, 10] == 2).all()
    layer.undo()
    assert list(mask.states) == [M] * 6
    np.testing.assert_array_equal(layer.data, ones(2))
    layer.undo()  # nothing is left
    layer.redo()
    np.testing.assert_array_equal(layer.data[2], mine)
    assert list(mask.states) == [M, M, C, M, M, M]


def test_strokes_of_one_slice_are_undone_one_by_one(mask, layer, qapp):
    kept = [layer.data.copy()]
    for tool in (setitem, brush, fill, polygon, eraser):
        tool(layer)
        qapp.processEvents()
        kept.append(layer.data.copy())
    for data in reversed(kept[:-1]):
        layer.undo()
        np.testing.assert_array_equal(layer.data, data)
    for data in kept[1:]:
        layer.redo()
        np.testing.assert_array_equal(layer.data, data)


def test_more_steps_than_napari_keeps_are_undone(mask, layer, qapp):
    start = layer.data.copy()
    for number in range(150):
        layer.data_setitem((np.array([2]), np.array([number % 20]), np.array([number // 20])), 7)
        assert mask.states[2] == C
    for _ in range(150):
        layer.undo()
    np.testing.assert_array_equal(layer.data, start)
    assert list(mask.states) == [M] * 6


def test_a_mark_is_a_step_between_strokes(layer, qapp):
    mask = MaskLayer(layer)
    mask.act("confirm", {4: E})
    brush(layer)
    mask.act("partial", {2: P})
    assert list(mask.states) == [U, U, P, U, E, U]
    layer.undo()
    assert list(mask.states) == [U, U, D, U, E, U]
    layer.undo()
    assert list(mask.states) == [U, U, U, U, E, U]
    assert not layer.data.any()
    layer.undo()
    assert list(mask.states) == [U] * 6


def test_a_stroke_through_many_slices_leaves_untouched_ones_partial(layer, qapp):
    mask = MaskLayer(layer)
    layer.mode = "paint"
    layer.n_edit_dimensions = 3
    layer.brush_size = 5
    layer.paint((2, 10, 10), 1)
    assert list(mask.states) == [P, P, P, P, P, U]
    layer.undo()
    assert list(mask.states) == [U] * 6


def test_painted_background_says_nothing_of_the_rest_of_an_untouched_slice(layer, qapp):
    mask = MaskLayer(layer)
    background = mask.background_brush()
    layer.paint((2, 3, 4), background)
    brush(layer)  # a class beside it
    layer.paint((3, 3, 4), 5)
    layer.paint((3, 9, 9), background)
    assert list(mask.states) == [U, U, P, D, U, U]


def test_undo_waits_for_the_end_of_a_stroke(mask, layer):
    layer._block_history = True  # the mouse is down
    brush(layer)
    layer.undo()
    assert (layer.data[2] == 5).any()
    layer._block_history = False
    layer._commit_staged_history()
    layer.undo()
    assert not (layer.data[2] == 5).any()


def test_the_machines_masks_are_no_steps(mask, layer):
    for value in range(2, 6):
        mask.take(np.arange(6), ones(value))
    assert mask.steps.last is None
    layer.undo()
    np.testing.assert_array_equal(layer.data, ones(5))


def test_larger_ids_make_room_without_losing_strokes(mask, layer):
    setitem(layer)
    mask.take(np.arange(6), ones(400, np.uint16))
    assert layer.data[0, 10, 10] == 400
    assert layer.data[2, 3, 4] == 5
    assert list(mask.states) == [M, M, C, M, M, M]
    layer.undo()
    assert layer.data[2, 10, 10] == 400


def test_other_data_put_into_the_layer_are_left_alone(mask, layer):
    layer.data = np.full((3, 4, 5), 7, np.uint8)
    assert mask.take(np.arange(6), ones()) == [0, 1, 2, 3, 4, 5]
    assert (layer.data == 7).all()
    assert list(mask.states) == [D, D, D]


def test_a_picture_is_one_slice(qapp):
    layer = Labels(np.zeros((20, 24), np.uint8))
    mask = MaskLayer(layer)
    mask.take(np.array([0]), np.ones((1, 20, 24), np.uint8))
    assert layer.data.all()
    layer.paint((3, 3), 4)
    assert list(mask.states) == [C]
    assert mask.take(np.array([0]), np.zeros((1, 20, 24), np.uint8)) == [0]
    layer.undo()
    assert not layer.data.any()  # what the machine says by now


def test_a_read_only_array_of_another_kind_is_taken_into_the_memory(qapp):
    import dask.array as da

    layer = Labels(da.zeros(SHAPE, dtype=np.uint8, chunks=(1, 20, 24)))
    mask = MaskLayer(layer)
    setitem(layer)
    assert list(mask.states) == [U, U, D, U, U, U]
