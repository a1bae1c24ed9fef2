"""The mouse over the canvas: slices, zoom, brush, eraser, window and level."""

from __future__ import annotations

import napari.settings
import numpy as np
import pytest
from qtpy.QtCore import QPoint

from napari_dim.gui.commands import slice_commands as slices
from napari_dim.gui.keys import SHOWN
from napari_dim.gui.mouse import GESTURES
from napari_dim.gui.panels.workspace import Workspace
from napari_dim.states import SliceState
from tests.hands.hand import LEFT, MOVE, PRESS, RELEASE, RIGHT


@pytest.fixture
def session(workspace, open_ball):
    open_ball()
    return workspace.session


chosen = pytest.mark.skipif(
    not hasattr(napari.settings, "get_plugin_settings"),
    reason="napari before 0.9 has no page of preferences for plugins",
)


@pytest.fixture
def naparis_way():
    """The preference that leaves wheel and right button to napari."""
    window = napari.settings.get_plugin_settings("napari-dim").window
    window.mouse = False
    yield
    window.mouse = True


def test_the_wheel_goes_through_the_slices_and_with_ctrl_it_zooms(hand, viewer, session):
    slices.go_to(session, 5)
    zoom = viewer.camera.zoom
    hand.turn_wheel(-2)
    assert slices.current(session) == 7
    hand.turn_wheel(3)
    assert slices.current(session) == 4
    hand.turn_wheel(20)
    assert slices.current(session) == 0
    assert viewer.camera.zoom == pytest.approx(zoom)
    slices.go_to(session, 5)
    here = hand.at(10, 8, session.labels)
    hand.turn_wheel(2, "Ctrl", over=here)
    assert viewer.camera.zoom == pytest.approx(zoom * 1.23**2)
    moved = hand.at(10, 8, session.labels) - here
    assert abs(moved.x()) + abs(moved.y()) <= 2  # what is under the mouse stays there
    assert slices.current(session) == 5


def test_a_stroke_stays_in_its_slice_whatever_the_wheel_does(hand, session):
    layer, before = session.labels, session.labels.data.copy()
    slices.go_to(session, 5)
    hand.press("2")
    start, end = hand.at(14, 14, layer), hand.at(26, 26, layer)
    hand.mouse(PRESS, start)
    hand.turn_wheel(-1, over=start, button=LEFT)
    assert slices.current(session) == 5
    hand.mouse(MOVE, end)
    hand.mouse(RELEASE, end)
    assert np.flatnonzero((layer.data != before).any((1, 2))).tolist() == [5]
    hand.turn_wheel(-1, over=end)
    assert slices.current(session) == 6


def test_the_wheel_zooms_a_single_picture(hand, viewer, workspace, qtbot):
    viewer.add_image(np.random.default_rng(0).random((40, 50)), name="picture")
    hand.rest(0.5)  # until it is drawn
    zoom = viewer.camera.zoom
    hand.turn_wheel(1)
    qtbot.waitUntil(lambda: viewer.camera.zoom > zoom)  # napari hears of it when it draws


@chosen
def test_the_wheel_is_naparis_where_it_is_preferred(hand, viewer, session, naparis_way, qtbot):
    slices.go_to(session, 5)
    zoom = viewer.camera.zoom
    hand.turn_wheel(-1)
    qtbot.waitUntil(lambda: viewer.camera.zoom < zoom)
    assert slices.current(session) == 5
    hand.turn_wheel(-1, "Ctrl")
    assert slices.current(session) == 6


def test_the_mouse_is_naparis_again_without_a_workspace(hand, viewer, workspace, session, qtbot):
    second = Workspace(viewer)
    second.deleteLater()
    qtbot.waitUntil(lambda: not session._panels > 1)
    slices.go_to(session, 5)
    hand.turn_wheel(-1)
    assert slices.current(session) == 6  # one workspace is left
    viewer.window.remove_dock_widget(workspace.parentWidget())
    workspace.deleteLater()
    qtbot.waitUntil(lambda: session._panels == 0)
    zoom = viewer.camera.zoom
    hand.turn_wheel(-1)
    qtbot.waitUntil(lambda: viewer.camera.zoom < zoom)
    assert slices.current(session) == 6


def test_shift_and_wheel_size_the_brush_and_its_size_is_told(hand, session):
    layer = session.labels
    layer.brush_size = 10
    hand.turn_wheel(1, "Shift")
    assert layer.brush_size == 12
    assert session.message.startswith("Brush: 12 px")
    hand.turn_wheel(-30, "Shift")
    assert layer.brush_size == 1
    assert session.message.startswith("Brush: 1 px")


def test_the_brush_is_told_in_mm_where_pixels_have_a_size(hand, viewer, workspace, nifti):
    hand.drop(nifti)
    hand.click(workspace.annotate.new)
    layer = workspace.session.labels
    layer.brush_size = 10
    hand.press("]")
    # The phantom's pixels are 0.8 and 0.9 mm wide.
    assert workspace.session.message == f"Brush: 11 px, {11 * 0.8:.3g} mm"


def test_the_right_button_erases_with_the_brush_as_one_step(hand, viewer, session):
    layer = session.labels
    viewer.layers.selection.active = layer
    slices.go_to(session, 6)
    hand.press("2")
    layer.brush_size = 3
    before = layer.data[6].copy()
    hand.stroke(layer, (24, 14), (24, 18), (24, 24), button=RIGHT)
    assert before[24, 16] == 1
    assert not layer.data[6, 24, 15:23].any()
    assert np.count_nonzero(layer.data[6]) < np.count_nonzero(before)
    assert str(layer.mode) == "paint"
    assert session.mask.states[6] == SliceState.PAINTED
    hand.press("Ctrl-Z")
    np.testing.assert_array_equal(layer.data[6], before)
    hand.stroke(layer, (24, 2), (24, 6))  # the left one paints as ever
    assert layer.data[6, 24, 4] == 1


@chosen
def test_the_right_button_is_naparis_where_it_is_preferred(hand, viewer, session, naparis_way):
    layer = session.labels
    viewer.layers.selection.active = layer
    slices.go_to(session, 6)
    hand.press("2")
    before = layer.data[6].copy()
    hand.stroke(layer, (24, 14), (24, 24), button=RIGHT)
    assert np.count_nonzero(layer.data[6]) >= np.count_nonzero(before)
    hand.press("Escape")


def test_ctrl_and_drag_set_window_and_level_and_draw_nothing(hand, viewer, session):
    layer, image = session.labels, session.image
    viewer.layers.selection.active = layer
    before = layer.data.copy()
    centre = hand.canvas.rect().center()
    middle = viewer.camera.center
    for key in ("3", "4", "6", "2"):
        hand.press(key)
        mode = str(layer.mode)
        low, high = image.contrast_limits
        hand.sweep(centre, centre + QPoint(60, 0), centre + QPoint(100, -60), held="Ctrl")
        now = image.contrast_limits
        assert now[1] - now[0] == pytest.approx((high - low) * 2**0.5, rel=0.01)
        assert sum(now) < low + high  # brighter
        assert session.message.startswith("Window: level")
        np.testing.assert_array_equal(layer.data, before)
        assert str(layer.mode) == mode
        assert viewer.camera.center == middle
        assert session.mask.steps.last is None
    hand.stroke(layer, (3, 3), (3, 8))  # the brush is in the hand as before
    assert (layer.data != before).any()


def test_ctrl_and_drag_draw_nothing_in_a_colour_picture(hand, viewer, workspace, notes):
    viewer.add_image(np.zeros((40, 50, 3), np.uint8), name="picture", rgb=True)
    hand.click(workspace.annotate.new)
    layer = workspace.session.labels
    hand.stroke(layer, (10, 10), (10, 20), held="Ctrl")
    assert not layer.data.any()
    assert any("colour picture has no window" in text for text in notes)
    hand.stroke(layer, (10, 10), (10, 20))
    assert layer.data.any()


def test_windows_for_ct_by_menu_and_key(hand, viewer, workspace, notes):
    scan = np.random.default_rng(0).integers(-1000, 1500, (6, 40, 40)).astype(np.int16)
    image = viewer.add_image(scan, name="ct")
    menu = workspace.header.look.menu_
    hand.take(menu, "CT lung (-600 / 1500)")
    assert tuple(image.contrast_limits) == (-1350, 150)
    hand.press("Shift-W")
    assert tuple(image.contrast_limits) == (-500, 1300)
    hand.take(menu, "Automatic")
    assert image.contrast_limits[0] < -980
    assert image.contrast_limits[1] > 1480
    viewer.layers.remove(image)
    other = viewer.add_image(scan + 5000, name="mr")
    hand.press("Shift-W")
    assert other.contrast_limits[0] > 3980  # none of CT
    assert not notes
    shown = tuple(other.contrast_limits)
    hand.take(menu, "CT liver (30 / 150)")
    assert tuple(other.contrast_limits) == shown
    assert any("for CT, in Hounsfield units" in text for text in notes)


def test_the_help_names_all_keys_and_what_the_mouse_does(hand, workspace):
    hand.press("H")
    text = workspace.help.text.toPlainText()
    assert workspace.help.isVisible()
    for words in [what for _, what in SHOWN] + [what for _, what in GESTURES]:
        assert words in text
    hand.press("H")
    assert not workspace.help.isVisible()
    hand.click(workspace.header.help)
    assert workspace.help.isVisible()
