"""Every key of the README's table, and napari's own beside them, pressed over the canvas."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import QCoreApplication, QEvent

from napari_dim.gui.commands import slice_commands as slices
from napari_dim.gui.keys import SHOWN
from napari_dim.gui.panels.workspace import Workspace
from napari_dim.states import SliceState
from tests.gui.conftest import wait_idle

README = Path(__file__).resolve().parents[2] / "README.md"


def written_keys() -> list[str]:
    """The keys of the README's table, in its order."""
    table = README.read_text("utf8").split("| key | does |")[1].split("\n\n")[0]
    rows = re.findall(r"^\| (\S.*?) \| ", table, re.M)
    return [key for row in rows for key in row.split(" and ")]


@pytest.fixture
def session(workspace, open_ball):
    open_ball()
    return workspace.session


def state(session, number: int) -> SliceState:
    return SliceState(int(session.mask.states[number]))


def test_the_readme_names_every_key():
    assert written_keys() == [key for key, _ in SHOWN]


def test_a_second_workspace_that_closes_leaves_the_keys(hand, viewer, session):
    second = Workspace(viewer)
    second.deleteLater()
    QCoreApplication.sendPostedEvents(second, QEvent.Type.DeferredDelete)
    hand.rest()
    slices.go_to(session, 1)
    hand.press("K")
    assert state(session, 1) == SliceState.EMPTY


def test_keys_of_marks_and_copies(hand, session):
    slices.go_to(session, 1)
    hand.press("K")
    assert state(session, 1) == SliceState.EMPTY
    hand.press("U")
    assert state(session, 1) == SliceState.UNTOUCHED
    hand.press("J")
    data = session.labels.data
    np.testing.assert_array_equal(data[1], data[3])
    hand.press("Ctrl-Z")
    assert not session.labels.data[1].any()
    slices.go_to(session, 3)
    hand.press("Shift-K")
    assert state(session, 3) == SliceState.PARTIAL
    hand.press("K")
    assert state(session, 3) == SliceState.PAINTED


def test_keys_that_go_to_labelled_slices(hand, session):
    slices.go_to(session, 0)
    seen = []
    for key in (".", ".", ".", ",", ","):
        hand.press(key)
        seen.append(slices.current(session))
    assert seen == [3, 6, 9, 6, 3]


def test_the_key_that_fills_between(hand, session, qtbot):
    hand.press("G")
    qtbot.waitUntil(lambda: session.growing is None, timeout=60_000)
    assert session.labels.data[[4, 5, 7, 8]].any((1, 2)).all()
    assert not session.labels.data[[0, 1, 2, 10, 11]].any()
    hand.press("Ctrl-Z")
    assert not session.labels.data[[4, 5, 7, 8]].any()


def test_keys_of_the_machines_answers(hand, session, workspace, qtbot):
    workspace.train.start()
    wait_idle(qtbot, session)
    hand.press("N")
    first = slices.current(session)
    assert first in {found.number for found in session.suggestions}
    hand.press("W")
    assert first in session.mask.labelled
    slices.go_to(session, 5 if first != 5 else 4)
    number = slices.current(session)
    assert session.answer.mask[number].any()
    hand.press("Q")
    assert number not in session.mask.labelled
    assert not session.mask.layer.data[number].any()


def test_naparis_own_keys_work_beside_the_workspace(hand, viewer, session):
    layer = session.labels
    viewer.layers.selection.active = layer
    for key, mode in (("2", "paint"), ("1", "erase"), ("4", "fill"), ("5", "pick"),
                      ("3", "polygon"), ("6", "pan_zoom"), ("P", "paint"), ("E", "erase"),
                      ("F", "fill"), ("L", "pick"), ("Z", "pan_zoom")):  # fmt: skip
        hand.press(key)
        assert str(layer.mode) == mode, key
    size = layer.brush_size
    hand.press("]")
    assert layer.brush_size > size
    hand.press("[")
    assert layer.brush_size == size
    chosen = layer.selected_label
    hand.press("=")
    assert layer.selected_label == chosen + 1
    hand.press("-")
    assert layer.selected_label == chosen
    hand.press("M")
    assert layer.selected_label == layer.data.max() + 1
    hand.press("X")
    assert layer.selected_label == 0
    hand.press("X")
    hand.press("B")
    assert layer.preserve_labels
    hand.press("B")
    hand.press("V")
    assert not layer.visible
    hand.press("V")
    assert layer.visible
    slices.go_to(session, 4)
    hand.press("Right")
    assert slices.current(session) == 5
    hand.press("Left")
    assert slices.current(session) == 4


def test_a_key_that_is_bound_elsewhere_is_left_to_it(hand, viewer, session):
    pressed = []
    viewer.bind_key("K", lambda _: pressed.append("theirs"), overwrite=True)
    slices.go_to(session, 1)
    hand.press("K")
    assert pressed == ["theirs"]
    assert state(session, 1) == SliceState.UNTOUCHED
