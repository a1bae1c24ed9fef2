"""Our tools in the hand: taken by key and button, laid down by napari's, one step a gesture."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from napari_dim.gui.commands import slice_commands as slices
from napari_dim.gui.tools.range_tools import RangeBrush
from napari_dim.gui.tools.scribble_tool import BoxTool, EllipseTool, ScribbleTool
from napari_dim.states import SliceState
from tests.gui.conftest import tiny_image
from tests.hands.ball import BALL, dice, strokes_shown
from tests.hands.hand import LEFT, MOVE, PRESS, RELEASE, RIGHT


def test_scribbles_give_the_slices_mask_and_refine_it(hand, viewer, workspace, session):
    layer = session.labels
    hand.press("8")
    assert isinstance(session.tool, ScribbleTool)
    assert workspace.annotate.tools[ScribbleTool].isChecked()
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


@pytest.mark.parametrize("key", ["8", "Shift-B", "Shift-E", "0"])
def test_escape_gives_up_what_is_not_let_go_yet(hand, viewer, session, key):
    layer = session.labels
    hand.press(key)
    start, end = hand.at(14, 14, layer), hand.at(26, 26, layer)
    hand.mouse(PRESS, start)
    hand.mouse(MOVE, end)
    assert strokes_shown(viewer) > 0
    hand.press("Escape")
    assert strokes_shown(viewer) == 0
    assert "given up" in session.message
    hand.mouse(MOVE, start)
    hand.mouse(RELEASE, start)
    assert not layer.data.any()
    assert strokes_shown(viewer) == 0
    hand.press("Escape")  # nothing is half drawn now
    hand.sweep(start, end)
    assert layer.data[6].any()  # the tool is in the hand still


def test_a_first_stroke_over_what_is_not_it_takes_nothing_elses_place(hand, viewer, session):
    layer = session.labels
    hand.press("2")
    slices.go_to(session, 3)
    hand.stroke(layer, (20, 20), (24, 20))
    before = layer.data.copy()
    slices.go_to(session, 6)
    hand.press("8")
    layer.brush_size = 3
    hand.stroke(layer, (20, 12), (28, 12), button=RIGHT)
    assert "stays as it is" in session.message
    assert strokes_shown(viewer) > 0
    hand.press("Ctrl-Z")  # that stroke, not the one in slice 3
    assert strokes_shown(viewer) == 0
    np.testing.assert_array_equal(layer.data, before)
    assert viewer.dims.current_step[0] == 6
    hand.stroke(layer, (20, 12), (28, 12), button=RIGHT)
    hand.stroke(layer, (17, 20), (31, 20))  # it has heard what is not it
    assert layer.data[6, 24, 20] == 1
    assert not layer.data[6, 20:28, 12].any()
    hand.press("Ctrl-Z")
    hand.press("Ctrl-Z")
    hand.press("Ctrl-Z")
    assert not layer.data.any()


def test_a_stroke_over_what_the_machine_missed_takes_nothing_else_away(hand, viewer, workspace):
    rows, columns = np.mgrid[:64, :64]
    body = ((rows - 32) / 16) ** 2 + ((columns - 28) / 14) ** 2 < 1
    dark = (((rows - 32) / 6) ** 2 + ((columns - 43) / 5) ** 2 < 1) & ~body  # of the structure, too
    bright = body | (columns > 50)
    noise = np.random.default_rng(0).normal(0, 15, (4, 64, 64))
    viewer.add_image((100 + 100 * bright - 80 * dark + noise).astype(np.float32), name="heart")
    hand.rest()
    hand.click(workspace.annotate.new)
    session = workspace.session
    session.mask.take(np.arange(4), np.repeat(body[None], 4, 0).astype(np.uint8))
    slices.go_to(session, 2)
    hand.press("8")
    session.labels.brush_size = 4
    for row in (12, 52):
        hand.stroke(session.labels, (row, 6), (row, 56), button=RIGHT)
    session.labels.brush_size = 2
    hand.stroke(session.labels, (31, 44), (32, 45))
    found = session.labels.data[2] == 1
    assert found[body].mean() > 0.97
    assert found[dark].mean() > 0.7
    assert session.mask.states[2] == SliceState.CORRECTED


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


@pytest.mark.parametrize(("key", "kind"), [("Shift-B", BoxTool), ("Shift-E", EllipseTool)])
def test_box_and_ellipse_show_their_shape_give_the_mask_and_are_refined(
    hand, viewer, workspace, session, key, kind
):
    layer, shown = session.labels, []
    hand.press(key)
    assert type(session.tool) is kind
    assert workspace.annotate.tools[kind].isChecked()
    viewer.mouse_drag_callbacks.append(lambda *_: watch())

    def watch():
        yield
        yield
        shown.append(strokes_shown(viewer))

    hand.stroke(layer, (11, 9), (30, 24), (37, 31))
    assert shown[0] > 20
    assert not layer.data[:6].any()
    first = layer.data[6] == 1
    assert dice(first, BALL[6] == 1) > 0.9
    assert session.mask.states[6] == SliceState.PAINTED
    assert strokes_shown(viewer) == 0
    layer.brush_size = 3
    hand.stroke(layer, (20, 12), (28, 12), button=RIGHT)
    assert not layer.data[6, 20:28, 12].any()
    hand.stroke(layer, (8, 18), (8, 22), held="Shift")
    assert layer.data[6, 8, 20] == 1
    for _ in range(2):
        hand.press("Ctrl-Z")
    np.testing.assert_array_equal(layer.data[6] == 1, first)
    hand.press("Ctrl-Z")
    assert not layer.data.any()


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
    hand.click(workspace.annotate.tools[ScribbleTool])
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
    assert not workspace.annotate.tools[ScribbleTool].isChecked()
    assert not [one for one in viewer.layers if one.name == "strokes"]
    hand.press("8")
    hand.press("8")
    assert session.tool is None
    assert str(layer.mode) == "paint"


def test_the_threshold_brush_paints_what_is_like_where_it_begins(hand, viewer, workspace, session):
    layer = session.labels
    hand.click(workspace.annotate.tools[RangeBrush])
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


def test_limits_are_picked_shown_edited_and_kept_to(hand, viewer, workspace, session):
    layer, limits = session.labels, workspace.annotate.limits
    assert not limits.isVisible()
    hand.press("9")
    assert limits.isVisible()
    row = limits.rows[0]
    assert [row.isVisible() for row in limits.rows] == [True, False, False, False]
    assert limits.picks.isChecked()
    assert row.low.value() < 60 < 340 < row.high.value()  # all that the scan has
    # A stroke tells what it picked.
    hand.stroke(layer, (24, 20), (24, 22))
    assert 200 < row.low.value() < 300 < row.high.value() < 400
    assert limits.picks.isChecked()
    hand.press("Ctrl-Z")
    # Shift-click picks without painting, shows what is within, and strokes keep to it.
    hand.stroke(layer, (4, 4), held="Shift")
    assert not layer.data.any()
    assert row.high.value() < 200
    assert not limits.picks.isChecked()
    image = session.image.data[6]
    assert strokes_shown(viewer) == np.sum((image >= row.low.value()) & (image <= row.high.value()))
    slices.go_to(session, 7)
    hand.rest()
    assert strokes_shown(viewer) > 0
    slices.go_to(session, 6)
    # Typed limits show at once.
    row.low.selectAll()
    hand.type("200", row.low.lineEdit())
    hand.press("Enter", on=row.low)
    row.high.selectAll()
    hand.type("999", row.high.lineEdit())
    hand.press("Enter", on=row.high)
    bright = (image >= 200) & (image <= 999)
    assert strokes_shown(viewer) == bright.sum()
    layer.brush_size = 61
    hand.stroke(layer, (24, 20), (24, 24))
    assert strokes_shown(viewer) == 0
    np.testing.assert_array_equal(layer.data[6] == 1, bright)
    # They hold until strokes are to pick their own again, whatever is in the hand meanwhile.
    hand.press("2")
    assert not limits.isVisible()
    hand.press("9")
    assert (row.low.value(), row.high.value()) == (200, 999)
    hand.click(limits.picks)
    hand.press("Ctrl-Z")
    hand.stroke(layer, (4, 4), (4, 6))
    assert not layer.data[6][bright].any()
    assert layer.data[6].any()


def test_what_is_within_the_limits_is_shown_wherever_one_goes_among_several_scans(
    hand, viewer, workspace, session
):
    ball = session.image
    session.held_range.give(np.array([200.0]), np.array([999.0]))
    other = np.full((30, 90, 90), 300, np.float32)
    viewer.add_image(other, name="other", scale=(6.5, 1, 1), translate=(-121.7, 0, 0))
    hand.rest(0.1)
    hand.click(workspace.header.state.stay)
    slices.go_to(session, 6)
    hand.press("9")  # limits that hold are shown as soon as the brush is in the hand
    shown = strokes_shown(viewer)
    assert shown == np.sum((ball.data[6] >= 200) & (ball.data[6] <= 999))
    counted = tuple(viewer.dims.range[0])
    for number in (7, 8):
        hand.turn_wheel(-1)
        hand.rest(0.1)
        assert slices.current(session) == number == viewer.dims.current_step[0]
        assert tuple(viewer.dims.range[0]) == counted
        assert strokes_shown(viewer) > 0
    hand.stroke(session.labels, (24, 20), (24, 22))
    assert strokes_shown(viewer) == 0
    hand.turn_wheel(-1)
    hand.rest(0.1)
    assert strokes_shown(viewer) > 0
    session.open_case(next(one for one in viewer.layers if one.name == "other"))
    hand.rest(0.1)
    assert session.image.name == "other"
    assert session.tool is None
    session.open_case(ball)
    hand.rest(0.1)
    assert session.image is ball


def test_the_slider_gives_limits_and_the_limit_that_is_typed_holds(
    hand, viewer, workspace, session
):
    hand.press("9")
    row = workspace.annotate.limits.rows[0]
    low, high = row.slider.value()
    middle = row.slider.rect().center().y()
    drag_in(hand, row.slider, (4, middle), (row.slider.width() // 3, middle))
    assert low < row.low.value() < row.high.value() == high
    assert strokes_shown(viewer) > 0
    row.low.selectAll()
    hand.type("900", row.low.lineEdit())
    hand.press("Enter", on=row.low)
    assert (row.low.value(), row.high.value()) == (900, 900)


def drag_in(hand, widget, start, end) -> None:
    none = Qt.KeyboardModifier.NoModifier
    QTest.mousePress(widget, LEFT, none, QPoint(*start))
    for share in (0.5, 1):
        QTest.mouseMove(
            widget, QPoint(*(round(a + share * (b - a)) for a, b in zip(start, end, strict=True)))
        )
        hand.rest()
    QTest.mouseRelease(widget, LEFT, none, QPoint(*end))
    hand.rest()


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
