"""The list of a project's cases by hand: search, double click, next and previous."""

from __future__ import annotations

import nibabel as nib
import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_dim.gui.layers.image_layers import current_slice
from napari_dim.gui.panels.cases_panel import show_cases
from napari_dim.gui.storage import project_actions as projects
from napari_dim.project import Note, Project
from napari_dim.project.local import recovery_folders
from napari_dim.states import SliceState
from tests.gui.conftest import tiny_image, wait_idle
from tests.hands.hand import push


def test_from_case_to_case_with_the_camera_and_the_slice(hand, viewer, workspace, tmp_path, qtbot):
    folder = tmp_path / "scans"
    folder.mkdir()
    for number, place in enumerate((0.0, 500.0)):  # far from each other in space
        affine = np.diag([1.0, 1, 3, 1])
        affine[:3, 3] = place
        nib.save(nib.Nifti1Image(tiny_image(number)[0].T, affine), folder / f"s{number}.nii.gz")
    session = workspace.session
    projects.from_folder(session, tmp_path / "p", folder)
    session.set_site(session.image, "north")
    workspace.annotate.new.click()
    workspace.annotate.classes.table.item(0, 1).setText("vein")
    session.labels.data_setitem((np.array([5]), np.array([20]), np.array([20])), 1)
    viewer.dims.set_current_step(0, 5)
    session.autosave.flush()
    panel = show_cases(session)
    assert show_cases(session) is panel

    def states():
        table = panel.table
        return [table.item(n, 2).text() for n in range(table.rowCount())]

    qtbot.waitUntil(lambda: states() == ["1 of 12 labelled", "not labelled"], timeout=20_000)
    assert panel.table.item(0, 1).text() == "north"
    hand.press("2")
    for _ in range(4):
        hand.press("[")
    size = session.labels.brush_size
    QTest.mouseClick(panel.after, Qt.MouseButton.LeftButton)
    assert session.image.name == "s1"
    assert [layer.name for layer in viewer.layers] == ["s1"]
    low, high = session.image.extent.world
    centre = np.asarray(viewer.camera.center)[-2:]
    assert ((low[-2:] < centre) & (centre < high[-2:])).all()
    workspace.annotate.new.click()  # the classes of a project are those of all its cases
    assert [info.name for info in workspace.annotate.classes.classes] == ["vein"]
    panel.search.setFocus()
    QTest.keyClicks(panel.search, "north")
    assert panel.table.rowCount() == 1
    panel.table.setCurrentCell(0, 0)
    QTest.keyClick(panel.table, Qt.Key.Key_Return)
    QApplication.processEvents()
    assert session.image.name == "s0"
    # The tool stays in the hand, and keys with the list in focus are for the canvas.
    assert viewer.layers.selection.active is session.labels
    assert str(session.labels.mode) == "paint"
    assert session.labels.brush_size == size < 10
    hand.press("1", on=panel.table)
    assert str(session.labels.mode) == "erase"
    hand.rest(0.1)
    for widget in (panel.table, panel.search):  # lists grow with the window's font
        assert widget.font().pointSizeF() == panel.after.font().pointSizeF()
    # Names are told from each other.
    assert panel.table.columnWidth(0) >= panel.table.sizeHintForColumn(0)
    # The slice that was left, the same number in napari's slider, here and in the strip.
    assert viewer.dims.current_step[0] == 5
    assert current_slice(viewer, session.image) == 5
    assert workspace.strip._current == 5
    session.autosave.close()


def test_a_case_that_is_left_and_come_back_to_while_it_is_trained_on_is_one_mask(
    hand, viewer, workspace, tmp_path, qtbot
):
    folder = tmp_path / "scans"
    folder.mkdir()
    for number in range(2):
        nib.save(nib.Nifti1Image(tiny_image(number)[0].T, np.eye(4)), folder / f"s{number}.nii.gz")
    session, train, truth = workspace.session, workspace.train, tiny_image()[1]
    projects.from_folder(session, tmp_path / "p", folder)
    workspace.annotate.new.click()
    for number in (3, 6, 9):
        at = np.nonzero(truth[number])
        session.labels.data_setitem((np.full(at[0].size, number), *at), 1)
    train.set_budget(300)
    train.button.click()
    qtbot.waitUntil(lambda: len(session.history) > 1, timeout=120_000)
    panel = show_cases(session)
    hand.click(panel.after)
    assert [layer.name for layer in viewer.layers] == ["s1"]
    hand.click(panel.before)
    assert session.image.name == "s0"
    # In the mask that is shown, and in the slice that is painted next.
    qtbot.waitUntil(
        lambda: session.answer is not None and bool(session.answer.said[5]), timeout=60_000
    )
    viewer.dims.set_current_step(0, 5)
    session.labels.paint((5, 2, 2), 1)
    mine = session.labels.data[5].copy()
    hand.click(panel.after)
    train.stop()
    wait_idle(qtbot, session)
    # No mask of the other case comes over this one; its own place has all of it.
    shown = [layer for layer in viewer.layers if layer.visible]
    assert {session.scans.owner_of(layer) or layer for layer in shown} == {session.image}
    project = session.autosave.project
    kept = project.recover("s0", "labels")
    assert project.layers("s0") == ("labels",)
    np.testing.assert_array_equal(kept.array[5], mine)
    np.testing.assert_array_equal(kept.array[[3, 6, 9]], truth[[3, 6, 9]])
    states = [SliceState(int(digit)) for digit in kept.note.states]
    assert states[5] == SliceState.CORRECTED
    assert states[3] == states[6] == states[9] == SliceState.PAINTED
    assert {states[n] for n in (0, 1, 2, 4, 7, 8, 10, 11)} == {SliceState.MACHINE}
    # How unsure the model is of each is there tomorrow, too, wherever the case was shown.
    assert all(project.answers.doubts(name) is not None for name in ("s0", "s1"))
    session.autosave.close()


def test_a_project_opened_beside_a_scan_has_the_window_for_itself(
    viewer, workspace, open_ball, tmp_path
):
    _, mask, _ = open_ball()
    folder = tmp_path / "scans"
    folder.mkdir()
    affine = np.diag([0.5, 0.5, 3, 1])
    affine[:3, 3] = 70
    nib.save(nib.Nifti1Image(tiny_image(1)[0].T, affine), folder / "small.nii.gz")
    session, classes = workspace.session, workspace.annotate.classes
    assert classes.layer is mask
    projects.from_folder(session, tmp_path / "p", folder)
    assert session.image.name == "small"
    low, high = (corner[-2:] for corner in session.image.extent.world)
    np.testing.assert_allclose(np.asarray(viewer.camera.center)[-2:], (low + high) / 2)
    # One numbering: an arrow key goes from slice to slice, in the slider as in the strip.
    for number in (3, 4):
        viewer.dims.set_current_step(0, number)
        assert current_slice(viewer, session.image) == number
    assert viewer.dims.nsteps[0] == len(session.image.data)
    # "+" would add a class to the mask of the other scan.
    assert classes.layer is None
    assert not classes.add.isEnabled()
    assert not classes.classes
    small, ball = session.image, viewer.layers[0]
    session.open_case(ball)
    assert viewer.dims.nsteps[0] == len(ball.data)
    viewer.dims.set_current_step(0, 7)
    session.open_case(small)
    assert viewer.dims.current_step[0] == 4
    session.open_case(ball)  # each where it was left
    assert viewer.dims.current_step[0] == 7
    session.autosave.close()


def test_a_project_that_is_taken_over_has_one_mask_a_scan(hand, viewer, workspace, nifti, tmp_path):
    session = workspace.session
    with Project.create(tmp_path / "p") as killed:
        mask = np.zeros((12, 48, 40), np.uint8)
        mask[3, 10:20, 10:20] = 1
        killed.add_case(nifti, "scan")
        states = [SliceState.UNTOUCHED] * 12
        states[3], states[11] = SliceState.PAINTED, SliceState.EMPTY
        marked = "".join(str(int(state)) for state in states)
        note = Note(name="scan (mask)", role="mask", states=marked)
        killed.begin("scan", "labels", mask, note)
        killed.flush()
        left = (tmp_path / "p" / "holder.json").read_text("utf8")
    (tmp_path / "p" / "holder.json").write_text(left, "utf8")  # as a killed process leaves it

    def wait_and_take(dialog):
        hand.rest(1)  # what is only looked at is not taken for new work meanwhile
        push("Yes")(dialog)

    with hand.answering(wait_and_take) as asked:
        workspace.header.project.open(tmp_path / "p")
    assert asked == ["Take over the project?"]
    assert recovery_folders() == []
    assert [layer.name for layer in viewer.layers] == ["scan", "scan (mask)"]
    session.labels.paint((3, 30, 30), 1)
    hand.rest()
    assert session.autosave.flush()
    assert session.autosave.project.layers("scan") == ("labels",)
    kept = session.autosave.project.recover("scan").array
    np.testing.assert_array_equal(kept, session.labels.data)
    session.autosave.close()
