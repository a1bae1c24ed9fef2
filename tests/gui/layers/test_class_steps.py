"""Names, colours, ids and marks of classes are steps of undoing, with the voxels they change."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Labels
from qtpy.QtGui import QColor

from napari_dim.gui.layers.class_steps import kept_beside, one_step
from napari_dim.gui.layers.layer_classes import ClassInfo, classes_of, set_classes
from napari_dim.gui.layers.mask_layer import SCORES, MaskLayer
from napari_dim.gui.layers.searched_classes import class_added, complete, searched_in
from napari_dim.gui.widgets.class_table import ClassTable
from napari_dim.states import SliceState


@pytest.fixture
def mask(qapp):
    layer = Labels(np.zeros((4, 6, 6), np.uint8))
    layer.data[1, 2:4, 2:4] = 1
    layer.data[2, 0, :3] = 2
    set_classes(layer, [ClassInfo(1, "organ", "#ff0000"), ClassInfo(2, "lesion", "#00ff00")])
    made = MaskLayer(layer)
    made._keep_alive = layer  # as a viewer does
    return made


@pytest.fixture
def table(mask, qtbot):
    made = ClassTable(lambda title: one_step(mask, title))
    qtbot.addWidget(made)
    made.show_layer(mask.layer)
    made.relabelled.connect(lambda old, new: mask.relabel("ids", {old: new}))
    return made


def names(mask):
    return [(info.id, info.name) for info in classes_of(mask.layer)]


def test_each_edit_of_the_table_is_one_step(mask, table):
    start, voxels = kept_beside(mask.layer), mask.planes.copy()
    table.table.item(0, 1).setText("liver")
    table.table.item(1, 0).setBackground(QColor("#0000ff"))
    table.table.item(1, 2).setText("7")
    table.add.click()
    assert names(mask) == [(1, "liver"), (2, "class 2"), (7, "lesion")]
    assert (mask.planes[2, 0, :3] == 7).all()
    steps = 0
    while mask.undo() is not None:
        steps += 1
        table.follow()
        assert table.classes[0].name in ("liver", "organ")
    assert steps == 4
    assert kept_beside(mask.layer) == start
    np.testing.assert_array_equal(mask.planes, voxels)
    table.follow()
    assert [info.name for info in table.classes] == ["organ", "lesion"]
    for _ in range(steps):
        mask.redo()
    assert names(mask) == [(1, "liver"), (2, "class 2"), (7, "lesion")]
    assert (mask.planes[2, 0, :3] == 7).all()


def test_marks_of_what_was_looked_for_come_back(mask):
    with one_step(mask, "add a class"):
        set_classes(mask.layer, [*classes_of(mask.layer), ClassInfo(3, "late", "#123456")])
        class_added(mask.layer, mask.labelled, {1, 2})
    marked = searched_in(mask.layer)
    assert set(marked) == {1, 2}
    with one_step(mask, "confirm slice 1"):
        complete(mask.layer, [1])
        mask.act("confirm slice 1", {1: SliceState.PAINTED})
    assert set(searched_in(mask.layer)) == {2}
    mask.undo()  # the act and the mark are one step
    assert searched_in(mask.layer) == marked
    mask.undo()
    assert searched_in(mask.layer) == {}
    assert len(classes_of(mask.layer)) == 2


def test_scores_of_an_earlier_day_hold_until_their_slice_changes(qapp):
    layer = Labels(np.ones((3, 4, 4), np.uint8))
    layer.metadata["napari_dim_states"] = np.full(3, SliceState.CORRECTED, np.uint8)
    layer.metadata[SCORES] = ((0, 2, 0.5), (2, 3, 0.75))
    mask = MaskLayer(layer)
    assert [(s.number, s.labelled, s.dice) for s in mask.scores] == [(0, 2, 0.5), (2, 3, 0.75)]
    layer.data[2, 0, 0] = 0
    mask.look()
    assert [s.number for s in mask.scores] == [0]
