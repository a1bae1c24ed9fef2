"""Classes by hand: one that comes late, one that is removed while it is painted."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt, QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QMessageBox

from napari_dim.gui.jobs.training_plan import Part, case_of
from napari_dim.gui.layers.searched_classes import searched_in
from napari_dim.gui.storage.layer_notes import labels_from, note_of


def press_in_dialog(text: str, seen: list[str]) -> None:
    """Push the button that begins so in the dialog that opens next."""

    def look() -> None:
        box = QApplication.activeModalWidget()
        if not isinstance(box, QMessageBox):
            QTimer.singleShot(50, look)
            return
        seen.append(box.text())
        button = next(b for b in box.buttons() if b.text().replace("&", "").startswith(text))
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)

    QTimer.singleShot(50, look)


def click(button) -> None:
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    QApplication.processEvents()


@pytest.fixture
def painted(viewer, workspace, open_ball, qtbot):
    """Slices 3, 6 and 9 are painted with class 1; class 2 is added, and painted in slice 6."""
    image, labels, _ = open_ball()
    classes = workspace.annotate.classes
    click(classes.add)
    labels.data_setitem((np.array([6, 6]), np.array([20, 21]), np.array([20, 20])), 2)
    QApplication.processEvents()
    return image, labels


def searched(workspace, image):
    session = workspace.session
    return case_of(Part(image, session.mask)).searched


def test_slices_labelled_before_a_class_leave_it_open_until_a_person_says_so(
    viewer, workspace, hand, painted
):
    image, labels = painted
    assert searched_in(labels) == {3: (1,), 6: (1,), 9: (1,)}
    found = case_of(Part(image, workspace.session.mask))
    assert [found.unsaid(n, (1, 2)) for n in (3, 6, 9)] == [(2,), (), (2,)]
    button = workspace.annotate.searched
    assert button.isVisible()
    assert "3 older slices" in button.text()
    viewer.dims.set_current_step(0, 3)
    hand.press("K")
    assert 3 not in searched_in(labels)
    # It is kept with the project, and comes back.
    note = note_of(workspace.session, labels)
    again = labels_from(labels.data.copy(), note, image)
    assert searched_in(again) == {6: (1,), 9: (1,)}
    click(button)
    assert searched_in(labels) == {}
    assert not button.isVisible()
    assert set(searched(workspace, image).values()) == {(1, 2)}


@pytest.mark.parametrize(("answer", "left"), [("Make it", {0, 1}), ("Erase", {0, 1})])
def test_a_class_in_use_is_merged_or_erased_as_one_step(
    viewer, workspace, painted, qtbot, answer, left
):
    _, labels = painted
    table = workspace.annotate.classes
    table.table.item(1, 1).setText("vein")
    before = labels.data.copy()
    table.table.selectRow(1)
    seen = []
    press_in_dialog(answer, seen)
    click(table.remove)
    assert "“vein” is painted in 1 slice" in seen[0]
    assert set(np.unique(labels.data)) == left
    assert (labels.data[6, 20, 20] == 1) == (answer == "Make it")
    assert [info.id for info in table.classes] == [1]
    labels.undo()
    QApplication.processEvents()
    np.testing.assert_array_equal(labels.data, before)
    viewer.dims.set_current_step(0, 6)
    qtbot.waitUntil(lambda: [(i.id, i.name) for i in table.classes][1:] == [(2, "vein")])


def test_removing_a_class_in_use_can_be_left(workspace, painted):
    _, labels = painted
    before = labels.data.copy()
    workspace.annotate.classes.table.selectRow(1)
    press_in_dialog("Cancel", [])
    click(workspace.annotate.classes.remove)
    np.testing.assert_array_equal(labels.data, before)
    assert [info.id for info in workspace.annotate.classes.classes] == [1, 2]


def test_the_table_shows_the_brush_in_the_hand_and_a_click_always_takes_one(
    viewer, workspace, hand, painted
):
    _, labels = painted
    tab = workspace.annotate
    table = tab.classes.table
    hand.click_item(table, 0, 1)
    assert labels.selected_label == 1
    hand.click(tab.background)
    assert labels.selected_label == tab.session.mask.brush
    assert tab.background.isChecked()
    assert not table.selectedItems()
    # The class that was selected before: a click on it must not leave background in the hand.
    hand.click_item(table, 0, 1)
    assert labels.selected_label == 1
    assert not tab.background.isChecked()
    # Whatever else takes a brush, and whatever layer was selected meanwhile.
    labels.selected_label = 2
    assert {item.row() for item in table.selectedItems()} == {1}
    viewer.layers.selection.active = viewer.layers[0]
    labels.mode = "erase"
    hand.click_item(table, 1, 1)
    assert viewer.layers.selection.active is labels
    assert labels.mode == "paint"


def test_the_brush_of_a_class_that_is_gone_is_in_no_hand_and_nothing_waits_for_it(
    workspace, hand, painted
):
    _, labels = painted
    tab = workspace.annotate
    hand.click_item(tab.classes.table, 1, 1)
    place = tab.confirm.y()
    press_in_dialog("Make it", [])
    hand.click(tab.classes.remove)
    assert labels.selected_label == 1
    assert searched_in(labels) == {}
    assert not tab.searched.isVisible()
    hand.rest(0.1)
    assert abs(tab.confirm.y() - place) < tab.confirm.height() // 2
    labels.undo()
    hand.rest(0.1)
    assert [info.id for info in tab.classes.classes] == [1, 2]
