"""Numbers that follow the work, rulers and angles: by key, button and mouse."""

from __future__ import annotations

import csv

import numpy as np
import PIL.Image
import pytest
from napari.layers import Labels
from qtpy.QtCore import QPoint
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_dim.gui.commands import slice_commands as slices
from napari_dim.gui.layers.image_layers import layer_source
from napari_dim.gui.panels.recovery_bar import leftovers
from napari_dim.gui.panels.workspace import Workspace
from napari_dim.gui.storage.mask_files import save_array
from napari_dim.gui.tools.ruler_tool import RulerTool
from tests.gui.conftest import tiny_image
from tests.hands.hand import RIGHT, Hand


@pytest.fixture
def session(viewer, workspace, hand):
    """The ball in mm, oblique and with pixels of unequal sides, painted in slice 6."""
    image, mask = tiny_image()
    place = {"scale": (3, 0.5, 1), "shear": (0.0, 0.0, 0.2), "units": ("mm",) * 3}
    viewer.add_image(image, name="ball", **place)
    some = np.zeros_like(mask)
    some[6] = mask[6]
    viewer.add_labels(some, name="mine", **place)
    viewer.reset_view()
    hand.rest(0.2)
    slices.go_to(workspace.session, 6)
    return workspace.session


def settled(hand, window, seconds: float = 10) -> None:
    """Wait until all is counted."""
    for _ in range(int(seconds / 0.1)):
        hand.rest(0.1)
        if window.counting.numbers is not None and not window.counting.waiting:
            break
    hand.rest(0.2)


def test_numbers_follow_strokes_and_are_those_of_the_export(hand, workspace, session, tmp_path):
    window, layer = workspace.numbers, session.labels
    hand.press("Shift-N")
    assert window.isVisible()
    settled(hand, window)
    first = window.classes[1]
    layer.brush_size = 7
    hand.press("Alt-1")
    hand.stroke(layer, (5, 5), (5, 12))
    settled(hand, window)
    header, row = window.classes
    assert row != first
    number = int(np.count_nonzero(layer.data[6]))
    inside = session.image.data[6][layer.data[6] == 1]
    assert row[header.index("voxels")] == str(number)
    assert row[header.index("mean here")] == f"{inside.mean():.5g}"
    assert row[header.index("SD here")] == f"{inside.std():.5g}"
    assert row[-2:] == ("1", "1")  # a slice, and a person drew it
    path = save_array(layer.data, layer, tmp_path / "sizes.csv", "csv")
    with path.open(encoding="utf-8", newline="") as file:
        whole, here = list(csv.DictReader(file))
    assert whole["volume_ml"] == row[header.index("all (ml)")]
    assert here["area_mm2"] == row[header.index("here (mm²)")]
    # In another slice nothing is here, and all is as it was.
    hand.turn_wheel(-2)
    hand.rest(0.1)
    assert window.classes[1][1] == "0"
    assert window.classes[1][4] == row[4]
    hand.press("Ctrl-Z")
    settled(hand, window)
    assert window.classes[1][4] == first[4]


def test_the_table_is_copied_by_key_and_button(hand, workspace, session):
    window = workspace.numbers
    hand.press("Shift-N")
    session.rulers_of(session.image).add([(6, 0, 0), (6, 8, 3)])
    settled(hand, window)
    for way in (
        lambda: hand.press("Ctrl-C", on=window.table),
        lambda: hand.click(window.copy),
    ):
        QApplication.clipboard().clear()
        way()
        first, second = QApplication.clipboard().text().split("\n\n")
        assert [line.split("\t") for line in first.split("\n")] == [*map(list, window.classes)]
        assert second.split("\n")[1].split("\t")[2:] == ["mm", "6"]
    # Letters reach the canvas while the table has the focus.
    hand.press("Shift-N", on=window.table)
    assert not window.isVisible()


def test_a_ruler_by_drag_and_by_clicks_measures_the_patient(hand, viewer, workspace, session):
    image, rulers = session.image, session.rulers_of(session.image)
    layer, before = session.labels, session.labels.data.copy()
    layer.mode = "paint"
    hand.press("Shift-R")
    assert isinstance(session.tool, RulerTool)
    hand.stroke(image, (10, 10), (20, 15), (30, 20))
    hand.stroke(image, (40, 10))
    middle = hand.at(40, 20, image)
    QTest.mouseMove(hand.canvas, middle)
    hand.rest(0.1)
    assert len(rulers.drawn) == 2  # the line follows the mouse
    hand.stroke(image, (40, 30))
    assert len(rulers.done) == 2
    affine = layer_source(image).grid.affine[:3, :3]
    for points in rulers.done:
        step = affine @ np.subtract(points[1], points[0])
        assert session.message  # the last one is told
        shown = session_layer(session).features["measured"].tolist()
        assert f"{np.linalg.norm(step):.4g} mm" in shown
    np.testing.assert_array_equal(layer.data, before)
    # Once more the key measures angles, and then it gives the brush back.
    hand.press("Shift-R")
    for place in ((5, 5), (20, 5), (20, 30)):
        hand.stroke(image, place)
    assert session.message.endswith("°")
    hand.press("Shift-R")
    assert session.tool is None
    assert str(layer.mode) == "paint"
    # It is no mask and no scan, and it is removed by the right button or from the table.
    assert [box.count() for box in (workspace.annotate.image, workspace.annotate.labels)] == [1, 2]
    assert len([one for one in viewer.layers if isinstance(one, Labels)]) == 1
    hand.press("Shift-R")
    hand.stroke(image, (40, 20), button=RIGHT)
    assert len(rulers.done) == 2
    window = workspace.numbers
    hand.press("Shift-N")
    hand.rest(0.2)
    rows = window.table.rowCount()
    hand.click_item(window.table, rows - 1)
    hand.press("Delete", on=window.table)
    assert [len(points) for points in rulers.done] == [2]
    hand.click_item(window.table, window.table.rowCount() - 1)
    hand.click(window.remove)
    assert rulers.done == []
    assert session.ruler_layers == {}


def test_what_is_measured_last_is_seen_in_the_table(hand, workspace, session):
    window, image = workspace.numbers, session.image
    hand.press("Shift-N")
    hand.press("Shift-R")
    for number in range(9):
        hand.stroke(image, (4 + 4 * number, 10), (4 + 4 * number, 30))
        hand.rest(0.1)
        table = window.table
        last = table.visualItemRect(table.item(table.rowCount() - 1, 0))
        assert table.viewport().rect().contains(last)
    assert table.verticalScrollBar().maximum() > 0


def session_layer(session):
    """The layer of rulers that is shown."""
    return next(iter(session.ruler_layers))


def test_the_buttons_take_ruler_and_angle_and_napari_s_tools_lay_them_down(
    hand, workspace, session
):
    window = workspace.numbers
    hand.press("Shift-N")
    hand.click(window.angle)
    assert (window.ruler.isChecked(), window.angle.isChecked()) == (False, True)
    hand.click(window.ruler)
    assert (window.ruler.isChecked(), window.angle.isChecked()) == (True, False)
    hand.press("2")
    assert session.tool is None
    assert not window.ruler.isChecked()
    assert str(session.labels.mode) == "paint"
    hand.click(window.ruler)
    hand.press("Alt-1")  # a class takes the brush
    assert session.tool is None
    assert str(session.labels.mode) == "paint"


def test_a_deleted_layer_of_rulers_deletes_them_and_half_a_ruler_is_given_up(
    hand, viewer, session, notes
):
    image, rulers = session.image, session.rulers_of(session.image)
    hand.press("Shift-R")
    hand.stroke(image, (10, 10), (30, 20))
    viewer.layers.remove(session_layer(session))
    hand.rest()
    assert rulers.done == []
    hand.stroke(image, (10, 10))
    hand.stroke(image, (30, 30), button=RIGHT)
    hand.stroke(image, (10, 10), (30, 20))
    assert len(rulers.done) == 1
    hand.stroke(image, (45, 5), button=RIGHT)
    assert any("no ruler here" in text for text in notes)
    assert len(rulers.done) == 1


def test_rulers_are_taken_back_in_one_order_with_the_mask_whatever_has_the_keys(
    hand, viewer, workspace, session
):
    image, rulers, layer = session.image, session.rulers_of(session.image), session.labels
    before, window = layer.data.copy(), workspace.numbers
    hand.press("Shift-R")
    hand.stroke(image, (10, 10), (30, 20))
    hand.stroke(image, (40, 10))
    hand.hover(hand.at(40, 20, image))
    hand.press("Ctrl-Z")  # the place of the one that is half drawn
    assert (len(rulers.done), rulers.drawn) == (1, ())
    hand.stroke(image, (40, 10))
    hand.press("Escape")
    hand.stroke(image, (40, 30))
    hand.press("Backspace")
    assert len(rulers.done) == 1
    hand.press("2")
    hand.stroke(layer, (5, 5), (5, 12))
    hand.press("Shift-N")
    hand.rest(0.2)
    hand.click_item(window.table, window.table.rowCount() - 1)
    hand.press("Delete", on=window.table)
    assert rulers.done == []
    slices.go_to(session, 2)
    hand.press("Ctrl-Z", on=window.table)
    assert len(rulers.done) == 1
    assert slices.current(session) == 6
    assert (layer.data != before).any()
    hand.press("Ctrl-Z", on=window.table)
    np.testing.assert_array_equal(layer.data, before)
    assert len(rulers.done) == 1
    hand.press("Ctrl-Z")
    assert rulers.done == []
    for _ in range(3):
        hand.press("Ctrl-Shift-Z")
    assert rulers.done == []
    assert (layer.data != before).any()


def test_rulers_of_a_scan_without_project_and_mask_are_offered_at_the_next_start(
    hand, viewer, workspace, nifti, make_napari_viewer
):
    session = workspace.session
    viewer.open(str(nifti), plugin="napari-dim")
    hand.rest(0.2)
    hand.press("Shift-R")
    hand.stroke(session.image, (10, 10), (30, 20))
    (kept,) = session.rulers_of(session.image).done
    session.autosave.close()  # as at the end of Python
    viewer.close()
    again = make_napari_viewer(show=True)
    other = Workspace(again)
    again.window.add_dock_widget(other, name="Workspace", area="right")
    hand = Hand(again)
    hand.rest()
    assert "scan" in other.recovery.text.whole
    hand.click(other.recovery.restore)
    assert other.session.rulers_of(other.session.image).done == [kept]
    assert "1 ruler" in other.session.message
    # All taken away again, nothing is offered any more.
    hand.press("Shift-R")
    hand.stroke(other.session.image, (10, 10), button=RIGHT)
    other.session.autosave.close()
    assert list(leftovers()) == []


def test_a_scan_that_is_in_no_file_comes_back_with_its_rulers_and_its_mask(
    hand, viewer, workspace, tmp_path, make_napari_viewer
):
    picture = np.random.default_rng(0).integers(0, 255, (40, 48, 3), dtype=np.uint8)
    PIL.Image.fromarray(picture).save(tmp_path / "eye.png")
    for number in range(2):
        PIL.Image.fromarray(255 - picture).save(tmp_path / f"other{number}.png")
    session = workspace.session
    viewer.open(str(tmp_path / "eye.png"), plugin="napari")  # whose reader tells us no file
    hand.rest(0.2)
    hand.click(workspace.annotate.new)
    hand.press("Shift-R")
    hand.stroke(session.labels, (10, 10), (30, 20))
    (kept,) = session.rulers_of(session.image).done
    hand.press("2")
    hand.stroke(session.labels, (20, 20), (24, 30))
    mask = session.labels.data.copy()
    assert mask.any()
    session.autosave.close()
    viewer.close()
    again = make_napari_viewer(show=True)
    other = Workspace(again)
    again.window.add_dock_widget(other, name="Workspace", area="right")
    again.open(str(tmp_path), plugin="napari-dim")  # pictures as large as it
    hand = Hand(again)
    hand.rest(0.2)
    hand.click(other.recovery.restore)
    image, labels = other.session.image, other.session.labels
    np.testing.assert_array_equal(image.data, picture)
    np.testing.assert_array_equal(labels.data, mask)
    assert other.session.scans.owner_of(labels) is image
    assert other.session.rulers_of(image).done == [kept]
    (rulers,) = other.session.ruler_layers
    assert again.layers.index(rulers) > again.layers.index(labels)
    other.session.autosave.close()


def test_in_a_plane_that_was_rolled_to_a_ruler_measures_across_slices(hand, viewer, session):
    rulers = session.rulers_of(session.image)
    viewer.dims.roll()
    viewer.reset_view()
    hand.rest(0.3)
    hand.press("Shift-R")
    middle = hand.canvas.rect().center()
    hand.sweep(middle, middle + QPoint(20, 30), middle + QPoint(40, 60))
    (points,) = rulers.done
    hidden = [axis for axis in range(3) if axis not in viewer.dims.displayed]
    assert all(points[0][axis] == points[1][axis] for axis in hidden)
    assert "mm" in session.message


def test_without_a_scan_there_is_nothing_to_measure(hand, workspace, notes):
    hand.press("Shift-R")
    hand.press("Shift-N")
    assert workspace.session.tool is None
    assert any("No scan is open" in text for text in notes)
    assert "No scan" in workspace.numbers.text.whole
