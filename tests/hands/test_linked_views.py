"""The linked views: seen, painted in and left by hand."""

from __future__ import annotations

import napari.settings
import nibabel as nib
import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QDockWidget

from napari_dim.gui.commands import slice_commands as slices
from napari_dim.gui.layers.image_layers import current_slice
from napari_dim.gui.panels import views_dock
from napari_dim.states import SliceState
from tests.gui.conftest import tiny_image
from tests.hands.hand import LEFT, RIGHT, Hand

MIDDLE = Qt.MouseButton.MiddleButton


@pytest.fixture(autouse=True)
def not_remembered():
    """What a test leaves shown does not come up in the next."""
    yield
    views_dock.remember_views(False)


@pytest.fixture
def session(viewer, workspace, open_ball):
    viewer.window.resize(1300, 700)
    open_ball()
    workspace.session.show_contours(False)
    return workspace.session


@pytest.fixture
def views(hand, session):
    """The two views, by the key."""
    slices.go_to(session, 5)
    hand.press("Shift-T")
    panel = shown(session)
    settle(hand, panel)
    return panel.views


def settle(hand, panel):
    """Until the window has made room for the views."""
    before = None
    while before != (before := [view.size() for view in panel.views]):
        hand.rest(0.3)


def shown(session):
    dock = views_dock._DOCKS[session]
    return dock.views


class Over(Hand):
    """A hand over a linked view."""

    def __init__(self, viewer, view):
        super().__init__(viewer)
        self.view = view

    @property
    def canvas(self):
        return self.view

    def at(self, down, right, layer=None):
        point = self.view.seen(np.array([down, right]))
        return QPoint(round(point.x()), round(point.y()))


def paint(viewer, session, layer_mode="paint"):
    viewer.layers.selection.active = session.labels
    session.labels.mode = layer_mode
    session.labels.brush_size = 1


def colour_at(view, down, right):
    image = view.grab().toImage()
    point = view.seen(np.array([down, right]))
    ratio = image.width() / view.width()
    found = image.pixelColor(round(point.x() * ratio), round(point.y() * ratio))
    return found.red(), found.green(), found.blue()


def is_grey(colour):
    return max(colour) - min(colour) < 12


def test_a_stroke_in_the_coronal_view_is_one_stroke_on_the_one_mask(hand, viewer, session, views):
    coronal, labels, mask = views[0], session.labels, session.mask
    assert (coronal.plane.along, coronal.plane.axes) == (1, (0, 2))
    row, before = coronal.number, labels.data.copy()
    states = mask.states
    paint(viewer, session)
    assert is_grey(colour_at(coronal, 6, 35))
    over = Over(viewer, coronal)
    over.stroke(labels, (1, 35), (10, 35))
    changed = np.argwhere(labels.data != before)
    assert {tuple(one) for one in changed} == {(n, row, 35) for n in range(1, 11)}
    assert (labels.data[1:11, row, 35] == 1).all()
    # Painted slices stay so, of untouched ones nothing is said but what is painted.
    for number in range(1, 11):
        painted = states[number] == SliceState.PAINTED
        wanted = SliceState.PAINTED if painted else SliceState.PARTIAL
        assert mask.states[number] == wanted, number
    assert "10 slices: 7 partial, 3 painted" in session.message
    hand.rest(0.2)
    assert not is_grey(colour_at(coronal, 6, 35))
    slices.go_to(session, 4)
    hand.rest(0.1)
    assert labels.get_value(labels.data_to_world((4, row, 35)), world=True) == 1  # on the canvas
    hand.press("Control-Z".replace("Control", "Ctrl"))
    assert np.array_equal(labels.data, before)
    assert np.array_equal(mask.states, states)
    hand.rest(0.2)
    assert is_grey(colour_at(coronal, 6, 35))


def test_one_click_in_a_side_view_leaves_an_untouched_slice_partial(viewer, session, views):
    paint(viewer, session)
    Over(viewer, views[1]).stroke(session.labels, (5, 24), (5, 24))
    assert session.labels.data[5, 24, views[1].number] == 1
    assert session.mask.states[5] == SliceState.PARTIAL


def test_the_machines_slices_are_corrected_in_place(viewer, session, views):
    mask = session.mask
    _, truth = tiny_image()
    mask.take(np.arange(12), truth)
    free = np.flatnonzero(mask.states == SliceState.MACHINE)
    paint(viewer, session)
    Over(viewer, views[0]).stroke(session.labels, (0, 2), (11, 2))
    assert (mask.states[free] == SliceState.CORRECTED).all()
    mask.undo()
    assert (mask.states[free] == SliceState.MACHINE).all()
    assert np.array_equal(session.labels.data[free], truth[free])


def test_what_is_painted_on_the_canvas_is_seen_in_the_views(hand, viewer, session, views):
    coronal = views[0]
    paint(viewer, session)
    session.labels.brush_size = 5
    hand.drag(session.labels, (coronal.number, 33), (coronal.number, 36))
    hand.rest(0.2)
    assert session.labels.data[5, coronal.number, 35] == 1
    assert not is_grey(colour_at(coronal, 5, 35))


def test_the_right_button_erases_and_other_classes_are_kept(viewer, session, views):
    labels, row = session.labels, views[0].number
    labels.data[:, row, 2] = 2
    labels.data[:, row, 3] = 1
    session.mask.look()
    paint(viewer, session)
    labels.preserve_labels = True
    over = Over(viewer, views[0])
    over.stroke(labels, (0, 2), (11, 2))
    assert (labels.data[:, row, 2] == 2).all()
    over.stroke(labels, (0, 2), (11, 2), button=RIGHT)
    assert (labels.data[:, row, 2] == 2).all()  # of another class
    over.stroke(labels, (0, 3), (11, 3), button=RIGHT)
    assert not labels.data[:, row, 3].any()
    assert str(labels.mode) == "paint"


def test_fill_and_pick(viewer, session, views):
    labels, row = session.labels, views[0].number
    paint(viewer, session, "pick")
    labels.selected_label = 7
    over = Over(viewer, views[0])
    at = np.argwhere(labels.data[:, row] == 1)[0]
    over.stroke(labels, tuple(at), tuple(at))
    assert labels.selected_label == 1
    labels.selected_label = 3
    labels.mode = "fill"
    there = labels.data[at[0], row] == 1
    over.stroke(labels, tuple(at), tuple(at))
    assert (labels.data[at[0], row][there] == 3).all()
    assert (labels.data == 3).sum() == there.sum()  # slices between are empty: it ends there
    session.mask.undo()
    assert not (labels.data == 3).any()


def test_the_crosshair_is_one_place_in_all_views(hand, viewer, session, views):
    coronal, sagittal = views
    session.labels.mode = "pan_zoom"
    Over(viewer, coronal).stroke(session.labels, (3, 8), (8, 30))
    assert session.crosshair.at == (8, coronal.number, 30)
    assert current_slice(viewer, session.image) == 8
    assert sagittal.number == 30
    hand.stroke(session.labels, (10, 12), (20, 14), button=MIDDLE)
    assert session.crosshair.at == (8, 20, 14)
    assert (coronal.number, sagittal.number) == (20, 14)
    hand.stroke(session.labels, (30, 22), (30, 22), held="Ctrl-Shift")
    assert session.crosshair.at == (8, 30, 22)
    slices.go_to(session, 2)
    assert session.crosshair.at == (2, 30, 22)
    assert tuple(coronal.cross) == (2, 22)


def test_the_wheel_goes_through_the_views_own_slices_and_ctrl_zooms(viewer, session, views):
    coronal = views[0]
    over, number = Over(viewer, coronal), coronal.number
    over.turn_wheel(-2)
    assert coronal.number == number + 2
    over.turn_wheel(-2, button=LEFT)  # while a stroke is drawn
    assert coronal.number == number + 2
    assert current_slice(viewer, session.image) == 5
    over.turn_wheel(60)
    assert coronal.number == 0
    here, whole = over.at(4, 30), coronal.glass.zoom
    over.turn_wheel(3, "Ctrl", over=here)
    assert coronal.glass.zoom == pytest.approx(whole * 1.23**3)
    moved = over.at(4, 30) - here
    assert abs(moved.x()) + abs(moved.y()) <= 2
    over.turn_wheel(-5, "Ctrl", over=here)
    assert coronal.glass.zoom == pytest.approx(whole)  # the whole plane is the furthest
    size = session.labels.brush_size
    over.turn_wheel(1, "Shift")
    assert session.labels.brush_size > size


def test_what_cannot_be_drawn_in_is_refused(hand, viewer, session, views, notes):
    before = session.labels.data.copy()
    paint(viewer, session)
    hand.press("9")
    over = Over(viewer, views[0])
    over.stroke(session.labels, (1, 20), (9, 20))
    assert "scan's own slices" in notes[-1]
    hand.press("9")  # the brush again
    from napari_dim.gui.layers.locked_layer import lock

    lock(session.labels, "the project can only be looked at")
    over.stroke(session.labels, (1, 20), (9, 20))
    assert np.array_equal(session.labels.data, before)


def test_another_scan_and_pictures_that_have_no_other_planes(
    hand, viewer, workspace, session, views
):
    first = session.image
    session.crosshair.go(4, 11, 13)
    other = viewer.add_image(np.random.default_rng(0).random((6, 30, 50)), scale=(5, 1, 1))
    session.open_case(other)
    assert session.image is other
    assert (views[0].plane.shape, views[1].plane.shape) == ((6, 50), (6, 30))
    picture = viewer.add_image(np.random.default_rng(0).random((30, 50)), name="picture")
    session.open_case(picture)
    assert "no other planes" in shown(session).why.text()
    assert shown(session).why.isVisible()
    session.open_case(first)
    assert session.crosshair.at[1:] == (11, 13)  # where it was left
    assert views[0].isVisible()


def test_key_button_and_cross_close_it_and_it_is_remembered(
    hand, viewer, workspace, session, qtbot
):
    button = workspace.header.views
    assert shown(session) is None
    assert session.crosshair is None
    hand.click(button)
    assert button.isChecked()
    assert shown(session).views[0].isVisible()
    hand.press("Shift-T")
    assert shown(session) is None
    assert not button.isChecked()
    hand.press("Shift-T")
    dock = next(
        d
        for d in hand.window.findChildren(QDockWidget)
        if d.windowTitle() == "Linked views" and d.isVisible()
    )
    if hasattr(napari.settings, "get_plugin_settings"):
        assert views_dock.preferences().views
    settle(hand, shown(session))
    hand.click(dock.title.close_button)
    qtbot.waitUntil(lambda: shown(session) is None)
    assert session.crosshair is None
    assert not button.isChecked()
    assert not views_dock.preferences().views
    hand.turn_wheel(1)  # the canvas hears as before


def test_a_scan_in_the_patient_has_letters_and_stands_head_up(
    hand, viewer, workspace, nifti, qtbot
):
    viewer.open(nifti, plugin="napari-dim")
    session = workspace.session
    hand.press("Shift-T")
    coronal, sagittal = shown(session).views
    assert coronal.caption.startswith("Coronal")
    assert coronal.caption.endswith("oblique")
    assert "20°" in coronal.toolTip()
    assert (coronal.plane.edges, sagittal.plane.edges) == ("SIRL", "SIAP")
    assert coronal.plane.flips[0]  # slices run to the head, which is up
    steps = coronal.glass.steps
    assert steps[0] / steps[1] == pytest.approx(3.0 / 0.8, rel=1e-3)
    session.crosshair.go(11, 0, 0)
    assert coronal.seen(coronal.cross).y() < coronal.height() / 2
    affine = nib.load(nifti).affine
    assert affine[2, 2] > 0


def test_the_room_of_views_that_are_hidden_is_the_scan_s(hand, workspace, views):
    wide, room = workspace.width(), hand.canvas.width()
    hand.press("Shift-T")
    hand.rest(0.5)
    assert workspace.width() == wide
    assert hand.canvas.width() > room + 100
