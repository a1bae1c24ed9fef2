"""How a training ends in the window: stopped in any phase, killed, closed, in both modes."""

from __future__ import annotations

import os
import signal
import sys
import time

import psutil
import pytest

from napari_dim.gui.work import Activity
from tests.gui.conftest import wait_idle


def trainings():
    return [
        p for p in psutil.Process().children(recursive=True)
        if p.status() != psutil.STATUS_ZOMBIE and "napari_dim.engine.training.child" in p.cmdline()
    ]  # fmt: skip


def begin(panel, qtbot, budget=600):
    panel.set_budget(budget)
    panel.button.click()
    session = panel.session
    qtbot.waitUntil(lambda: len(session.history) > 1 or not session.busy, timeout=300_000)
    assert session.busy, session.message


def test_in_a_process_the_window_sees_the_same(viewer, panel, open_ball, qtbot, notes):
    image, _, _ = open_ball()
    panel.form.set_value("apart", True)
    begin(panel, qtbot)
    assert trainings()
    answer = panel.session.mask_of(image).answer
    qtbot.waitUntil(lambda: bool(answer.said.all()), timeout=120_000)
    panel.pause.click()
    assert panel.session.training.paused
    panel.pause.click()
    panel.button.click()
    assert panel.session.activity is Activity.STOPPING
    wait_idle(qtbot, panel.session)
    assert notes == []
    assert panel.session.model is not None
    assert panel.session.run.is_dir()
    assert not trainings()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_child_is_told_and_the_next_training_goes_on(panel, open_ball, qtbot, notes):
    open_ball()
    panel.form.set_value("apart", True)
    begin(panel, qtbot)
    run = panel.session.training._plan.run
    qtbot.waitUntil(lambda: (run / "latest.safetensors").exists(), timeout=120_000)
    step = panel.session.history[-1].step
    os.kill(trainings()[0].pid, signal.SIGKILL)
    killed = time.monotonic()
    wait_idle(qtbot, panel.session)
    assert time.monotonic() - killed < 2
    assert "signal 9" in notes[-1]
    assert "go on" in notes[-1]
    assert panel.go_on.isChecked()
    assert "checkpoint" in panel.go_on.text()
    panel.form.set_value("apart", False)
    begin(panel, qtbot)
    assert panel.session.history[0].step >= min(step, 2)
    assert panel.session.training._plan.run == run
    panel.stop()
    wait_idle(qtbot, panel.session)
    assert panel.session.resumable is None


def test_stopped_twice_it_ends_at_once(panel, open_ball, qtbot, notes):
    open_ball()
    begin(panel, qtbot)
    panel.button.click()
    assert panel.button.isEnabled()
    panel.button.click()
    began = time.monotonic()
    wait_idle(qtbot, panel.session)
    assert time.monotonic() - began < 2
    assert panel.session.message.startswith("Stopped after")
    assert notes == []


def test_stopped_while_loading_nothing_happened(panel, open_ball, qtbot, notes):
    open_ball()
    panel.set_budget(600)
    panel.button.click()
    panel.stop()
    wait_idle(qtbot, panel.session)
    assert "before anything was learnt" in panel.session.message
    assert panel.session.model is None
    assert notes == []


@pytest.mark.parametrize(
    "apart", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["thread", "process"]
)
def test_a_closed_panel_ends_its_training_and_keeps_what_was_learnt(
    viewer, workspace, panel, open_ball, qtbot, apart
):
    open_ball()
    panel.form.set_value("apart", apart)
    begin(panel, qtbot)
    run = panel.session.training._plan.run
    task = panel.session.task
    began = time.monotonic()
    viewer.window.remove_dock_widget(workspace)
    workspace.deleteLater()  # nobody else holds it in the window; the test does
    qtbot.waitUntil(lambda: task.abandoned, timeout=3000)
    assert task.wait(3)
    assert time.monotonic() - began < 3
    assert (run / "weights.safetensors").is_file()
    assert not trainings()
