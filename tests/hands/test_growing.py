"""Filling slices by hand: keys and buttons, a bar to cancel, one Ctrl-Z, while one paints on."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from napari_dim.gui.commands import slice_commands as slices
from napari_dim.gui.jobs import growing_job
from napari_dim.states import SliceState
from tests.gui.conftest import tiny_image

BALL = tiny_image()[1]


@pytest.fixture
def session(workspace, open_ball):
    """The ball in slices 3, 6 and 9."""
    open_ball()
    slices.go_to(workspace.session, 6)
    return workspace.session


def rest(qtbot, session) -> None:
    qtbot.waitUntil(lambda: session.growing is None, timeout=60_000)


def test_gaps_are_filled_by_key_and_taken_back_by_one(hand, workspace, session, qtbot):
    before = session.labels.data.copy()
    hand.press("G")
    rest(qtbot, session)
    assert session.message.startswith("Filled 4 slices")
    assert list(session.mask.states[[4, 5, 7, 8]]) == [SliceState.FILLED] * 4
    assert session.labels.data[5].any()
    assert not session.labels.data[1].any()
    assert not workspace.annotate.growing.isVisible()
    hand.press("Ctrl-Z")
    np.testing.assert_array_equal(session.labels.data, before)


def test_seeds_grow_by_button_into_the_ends_too(hand, workspace, session, qtbot):
    hand.click(workspace.annotate.seeds)
    rest(qtbot, session)
    assert session.message.startswith("Grew into")
    assert session.labels.data[2].any()
    assert session.labels.data[10].any()
    hand.press("Ctrl-Z")
    assert not session.labels.data[[2, 5, 10]].any()
    hand.press("Shift-G")
    rest(qtbot, session)
    assert session.labels.data[5].any()


def test_a_mask_is_carried_on_by_key(hand, session, qtbot):
    hand.press("Shift-J")
    rest(qtbot, session)
    assert "back to 4 (slice 3 is labelled)" in session.message
    assert "on to 8 (slice 9 is labelled)" in session.message
    hand.press("Ctrl-Z")
    assert not session.labels.data[5].any()
    slices.go_to(session, 5)
    hand.press("Shift-J")
    assert session.growing is None
    assert "not labelled as a whole" in session.message


@pytest.fixture
def slow(monkeypatch):
    """Work that waits in its thread for a sign, after it has begun."""
    begun, sign = threading.Event(), threading.Event()
    read = growing_job.slice_values

    def wait(image, number):
        begun.set()
        assert sign.wait(60)
        return read(image, number)

    monkeypatch.setattr(growing_job, "slice_values", wait)
    yield begun, sign
    sign.set()


def test_one_paints_on_meanwhile_and_cancels(hand, workspace, session, qtbot, slow):
    begun, sign = slow
    before = session.labels.data.copy()
    bar = workspace.annotate.growing
    hand.press("G")
    qtbot.waitUntil(begun.is_set, timeout=10_000)
    assert bar.isVisible()
    hand.press("G")
    assert "being filled already" in session.message
    slices.go_to(session, 5)
    session.labels.mode = "paint"
    hand.stroke(session.labels, (20, 20), (24, 22))  # the window answers
    painted = session.labels.data[5].copy()
    assert painted.any()
    hand.click(bar.stop)
    sign.set()
    rest(qtbot, session)
    assert "Cancelled" in session.message
    np.testing.assert_array_equal(session.labels.data[5], painted)
    np.testing.assert_array_equal(session.labels.data[[4, 7, 8]], before[[4, 7, 8]])


def test_what_is_painted_meanwhile_stays(hand, session, qtbot, slow):
    begun, sign = slow
    hand.press("G")
    qtbot.waitUntil(begun.is_set, timeout=10_000)
    slices.go_to(session, 5)
    session.labels.mode = "paint"
    hand.stroke(session.labels, (4, 4), (4, 8))
    painted = session.labels.data[5].copy()
    sign.set()
    rest(qtbot, session)
    np.testing.assert_array_equal(session.labels.data[5], painted)
    assert session.labels.data[4].any()
    assert session.mask.states[5] == SliceState.PAINTED


def test_a_mask_that_goes_meanwhile_is_told(hand, viewer, session, qtbot, slow):
    begun, sign = slow
    layer, before = session.labels, session.labels.data.copy()
    hand.press("Shift-G")
    qtbot.waitUntil(begun.is_set, timeout=10_000)
    viewer.layers.remove(layer)
    sign.set()
    rest(qtbot, session)
    assert "closed meanwhile" in session.message
    np.testing.assert_array_equal(layer.data, before)
