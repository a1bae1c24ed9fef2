"""Live wire in the hand: points, the way to the mouse, closing, taking back, giving up."""

from __future__ import annotations

import numpy as np
import pytest

from napari_dim.gui.commands import slice_commands as slices
from napari_dim.gui.tools.wire_tool import LiveWire
from napari_dim.states import SliceState
from tests.gui.conftest import tiny_image
from tests.hands.ball import BALL, dice, strokes_shown
from tests.hands.hand import RIGHT

CORNERS = (12, 20), (24, 30), (36, 20), (24, 10)
"""On the border of the ball in slice 6."""


@pytest.fixture
def wire(hand, session):
    """The live wire in the hand."""
    hand.press("Shift-X")
    assert isinstance(session.tool, LiveWire)
    return session.tool


def test_clicks_and_a_double_click_outline_a_structure_as_one_step(
    hand,
    viewer,
    workspace,
    session,
    wire,
):
    layer = session.labels
    assert workspace.annotate.tools[LiveWire].isChecked()
    hand.sweep(hand.at(*CORNERS[0], layer))
    dots = strokes_shown(viewer)
    hand.hover(hand.at(24, 30, layer))
    followed = strokes_shown(viewer)
    assert followed > dots + 10  # the way to the mouse, before it is fixed
    hand.hover(hand.at(36, 20, layer))
    assert strokes_shown(viewer) > followed
    hand.sweep(hand.at(*CORNERS[1], layer))
    hand.sweep(hand.at(*CORNERS[2], layer))
    assert not layer.data.any()
    hand.double_click(hand.at(*CORNERS[3], layer))
    assert dice(layer.data[6] == 1, BALL[6] == 1) > 0.9
    assert session.mask.states[6] == SliceState.PAINTED
    assert strokes_shown(viewer) == 0
    made = layer.data.copy()
    hand.press("Ctrl-Z")
    assert not layer.data.any()
    hand.press("Ctrl-Shift-Z")
    np.testing.assert_array_equal(layer.data, made)


def test_a_click_on_the_start_or_enter_closes_and_the_right_button_erases(
    hand,
    session,
    wire,
):
    layer = session.labels
    for place in (*CORNERS, CORNERS[0]):
        hand.sweep(hand.at(*place, layer))
    whole = layer.data[6] == 1
    assert dice(whole, BALL[6] == 1) > 0.9
    for place in (18, 15), (18, 25), (30, 25):
        hand.stroke(layer, place, button=RIGHT, held="Shift")
    hand.double_click(hand.at(30, 15, layer), RIGHT)
    assert not layer.data[6, 20:28, 17:23].any()
    assert layer.data[6, 14, 20] == 1
    hand.press("Ctrl-Z")
    np.testing.assert_array_equal(layer.data[6] == 1, whole)
    hand.press("Ctrl-Z")
    for place in CORNERS:
        hand.sweep(hand.at(*place, layer))
    hand.press("Enter")
    np.testing.assert_array_equal(layer.data[6] == 1, whole)


def test_backspace_takes_a_point_back_and_escape_gives_up(
    hand,
    viewer,
    session,
    wire,
    notes,
):
    layer = session.labels
    hand.sweep(hand.at(12, 20, layer))
    one = strokes_shown(viewer)
    hand.sweep(hand.at(24, 30, layer))
    two = strokes_shown(viewer)
    hand.press("Enter")
    assert "1 more point" in session.message
    hand.sweep(hand.at(40, 35, layer))
    hand.press("Backspace")
    assert strokes_shown(viewer) == two
    hand.press("Backspace")
    assert strokes_shown(viewer) == one
    # In another slice it says that an outline is open; the wheel is free meanwhile.
    slices.go_to(session, 8)
    hand.hover(hand.at(20, 20, layer))
    hand.sweep(hand.at(20, 20, layer))
    assert any("An outline is begun in slice 6" in text for text in notes)
    slices.go_to(session, 6)
    hand.press("Escape")
    assert strokes_shown(viewer) == 0
    assert session.tool is wire
    hand.sweep(hand.at(12, 20, layer))
    hand.press("2")
    assert "given up" in session.message
    assert not layer.data.any()
    # The keys are napari's again.
    assert not {str(key) for key in layer.keymap} & {"Enter", "Backspace", "Escape"}


def test_ctrl_z_takes_back_a_point_of_an_open_outline_and_then_steps_in_the_mask(
    hand,
    viewer,
    session,
    wire,
    notes,
):
    layer = session.labels
    hand.press("2")
    hand.stroke(layer, (5, 5), (5, 12))
    painted = layer.data.copy()
    hand.press("Shift-X")
    hand.sweep(hand.at(12, 20, layer))
    one = strokes_shown(viewer)
    hand.sweep(hand.at(24, 30, layer))
    hand.press("Ctrl-Shift-Z")
    assert any("An outline is begun" in text for text in notes)
    hand.press("Ctrl-Z")
    assert strokes_shown(viewer) == one
    viewer.layers.selection.active = session.image  # the key is not the layer's own there
    hand.press("Ctrl-Z")
    assert strokes_shown(viewer) == 0
    np.testing.assert_array_equal(layer.data, painted)
    viewer.layers.selection.active = layer
    hand.press("Ctrl-Z")
    assert not layer.data.any()
    # So it is with napari's polygon.
    hand.press("Ctrl-Shift-Z")
    hand.press("3")
    for place in (12, 10), (12, 30), (36, 30), (36, 10):
        hand.sweep(hand.at(*place, layer))
    hand.press("Ctrl-Z")
    np.testing.assert_array_equal(layer.data, painted)
    hand.hover(hand.at(24, 30, layer))  # napari's last corner is where the mouse is
    hand.press("Enter")
    triangle = layer.data[6, 12:37, 10:31]
    assert triangle[2, -3] == 1
    assert not triangle[12:, :10].any()
    hand.press("Ctrl-Z")
    for place in (12, 10), (12, 30):
        hand.sweep(hand.at(*place, layer))
    for _ in range(2):
        hand.press("Ctrl-Z")
    np.testing.assert_array_equal(layer.data, painted)
    hand.press("Ctrl-Z")
    assert not layer.data.any()


def test_a_drag_goes_on_to_the_next_point_and_shift_goes_straight(
    hand,
    viewer,
    session,
    wire,
):
    layer = session.labels
    hand.stroke(layer, (12, 20), (24, 30))
    hand.hover(hand.at(24, 10, layer), held="Shift")
    shown = next(one for one in viewer.layers if one.name == "strokes").data[6]
    assert shown[24, 10:30].all()
    assert shown[12:24, 21:31].any()  # along the edge
    hand.stroke(layer, (24, 10), held="Shift")
    hand.press("Enter")
    half = layer.data[6] == 1
    assert half[15:24, 20].all()
    assert not half[26:].any()


def test_other_classes_stay_where_they_are_kept(hand, session, wire):
    layer = session.labels
    layer.data[6, 20:28, 18:22] = 2
    layer.preserve_labels = True
    for place in (*CORNERS, CORNERS[0]):
        hand.sweep(hand.at(*place, layer))
    assert (layer.data[6, 20:28, 18:22] == 2).all()
    assert (layer.data[6] == 1).sum() > 200


def test_beside_the_picture_its_edge_is_followed(hand, viewer, workspace):
    viewer.add_image(tiny_image()[0][6], name="picture")
    hand.rest()
    hand.click(workspace.annotate.new)
    layer = workspace.session.labels
    hand.press("Shift-X")
    for place in (-3, -3), (-3, 60), (20, 60), (20, -3), (-3, -3):
        hand.stroke(layer, place, held="Shift")
    assert layer.data[:20].all()
    assert not layer.data[22:].any()
