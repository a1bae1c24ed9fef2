"""Cleaning up by hand: what the window says is what happens, and one Ctrl-Z takes it back."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication

from napari_dim.gui.commands import slice_commands as slices
from napari_dim.gui.panels import clean_up_window
from napari_dim.states import SliceState


@pytest.fixture
def session(workspace, open_ball):
    """The ball in slices 3, 6 and 9, with a speck in each."""
    _, labels, _ = open_ball()
    labels.data[[3, 6, 9], 2:4, 2:4] = 1
    workspace.session.mask.look()
    slices.go_to(workspace.session, 6)
    return workspace.session


def said(qtbot, window) -> str:
    """What the window says once it has worked out what would change."""
    qtbot.waitUntil(lambda: not window._soon.isActive() and window._mark is None, timeout=10_000)
    return window.text.whole


def test_islands_are_taken_away_in_the_slice_on_the_screen(hand, workspace, session, qtbot):
    before = session.labels.data.copy()
    hand.click(workspace.annotate.clean_up)
    window = workspace.clean_up
    assert window.isVisible()
    assert said(qtbot, window) == "Removes 4 pixels."  # the layer says no unit
    slices.go_to(session, 1)
    assert said(qtbot, window) == "Changes nothing."
    assert not window.apply.isEnabled()
    slices.go_to(session, 6)
    said(qtbot, window)
    hand.click(window.apply)
    assert not session.labels.data[6, :5, :5].any()
    assert session.labels.data[3, :5, :5].any()
    assert said(qtbot, window) == "Changes nothing."
    hand.press("Ctrl-Z")
    np.testing.assert_array_equal(session.labels.data, before)
    hand.press("Shift-C")
    assert not window.isVisible()


def test_after_a_number_was_typed_the_keys_are_the_canvas_s_again(hand, workspace, session, qtbot):
    before = session.labels.data.copy()
    hand.press("Shift-C")
    window = workspace.clean_up
    window.activateWindow()
    window.tool.setCurrentIndex(window.tool.findData("margin"))
    for leaves in ("Enter", None):
        window.size.setFocus()
        window.size.selectAll()
        hand.type("3", window.size.lineEdit())
        if leaves:
            hand.press(leaves, on=window.size)
        said(qtbot, window)
        hand.click(window.apply)
        hand.rest(0.1)
        assert (session.labels.data != before).any()
        assert QApplication.focusWidget() is hand.canvas
        hand.press("Ctrl-Z", on=QApplication.focusWidget())
        np.testing.assert_array_equal(session.labels.data, before)


def test_what_was_painted_meanwhile_is_not_overwritten_by_an_older_plan(
    hand, workspace, session, qtbot
):
    hand.press("Shift-C")
    window = workspace.clean_up
    window.tool.setCurrentIndex(window.tool.findData("largest"))
    said(qtbot, window)
    labels = session.labels
    labels.data[6, 40:44, 30:39] = 1  # by something that tells nobody, while the plan is shown
    hand.click(window.apply)
    assert labels.data[6, 40:44, 30:39].all()
    assert "40" in said(qtbot, window)  # the speck and what was painted
    hand.click(window.apply)
    assert not labels.data[6, 40:44, 30:39].any()


def test_a_margin_of_the_whole_scan_leaves_labelled_slices_alone(hand, workspace, session, qtbot):
    before = session.labels.data.copy()
    hand.press("Shift-C")
    window = workspace.clean_up
    window.tool.setCurrentIndex(window.tool.findData("margin"))
    window.where.setCurrentIndex(2)
    window.size.setValue(3.0)
    text = said(qtbot, window)
    assert text.startswith("Adds")
    assert text.endswith("2 labelled slices stay as they are.")
    hand.click(window.apply)
    data = session.labels.data
    np.testing.assert_array_equal(data[[3, 9]], before[[3, 9]])
    assert session.mask.states[5] == session.mask.states[7] == SliceState.FILLED
    assert np.count_nonzero(data[6]) > np.count_nonzero(before[6])
    hand.press("Ctrl-Z")
    np.testing.assert_array_equal(data, before)


def test_a_class_becomes_another_by_hand(hand, workspace, session, qtbot):
    labels = session.labels
    hand.click(workspace.annotate.classes.add)
    labels.data[6, 20:24, 10:30] = 2
    session.mask.look()
    before = labels.data.copy()
    hand.press("Shift-C")
    window = workspace.clean_up
    assert not window.other.isEnabled()
    window.tool.setCurrentIndex(window.tool.findData("replace"))
    assert window.other.isEnabled()
    assert window.what.currentData() != window.other.currentData()
    window.what.setCurrentIndex(window.what.findData(2))
    window.other.setCurrentIndex(window.other.findData(2))
    assert "two different classes" in said(qtbot, window)
    assert not window.apply.isEnabled()
    window.other.setCurrentIndex(window.other.findData(1))
    assert said(qtbot, window) == "Changes the class of 80 pixels."
    hand.click(window.apply)
    assert not (labels.data == 2).any()
    assert (labels.data[6, 20:24, 10:30] == 1).all()
    hand.press("Ctrl-Z")
    np.testing.assert_array_equal(labels.data, before)


def test_an_answer_to_what_was_asked_before_comes_too_late(
    hand, workspace, session, qtbot, monkeypatch
):
    let, real = threading.Event(), clean_up_window.plan

    def held(*given):
        let.wait(10)
        return real(*given)

    monkeypatch.setattr(clean_up_window, "plan", held)
    hand.press("Shift-C")
    window = workspace.clean_up
    qtbot.waitUntil(lambda: window._mark is not None)
    (waiting,) = (t for t in threading.enumerate() if t.name == "clean up")
    window._soon.setInterval(2000)
    window.where.setCurrentIndex(2)
    let.set()
    waiting.join()
    hand.rest(0.1)
    assert not window.apply.isEnabled()
    window._soon.start(0)
    assert said(qtbot, window) == "Removes 4 pixels in 1 slice. 2 labelled slices stay as they are."


def test_copying_leaves_no_run_of_slices_behind(hand, workspace, session, qtbot):
    hand.press("Shift-C")
    window = workspace.clean_up
    window.tool.setCurrentIndex(window.tool.findData("copy"))
    said(qtbot, window)
    assert window.first.isVisible()
    for widget in (window.where, window.first, window.last):  # nothing is cut off
        place = widget.mapTo(window, widget.rect().bottomRight())
        assert window.rect().contains(place)
        assert widget.width() >= widget.minimumSizeHint().width()
    window.tool.setCurrentIndex(window.tool.findData("islands"))
    assert said(qtbot, window) == "Removes 4 pixels."
    assert not window.first.isVisible()
    window.tool.setCurrentIndex(window.tool.findData("copy"))
    hand.press("Down", on=window.where)  # a person's own choice stays
    window.tool.setCurrentIndex(window.tool.findData("islands"))
    assert window.where.currentText() == "the whole scan"


def test_taking_copies_back_leaves_the_view_on_the_slice_that_was_copied(
    hand, workspace, session, qtbot
):
    before = session.labels.data.copy()
    hand.press("Shift-C")
    window = workspace.clean_up
    window.tool.setCurrentIndex(window.tool.findData("copy"))
    window.first.setValue(5)
    window.last.setValue(7)
    said(qtbot, window)
    hand.click(window.apply)
    np.testing.assert_array_equal(session.labels.data[[5, 7]], before[[6, 6]])
    hand.press("Ctrl-Z")
    np.testing.assert_array_equal(session.labels.data, before)
    assert slices.current(session) == 6
    hand.press("Ctrl-Shift-Z")
    assert slices.current(session) == 6
    slices.go_to(session, 10)
    hand.press("Ctrl-Z")
    assert slices.current(session) == 7  # from elsewhere it goes where something changed


def test_a_click_on_apply_counts_although_previews_come(hand, workspace, session, qtbot):
    ball = session.mask.planes[6] > 0
    speckled = ball.astype(np.uint8)[None]
    session.mask.take(np.array([4]), speckled)
    hand.press("Shift-C")
    window = workspace.clean_up
    window.where.setCurrentText(clean_up_window.ALL)
    assert "in 2 slices" in said(qtbot, window)
    session.mask.take(np.array([5]), speckled)  # as a preview does
    session.slices_changed.emit()
    hand.click(window.apply)
    qtbot.waitUntil(lambda: not session.mask.planes[5][:5, :5].any(), timeout=10_000)
    assert not session.mask.planes[4][:5, :5].any()
    hand.press("Ctrl-Z")
    assert session.mask.planes[4][:5, :5].any()
    assert session.mask.planes[5][:5, :5].any()
