"""From one scan to another by hand, whatever is in the hand."""

from __future__ import annotations

import napari
import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QEvent
from qtpy.QtGui import QHelpEvent
from qtpy.QtWidgets import QApplication, QToolTip

from tests.gui.conftest import tiny_image


@pytest.mark.parametrize("tool", ["8", "Shift-X"])
def test_the_scan_that_is_asked_for_is_the_one_that_is_worked_on(hand, workspace, session, tool):
    ball, viewer = session.image, session.viewer
    hand.press(tool)
    viewer.add_image(tiny_image(1)[0], name="other", scale=(3, 1, 1))
    hand.rest(0.05)
    hand.click(workspace.header.state.take)
    hand.rest(0.05)
    assert session.image.name == "other" == workspace.annotate.image.layer.name
    assert [layer.name for layer in viewer.layers if layer.visible and layer.ndim == 3] == ["other"]
    hand.click(workspace.annotate.new)
    hand.press(tool)
    session.open_case(ball)  # as the list of cases does
    assert session.image is ball is workspace.annotate.image.layer
    assert ball.visible
    assert session.labels.visible


def test_the_list_of_scans_goes_there_with_a_tool_in_the_hand(hand, workspace, session):
    viewer = session.viewer
    viewer.add_image(np.zeros((12, 40, 40), np.float32), name="other", scale=(3, 1, 1))
    hand.rest(0.05)
    hand.click(workspace.header.state.stay)
    hand.press("9")
    scans = workspace.annotate.image
    scans.setFocus()
    hand.press("Up" if scans.currentIndex() else "Down", on=scans)
    hand.rest(0.05)
    assert session.image.name == "other" == scans.layer.name
    assert session.image.visible


def test_of_scans_that_come_one_after_the_other_the_newest_is_offered(hand, workspace, session):
    viewer = session.viewer
    for name in ("first", "second"):
        viewer.add_image(tiny_image(1)[0], name=name, scale=(3, 1, 1))
        hand.rest(0.05)
        assert name in workspace.header.state.text
    hand.click(workspace.header.state.take)
    hand.rest(0.05)
    assert session.image.name == "second"


def test_of_long_names_both_ends_are_seen(hand, workspace, session):
    names = ["study_of_late_enhancement_patient_0117_visit_" + visit for visit in "12"]
    for name in names:
        session.viewer.add_image(tiny_image(1)[0], name=name, scale=(3, 1, 1))
        hand.rest(0.05)
    hand.click(workspace.header.state.take)
    hand.rest(0.1)
    scans = workspace.annotate.image
    assert scans.layer.name == names[1]
    assert scans.shown.startswith("study")
    assert scans.shown.endswith("_2")
    assert scans.fontMetrics().horizontalAdvance(scans.shown) < scans.width()
    place = scans.rect().center()
    QApplication.sendEvent(scans, QHelpEvent(QEvent.Type.ToolTip, place, scans.mapToGlobal(place)))
    assert names[1] in QToolTip.text()
    scans.showPopup()
    hand.rest(0.1)
    assert scans.view().width() >= scans.fontMetrics().horizontalAdvance(names[0])
    scans.hidePopup()


def test_that_scans_are_in_other_units_is_told_once(hand, workspace, session):
    told: list[str] = []
    notification_manager.notification_ready.connect(lambda note: told.append(str(note.message)))
    scan = tiny_image(1)[0]
    session.viewer.add_image(scan, name="in mm", scale=(3, 1, 1), units=("mm",) * 3)
    hand.rest(0.1)
    for tool in ("8", "9", "Shift-X", "9"):  # strokes and live wires have a layer each
        hand.press(tool)
        hand.rest(0.1)
    version = tuple(map(int, napari.__version__.split(".")[:2]))
    assert sum("units" in text for text in told) == (version >= (0, 7))
