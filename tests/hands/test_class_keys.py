"""Classes, the eraser and the background brush by key."""

from __future__ import annotations

import sys

import napari.settings
import numpy as np
import pytest

from napari_dim.gui.commands import slice_commands as slices
from napari_dim.gui.preferences import preferences
from napari_dim.gui.tools.range_tools import RangeBrush
from napari_dim.states import SliceState
from tests.hands.hand import RIGHT


@pytest.fixture
def session(workspace, open_ball, hand):
    """The ball with two classes, at a slice without a mask."""
    open_ball()
    hand.click(workspace.annotate.classes.add)
    slices.go_to(workspace.session, 1)
    return workspace.session


def test_classes_are_taken_by_the_key_that_the_table_shows(hand, workspace, session):
    layer, table = session.labels, workspace.annotate.classes.table
    written = [table.item(row, 3).text() for row in range(table.rowCount())]
    assert written == (["⌥1", "⌥2"] if sys.platform == "darwin" else ["Alt-1", "Alt-2"])
    hand.press("Alt-1")
    assert (layer.selected_label, str(layer.mode)) == (1, "paint")
    assert table.currentRow() == 0
    layer.brush_size = 3
    hand.stroke(layer, (10, 10), (10, 12))
    hand.press("Alt-2")
    hand.stroke(layer, (20, 10), (20, 12))
    assert (layer.data[1, 10, 11], layer.data[1, 20, 11]) == (1, 2)
    hand.press("Alt-0")
    assert str(layer.mode) == "erase"
    hand.stroke(layer, (10, 8), (10, 11), (10, 14))
    assert not layer.data[1, 10].any()
    hand.press("Alt-2")
    assert (layer.selected_label, str(layer.mode)) == (2, "paint")
    # With the table in focus the keys reach the canvas, too.
    hand.press("Alt-1", on=table)
    assert layer.selected_label == 1


def test_a_figure_of_napari_s_pressed_before_does_not_come_back_at_the_release(hand, session):
    layer = session.labels
    delay = napari.settings.get_settings().application
    before, delay.hold_button_delay = delay.hold_button_delay, 0.0
    try:
        layer.mode = "pan_zoom"
        hand.press("2")
        layer.mode = "paint"  # one of napari's keys that is not held, and so is not taken back
        hand.press("Alt-2")
        assert (layer.selected_label, str(layer.mode)) == (2, "paint")
        layer.preserve_labels = False
        hand.press("B")
        layer.preserve_labels = True
        hand.press("Shift-B")
        assert layer.preserve_labels
    finally:
        delay.hold_button_delay = before


def test_a_class_that_is_not_there_is_told(hand, session, notes):
    layer = session.labels
    before = layer.selected_label
    hand.press("Alt-3")
    assert layer.selected_label == before
    assert any("no class 3 in the table, which has 2 classes" in text for text in notes)


def test_a_tool_stays_in_the_hand_for_classes_and_not_for_the_eraser(hand, session):
    hand.press("9")
    hand.press("Alt-2")
    assert isinstance(session.tool, RangeBrush)
    assert session.labels.selected_label == 2
    hand.press("Alt-0")
    assert session.tool is None
    assert str(session.labels.mode) == "erase"


def test_background_is_painted_by_key_and_the_slice_is_partial(hand, workspace, session):
    layer = session.labels
    hand.press("Alt-B")
    assert layer.selected_label == session.mask.brush
    assert workspace.annotate.background.isChecked()
    assert session.mask.states[1] == SliceState.PARTIAL
    hand.stroke(layer, (10, 10), (10, 12))
    assert (layer.data[1] == session.mask.brush).any()
    hand.press("Alt-1")
    assert not workspace.annotate.background.isChecked()


def test_contours_only_and_yours_are_told_from_the_machines(hand, viewer, workspace, session):
    layer, mask = session.labels, session.mask
    mask.take(np.array([4]), layer.data[[3]].copy())
    slices.go_to(session, 3)
    assert layer.contour == 0
    hand.press("Shift-O")
    mine = layer.contour
    if hasattr(napari.settings, "get_plugin_settings"):  # from 0.9 on it is remembered
        assert preferences().contours
    slices.go_to(session, 4)
    assert mine == 2 * layer.contour > 0
    assert workspace.header.look.contours.isChecked()
    assert workspace.review.contours.isChecked()
    # Painting goes on as before.
    slices.go_to(session, 3)
    hand.press("Alt-1")
    hand.stroke(layer, (5, 5), (5, 9))
    assert layer.data[3, 5, 7] == 1
    hand.stroke(layer, (5, 5), (5, 9), button=RIGHT)
    assert layer.data[3, 5, 7] == 0
    hand.take(workspace.header.look.menu_, "Contours only\tShift-O")
    assert layer.contour == 0
    slices.go_to(session, 4)
    assert layer.contour > 0  # nobody has looked at it yet
    assert not workspace.review.contours.isChecked()
