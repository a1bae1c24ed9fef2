"""The loop in a real viewer with the real engine: label, train, predict, correct, save."""

from __future__ import annotations

import json
import time

import nibabel as nib
import numpy as np
import pytest
import torch
from napari.utils import progress

from napari_dim.gui.jobs import training_job
from napari_dim.gui.layers.image_layers import labels_array
from napari_dim.gui.work import Activity
from napari_dim.states import SliceState
from tests.gui.conftest import tiny_image, wait_idle


def dice(a, b) -> float:
    return 2 * np.count_nonzero(a & b) / max(1, np.count_nonzero(a) + np.count_nonzero(b))


def stop_quickly(panel, qtbot):
    panel.stop()
    wait_idle(qtbot, panel.session)


def test_from_painted_slices_to_predicted_layer_and_file(
    viewer, workspace, panel, open_ball, qtbot, tmp_path, notes
):
    image, labels, reference = open_ball()
    before = labels.data.copy()
    assert "3 (3, 6, 9)" in panel.plan_text.text()
    assert "6 unlabelled" in panel.plan_text.text()
    panel.set_budget(12)
    panel.form.set_value("learning_rate", 0.01)
    panel.form.set_value("sharpness", 0.0)
    viewer.layers.selection.active = labels
    panel.button.click()
    assert panel.session.activity is Activity.TRAINING
    assert viewer.layers.selection.active is labels  # The person goes on painting.
    mask = panel.session.mask_of(image)
    assert mask.layer is labels
    qtbot.waitUntil(lambda: len(panel.session.history) > 1, timeout=120_000)
    labels.data[0, 0, 0] = 1  # Painted while training: it may not reach the training, nor be lost.
    wait_idle(qtbot, panel.session)
    assert notes == []
    assert dice(mask.answer.mask > 0, reference > 0) > 0.6
    assert dice(labels.data > 0, reference > 0) > 0.6
    np.testing.assert_array_equal(labels.data[[3, 6, 9]], before[[3, 6, 9]])
    assert labels.data[0, 0, 0] == 1
    machine = mask.states == SliceState.MACHINE
    assert machine.sum() == 8
    np.testing.assert_array_equal(labels.data[machine], mask.answer.mask[machine])
    # The model is saved, and good for another scan, from the Predict panel.
    run = panel.session.run
    assert run.parent == tmp_path / "runs"
    predict = workspace.review.predict
    other, truth = tiny_image(seed=5)
    layer = viewer.add_image(other, name="other")
    predict.image.pick(layer)
    panel.session.model = None  # As after a restart.
    assert predict.run.path == run
    predict.button.click()
    assert predict.button.text() == "Cancel"
    wait_idle(qtbot, panel.session)
    assert notes == []
    made = panel.session.mask_of(layer).layer
    mask = labels_array(made)
    assert made.name == "other (mask)"
    assert dice(mask > 0, truth > 0) > 0.5
    export = workspace.export
    workspace.annotate.image.pick(layer)
    assert export.export(tmp_path / "other.nii.gz")
    saved = nib.load(tmp_path / "other.nii.gz")
    np.testing.assert_array_equal(np.asarray(saved.dataobj).T, mask)
    record = json.loads((tmp_path / "other.nii.gz.json").read_text())
    assert record["model"]["seed"] == 1
    assert len(record["mask"]["sha256"]) == 64


def test_preview_comes_while_training_current_slice_first(
    viewer, panel, open_ball, qtbot, monkeypatch
):
    monkeypatch.setattr(training_job, "FIRST_PREVIEW", 0.0)  # a machine too slow for more steps
    image, _, _ = open_ball()
    panel.set_budget(60)
    viewer.dims.set_point(0, 8 * 3)
    panel.button.click()
    mask = panel.session.mask_of(image)
    orders = []
    take = mask.take
    mask.take = lambda numbers, masks: (orders.append(list(numbers)), take(numbers, masks))
    qtbot.waitUntil(lambda: bool(orders), timeout=120_000)
    assert panel.session.activity is Activity.TRAINING
    assert orders[0] == [6, 7, 8, 9]  # those between the labelled ones around it
    stop_quickly(panel, qtbot)
    assert "Stopped" in panel.session.message


def test_corrected_slices_are_kept_and_undo_stays_right(viewer, panel, open_ball, qtbot):
    image, _, _ = open_ball()
    panel.button.click()
    wait_idle(qtbot, panel.session)
    mask = panel.session.mask_of(image)
    layer = mask.layer
    stroke = np.zeros(layer.data.shape, bool)
    stroke[5, :8, :8] = True
    layer.data_setitem(np.nonzero(stroke), 1)
    before_undo = layer.data[5].copy()
    assert mask.states[5] == SliceState.CORRECTED
    panel.form.set_value("seed", 7)
    panel.button.click()
    wait_idle(qtbot, panel.session)
    assert panel.session.mask_of(image) is mask
    assert mask.states[5] == SliceState.CORRECTED
    np.testing.assert_array_equal(layer.data[5], before_undo)
    others = [n for n in range(12) if n != 5]
    newest = layer.data[others].copy()
    layer.undo()
    np.testing.assert_array_equal(layer.data[5], mask.answer.mask[5])
    np.testing.assert_array_equal(layer.data[others], newest)
    layer.redo()
    np.testing.assert_array_equal(layer.data[5], before_undo)


def test_background_only_slices_count(viewer, workspace, panel, open_ball, qtbot):
    open_ball()
    annotate = workspace.annotate
    viewer.dims.set_point(0, 0)
    assert "Slice 0" in annotate.state.whole
    annotate.confirm.click()
    panel._say_plan()
    assert "background only: 1 (0)" in panel.plan_text.text()
    panel.button.click()
    text = []
    panel.session.changed.connect(lambda: text.append(panel.session.message))
    wait_idle(qtbot, panel.session)
    assert any("4 labelled slices and 7 unlabelled slices" in line for line in text)
    annotate.untouched.click()
    panel._say_plan()
    assert "background only" not in panel.plan_text.text()


def test_unlabelled_images_of_another_site_join(viewer, panel, open_ball, qtbot):
    open_ball()
    other = viewer.add_image(tiny_image(3)[0], name="elsewhere")
    panel.others.tick(other)
    assert "18 unlabelled" in panel.plan_text.text()
    assert panel.others.chosen() == [(other, "elsewhere")]
    text = []
    panel.session.changed.connect(lambda: text.append(panel.session.message))
    panel.button.click()
    wait_idle(qtbot, panel.session)
    assert any("3 labelled slices and 18 unlabelled slices" in line for line in text)
    assert panel.session.mask_of(other).answer.said.all()  # segmented at the end
    assert panel.session.message == "Predicted 1 of 1 scan"


def test_nothing_painted_is_told_once(viewer, panel, open_ball, qtbot, notes):
    _, labels, _ = open_ball()
    labels.data[:] = 0
    labels.refresh()
    panel.session.mask.look()
    panel._say_plan()
    assert "Nothing is labelled" in panel.plan_text.text()
    panel.button.click()
    wait_idle(qtbot, panel.session)
    assert len(notes) == 1
    assert "no slice is labelled" in notes[0]
    assert panel.button.text() == "Start training"
    assert panel.button.isEnabled()


def test_an_exception_in_the_thread_is_told_once(viewer, panel, open_ball, qtbot, notes):
    open_ball()
    # A file where the run folder should be made: a real fault, from the thread.
    panel.runs.path.write_text("in the way")
    panel.button.click()
    wait_idle(qtbot, panel.session)
    assert len(notes) == 1
    assert panel.button.text() == "Start training"
    assert panel.session.task is None


def test_nan_in_the_image_does_no_harm(viewer, panel, qtbot, notes):
    image, mask = tiny_image()
    odd = image.astype(np.float32)
    odd[0, 0, 0], odd[1, 1, 1] = np.nan, np.inf
    viewer.add_image(odd, name="odd", contrast_limits=(0, 400))
    some = np.zeros_like(mask)
    some[6] = mask[6]
    viewer.add_labels(some)
    panel.button.click()
    wait_idle(qtbot, panel.session)
    assert notes == []
    assert np.isnan(odd[0, 0, 0])
    assert panel.session.model is not None


def test_two_trainings_at_once_are_refused(viewer, panel, open_ball, qtbot, notes):
    open_ball()
    panel.set_budget(60)
    panel.button.click()
    panel.start()
    assert len(notes) == 1
    assert "still going on" in notes[0]
    assert panel.session.activity is Activity.TRAINING
    stop_quickly(panel, qtbot)


def test_layers_removed_and_renamed_during_training(
    viewer, workspace, panel, open_ball, qtbot, notes
):
    image, labels, reference = open_ball()
    panel.set_budget(60)
    panel.button.click()
    layer = labels
    qtbot.waitUntil(lambda: len(panel.session.history) > 1, timeout=120_000)
    image.name = "renamed"
    assert workspace.annotate.image.currentText() == "renamed"
    viewer.layers.remove(labels)
    viewer.layers.remove(image)
    time.sleep(0.1)
    stop_quickly(panel, qtbot)
    assert notes == []
    assert layer in viewer.layers  # The result is offered again.
    assert layer.data.shape == reference.shape


@pytest.mark.own_window
@pytest.mark.parametrize("way", ["viewer", "dock"])
def test_closing_while_training_ends_the_thread(viewer, workspace, panel, open_ball, qtbot, way):
    open_ball()
    panel.set_budget(600)
    panel.button.click()
    session = panel.session
    qtbot.waitUntil(lambda: len(session.history) > 1, timeout=120_000)
    task = session.task
    # napari asks before it closes; its moving picture would draw the window anew all the time.
    assert list(progress._all_instances) == []
    status = viewer.window._task_status_manager.get_status()
    assert any("training on ball" in line for line in status)
    began = time.monotonic()
    if way == "viewer":
        viewer.close()
    else:
        viewer.window.remove_dock_widget(workspace)
        workspace.deleteLater()
        qtbot.waitUntil(lambda: task.abandoned, timeout=3000)
    assert task.wait(3)
    assert time.monotonic() - began < 3
    qtbot.waitUntil(lambda: not task._worker.is_running, timeout=3000)
    session.task = None


@pytest.mark.shown
def test_a_cohort_trains_without_layers(viewer, workspace, panel, nifti, qtbot, notes):
    mask = np.transpose(tiny_image()[1], (2, 1, 0))
    loaded = nib.load(nifti)
    nib.save(nib.Nifti1Image(mask, loaded.affine), nifti.with_name("reference.nii.gz"))
    cohort = nifti.with_name("cohort.csv")
    cohort.write_text(
        "image,labels,slices,site,split\nscan.nii.gz,reference.nii.gz,3;6;9,a,train\n"
    )
    assert workspace.annotate.welcome.isVisible()
    panel.source.setCurrentText("a cohort file")
    panel.cohort.path = cohort
    panel.button.click()
    wait_idle(qtbot, panel.session)
    assert notes == []
    assert [layer.name for layer in viewer.layers] == ["scan", "scan (mask)"]
    # Files are segmented by the model of this window, and opened as layers.
    predict = workspace.review.predict
    predict.choose_files([nifti])
    predict.button.click()
    wait_idle(qtbot, panel.session)
    assert notes == []
    assert len(viewer.layers) == 4


def test_a_scan_that_is_segmented_again_leans_on_its_labels(workspace, panel, open_ball, qtbot):
    image, _, ball = open_ball()
    session, between = panel.session, [4, 5, 7, 8]
    panel.button.click()
    wait_idle(qtbot, session)
    with torch.no_grad():
        for weights in session.model.net.parameters():
            weights.zero_()  # it has forgotten everything
    workspace.review.predict.button.click()
    wait_idle(qtbot, session)
    found = session.mask_of(image).answer.mask[between]
    overlap = 2 * np.sum((found == 1) & (ball[between] == 1))
    assert overlap / (np.sum(found == 1) + np.sum(ball[between] == 1)) > 0.8


def test_the_second_training_goes_on_from_the_first(viewer, workspace, panel, open_ball, qtbot):
    image, _, _ = open_ball()
    assert panel.go_on.isHidden()
    panel.button.click()
    wait_idle(qtbot, panel.session)
    first = panel.session.model
    assert not panel.go_on.isHidden()
    assert panel.go_on.isChecked()  # The model was trained on this very scan.
    plan = panel._plan()
    assert plan.start is first
    panel.button.click()
    wait_idle(qtbot, panel.session)
    assert panel.session.model is not first
    assert panel.session.history[0].progress >= plan.settings.resume_at
    other, _ = tiny_image(seed=5)
    layer = viewer.add_image(other, name="other")
    workspace.annotate.image.pick(layer)
    assert not panel.go_on.isChecked()  # Another scan: the structure may be another one too.
    workspace.annotate.image.pick(image)
    assert panel.go_on.isChecked()


def test_slices_labelled_meanwhile_join_the_training(viewer, panel, open_ball, qtbot, notes):
    _, labels, reference = open_ball()
    panel.set_budget(60)
    panel.button.click()
    session = panel.session
    qtbot.waitUntil(lambda: len(session.history) > 1, timeout=120_000)
    viewer.dims.set_point(0, 5 * 3)
    where = np.nonzero(reference[5])
    labels.data_setitem((np.full(where[0].size, 5), *where), 1)
    qtbot.wait(1500)
    assert "slices now" not in session.note  # The annotator may still be at work on it.
    viewer.dims.set_point(0, 7 * 3)
    qtbot.waitUntil(lambda: "4 labelled slices now" in session.message, timeout=30_000)
    panel.pause.click()
    assert "Paused" in session.message
    assert panel.pause.text() == "Go on"

    def held() -> bool:  # the step that ran when it was pressed may take a while to end
        before = session.history[-1].step
        qtbot.wait(700)
        return session.history[-1].step == before

    qtbot.waitUntil(held, timeout=30_000)
    steps = session.history[-1].step
    panel.pause.click()
    qtbot.waitUntil(lambda: session.history[-1].step > steps, timeout=30_000)
    stop_quickly(panel, qtbot)
    assert notes == []
