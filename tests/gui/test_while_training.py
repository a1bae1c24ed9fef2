"""What an annotator may do to layers and cases while a training runs."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Labels

from napari_dim.gui.layers.image_layers import labels_array
from napari_dim.gui.work import Activity
from tests.gui.conftest import tiny_image, wait_idle


@pytest.fixture
def running(viewer, panel, open_ball, qtbot):
    """A training on the ball that has begun; it is stopped at the end of the test."""
    image, labels, _ = open_ball()
    panel.set_budget(300)
    panel.button.click()
    qtbot.waitUntil(lambda: len(panel.session.history) > 1, timeout=120_000)

    def stop():
        panel.stop()
        wait_idle(qtbot, panel.session)
        return panel.session.mask_of(image)

    yield image, labels, stop
    if panel.session.busy:
        stop()


def test_layers_are_renamed_reordered_hidden_duplicated_and_strokes_undone(
    viewer, workspace, panel, running, qtbot, notes
):
    image, labels, stop = running
    session, mask = panel.session, panel.session.mask
    qtbot.waitUntil(lambda: mask.answer.said.any(), timeout=60_000)
    labels.name, image.name = "a", "b"
    viewer.layers.move(0, len(viewer.layers))
    labels.visible = False
    copy = viewer.add_layer(Labels(labels.data.copy(), name="copy", scale=(3, 1, 1)))
    held = copy.data.copy()
    before = labels.data[[3, 6, 9]].copy()
    labels.visible = True
    labels.data_setitem((np.array([5]), np.array([20]), np.array([20])), 7)
    assert labels.data[5, 20, 20] == 7
    labels.undo()
    labels.visible = False
    table = workspace.annotate.classes
    table.add.click()
    table.table.item(1, 1).setText("later")
    qtbot.wait(300)
    assert session.activity is Activity.TRAINING
    assert stop() is mask
    assert notes == []
    np.testing.assert_array_equal(labels.data[[3, 6, 9]], before)
    np.testing.assert_array_equal(copy.data, held)  # the machine writes into the mask alone
    assert mask.answer.said.all()
    np.testing.assert_array_equal(labels.data[5], mask.answer.mask[5])  # undone: the machine's
    assert not labels.visible
    assert "“a”" in session.message
    assert session.model is not None


def test_what_the_set_up_noticed_stays_beside_the_steps(panel, running, qtbot):
    session = panel.session  # all three labelled slices show the ball
    seen = len(session.history)
    qtbot.waitUntil(lambda: len(session.history) > seen + 3, timeout=60_000)
    assert session.message.startswith("Training: step ")
    assert "Every labelled slice shows a structure" in session.message


@pytest.mark.shown
def test_deleted_labels_are_told_and_come_back(viewer, workspace, panel, running, qtbot, notes):
    _, labels, stop = running
    session = panel.session
    before = labels.data[[3, 6, 9]].copy()
    viewer.layers.remove(labels)
    qtbot.waitUntil(lambda: "the mask comes back" in session.message, timeout=20_000)
    back = workspace.header.back
    assert back.isVisible()
    assert "mine" in workspace.header.state.text
    back.click()
    assert labels in viewer.layers
    assert session.labels is labels
    np.testing.assert_array_equal(labels.data[[3, 6, 9]], before)
    assert not back.isVisible()
    stop()
    assert notes == []


def test_another_case_may_be_worked_on(viewer, workspace, panel, running, qtbot, notes):
    image, labels, stop = running
    session = panel.session
    other = viewer.add_image(tiny_image(3)[0], name="other", scale=(3, 1, 1))
    session.open_case(other)
    assert session.image is other
    assert session.labels is None
    assert not image.visible
    workspace.annotate.new.click()
    mine = session.labels
    mine.data_setitem((np.array([2]), np.array([20]), np.array([20])), 1)
    mask = stop()
    assert session.image is other
    assert session.answer is None
    assert mask.answer.said.all()
    assert labels_array(mine)[2].any()
    assert not (labels.data == mine.data).all()
    assert notes == []


def test_a_case_that_is_closed_gives_its_masks_all_the_same(viewer, panel, running, qtbot, notes):
    image, labels, stop = running
    session, mask = panel.session, panel.session.mask
    for layer in (labels, image):
        viewer.layers.remove(layer)
    qtbot.waitUntil(lambda: "was closed" in session.message, timeout=20_000)
    stop()
    assert mask.layer in viewer.layers
    assert mask.answer.said.all()
    assert notes == []
    assert session.training is None
