"""A person sends a training to a server from the Train tab, and goes on as ever."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_dim.gui.commands import slice_commands as slices
from napari_dim.gui.layers.image_layers import labels_array
from napari_dim.gui.work import Activity
from tests.cluster.lab import Lab, wait_until
from tests.gui.conftest import wait_idle


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    if importlib.util.find_spec("distributed") is None:
        pytest.skip("needs the extra cluster")
    found = Lab(tmp_path_factory.mktemp("lab")).start()
    yield found
    found.close()


def choose_server(hand, workspace, address):
    """Unfold the settings, and type the address as a person does."""
    workspace.tabs.setCurrentIndex(1)
    train = workspace.train
    if not train.more.isExpanded():
        hand.click(train.more.toggleButton())
        hand.rest(0.5)
    line = train.server.lineEdit()
    hand.click(line)
    QTest.keyClick(line, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    QTest.keyClick(line, Qt.Key.Key_Delete)
    QTest.keyClicks(line, address)
    hand.rest()


def paint(hand, workspace):
    labels = workspace.session.labels
    workspace.tabs.setCurrentIndex(0)
    hand.press("2")
    labels.brush_size = 9
    for number in (4, 6, 8):
        slices.go_to(workspace.session, number)
        hand.drag(labels, (18, 20), (24, 14), (30, 20), (24, 26), (24, 20))
    for number in (0, 11):
        slices.go_to(workspace.session, number)
        hand.click(workspace.annotate.confirm)
    return {number: labels_array(labels)[number].copy() for number in (4, 6, 8)}


@pytest.mark.slow
def test_where_is_typed_and_the_training_runs_there(hand, session, workspace, lab, qtbot):
    strokes = paint(hand, workspace)
    address = lab.address
    choose_server(hand, workspace, address)
    train = workspace.train
    assert "Trains on 127.0.0.1" in train.plan_text.text()
    seen = []
    session.changed.connect(lambda: seen.append((workspace.header.dot.text(), session.message)))
    train.set_budget(4)
    hand.click(train.button)
    qtbot.waitUntil(lambda: bool(session.history), timeout=60_000)
    assert lab.trainings()
    assert session.activity is Activity.TRAINING
    wait_idle(qtbot, session)
    assert any("on 127.0.0.1" in header for header, _ in seen)
    assert any("Sending the scans to 127.0.0.1" in said for _, said in seen)
    assert session.message.startswith("Done after"), session.message
    assert "127.0.0.1" not in workspace.header.dot.text()
    shown = labels_array(session.labels)
    assert np.count_nonzero(shown[5]) > 0
    for number, stroke in strokes.items():
        np.testing.assert_array_equal(shown[number], stroke)
    assert (session.run / "weights.safetensors").is_file()
    assert session.model.record["cases"][0]["name"] == "ball"
    # It is offered from now on, and the next one goes on from this model.
    assert address in [train.server.itemText(n) for n in range(train.server.count())]
    assert train.go_on.isChecked()
    session.history.clear()
    train.set_budget(600)
    hand.click(train.button)
    qtbot.waitUntil(lambda: len(session.history) > 3, timeout=60_000)
    hand.click(train.pause)
    qtbot.waitUntil(lambda: train.pause.text() == "Go on", timeout=5000)
    hand.click(train.pause)
    hand.click(train.button)
    wait_idle(qtbot, session)
    assert session.message.startswith("Stopped after"), session.message


def test_a_server_that_is_none_is_told(hand, session, workspace, qtbot, monkeypatch):
    told = []
    for name in ("show_warning", "show_error"):
        monkeypatch.setattr(f"napari.utils.notifications.{name}", told.append)
    paint(hand, workspace)
    choose_server(hand, workspace, "tcp://10.1.2.3:8786")
    train = workspace.train
    assert not train.form.editor("device").isEnabled()
    hand.click(train.button)
    wait_idle(qtbot, session)
    (line,) = told
    assert "would not be encrypted" in line
    assert "tls://10.1.2.3:8786" in line
    choose_server(hand, workspace, "")
    assert train.form.editor("device").isEnabled()
    assert "Trains on" not in train.plan_text.text()


@pytest.mark.slow
def test_a_window_that_closes_ends_it_there_and_keeps_the_checkpoint(
    hand, session, workspace, lab, qtbot
):
    paint(hand, workspace)
    choose_server(hand, workspace, lab.address)
    train = workspace.train
    train.set_budget(600)
    hand.click(train.button)
    qtbot.waitUntil(lambda: len(session.history) > 3, timeout=60_000)
    task = session.task
    session.end()
    assert task.wait(20)
    wait_until(lambda: not lab.trainings() and not lab.runs)
    (run,) = train.runs.path.iterdir()
    assert (run / "latest.safetensors").is_file()
