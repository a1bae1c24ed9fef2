"""Our tools in the hand: taken by key and button, laid down by napari's, one step a gesture."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QPoint

from napari_dim.gui.commands import slice_commands as slices
from napari_dim.gui.tools.range_tools import RangeBrush
from napari_dim.gui.tools.scribble_tool import ScribbleTool
from napari_dim.states import SliceState
from tests.gui.conftest import tiny_image
from tests.hands.hand import RIGHT

BALL = tiny_image()[1]


@pytest.fixture
def session(viewer, workspace, hand):
    """The ball with an empty mask, at slice 6."""
    viewer.add_image(tiny_image()[0], name="ball", scale=(3, 1, 1))
    hand.rest()
    hand.click(workspace.annotate.new)
    slices.go_to(workspace.session, 6)
    return workspace.session


def dice(mask: np.ndarray, truth: np.ndarray) -> float:
    return 2 * np.sum(mask & truth) / (np.sum(mask) + np.sum(truth))


def strokes_shown(viewer) -> int:
    """Pixels of strokes that are shown over the mask."""
    shown = [layer for layer in viewer.layers if layer.name == "strokes"]
    return sum(int(np.count_nonzero(layer.data)) for layer in shown)


def test_scribbles_give_the_slices_mask_and_refine_it(hand, viewer, workspace, session):
    layer = session.labels
    hand.press("8")
    assert isinstance(session.tool, ScribbleTool)
    assert workspace.annotate.scribble.isChecked()
    layer.brush_size = 3
    hand.stroke(layer, (17, 20), (24, 20), (31, 20))
    truth = BALL[6] == 1
    assert dice(layer.data[6] == 1, truth) > 0.9
    assert session.mask.states[6] == SliceState.PAINTED
    assert "of the class now" in session.message
    first, drawn = layer.data[6].copy(), strokes_shown(viewer)
    assert drawn > 20
    # "Not this", with the right button.
    hand.stroke(layer, (20, 12), (28, 12), button=RIGHT)
    assert not layer.data[6, 20:28, 12].any()
    assert layer.data[6, 24, 20] == 1
    assert strokes_shown(viewer) > drawn
    hand.press("Ctrl-Z")
    np.testing.assert_array_equal(layer.data[6], first)
    assert strokes_shown(viewer) == drawn
    hand.press("Ctrl-Z")
    assert not layer.data.any()
    assert strokes_shown(viewer) == 0
    # What shows the strokes is no mask and no scan.
    assert [box.count() for box in (workspace.annotate.image, workspace.annotate.labels)] == [1, 2]
    assert session.labels is layer


def test_a_box_around_the_structure_gives_its_mask(hand, viewer, session):
    layer = session.labels
    hand.press("8")
    hand.stroke(layer, (10, 8), (30, 24), (38, 32), held="Shift")
    assert dice(layer.data[6] == 1, BALL[6] == 1) > 0.9
    hand.press("Ctrl-Z")
    assert not layer.data.any()
    hand.stroke(layer, (10, 8), (11, 9), held="Shift")  # a slip of the hand is no box
    assert not layer.data.any()
    assert strokes_shown(viewer) == 0


def test_in_another_plane_the_tools_say_why_they_draw_nothing(hand, viewer, session, notes):
    hand.press("8")
    viewer.dims.roll()
    hand.rest(0.2)
    middle = hand.canvas.rect().center()
    hand.sweep(middle, middle + QPoint(30, 0))
    assert not session.labels.data.any()
    assert session.labels.selected_label == 1  # napari's picking, whose mode it is, heard nothing
    assert any("the scan's own slices" in text for text in notes)


def test_space_and_the_class_table_leave_the_tool_in_the_hand_and_napari_s_tools_do_not(
    hand, viewer, workspace, session
):
    layer = session.labels
    hand.click(workspace.annotate.scribble)
    layer.mode = "pan_zoom"  # as while Space is held
    before = layer.data.copy()
    hand.stroke(layer, (17, 20), (31, 20))
    np.testing.assert_array_equal(layer.data, before)
    session.say("")
    layer.mode = "pick"
    assert session.message == ""  # the ring is shown again; nobody sized the brush
    hand.click(workspace.annotate.classes.add)
    assert isinstance(session.tool, ScribbleTool)
    hand.stroke(layer, (17, 20), (31, 20))
    assert set(np.unique(layer.data)) == {0, 2}
    assert strokes_shown(viewer)
    hand.press("2")
    assert session.tool is None
    assert str(layer.mode) == "paint"
    assert not workspace.annotate.scribble.isChecked()
    assert not [one for one in viewer.layers if one.name == "strokes"]
    hand.press("8")
    hand.press("8")
    assert session.tool is None
    assert str(layer.mode) == "paint"


def test_the_threshold_brush_paints_what_is_like_where_it_begins(hand, viewer, workspace, session):
    layer = session.labels
    hand.click(workspace.annotate.range_brush)
    assert isinstance(session.tool, RangeBrush)
    layer.brush_size = 41
    hand.stroke(layer, (24, 20), (24, 22), (22, 20))
    painted = layer.data[6] == 1
    truth = BALL[6] == 1
    assert painted[truth].mean() > 0.6
    assert painted[~truth].mean() < 0.02
    assert session.mask.states[6] == SliceState.PAINTED
    hand.press("Ctrl-Z")
    assert not layer.data.any()
    hand.press("Ctrl-Shift-Z")
    hand.stroke(layer, (24, 20), (24, 22), button=RIGHT)
    assert np.count_nonzero(layer.data[6]) < 0.6 * np.count_nonzero(painted)
    hand.press("Ctrl-Z")
    np.testing.assert_array_equal(layer.data[6] == 1, painted)


def test_growing_from_a_spot_follows_the_drag_and_is_taken_at_its_end(
    hand, viewer, workspace, session
):
    layer = session.labels
    hand.press("0")
    here = hand.at(24, 20, layer)
    hand.sweep(here, here + QPoint(40, 0), here + QPoint(100, 0))
    grown = layer.data[6] == 1
    assert dice(grown, BALL[6] == 1) > 0.85
    assert strokes_shown(viewer) == 0
    hand.press("Ctrl-Z")
    assert not layer.data.any()
    hand.sweep(here, here - QPoint(150, 0))
    assert 0 < np.count_nonzero(layer.data[6]) < 0.7 * np.count_nonzero(grown)


def test_a_tool_is_refused_without_a_mask_to_draw_in(hand, viewer, workspace, notes):
    viewer.add_image(tiny_image()[0], name="ball")
    hand.rest()
    hand.press("8")
    assert workspace.session.tool is None
    assert any("no mask yet" in text for text in notes)
