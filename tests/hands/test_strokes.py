"""Strokes as a hand draws them: slowly, with rests, while the window does other things."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication

from napari_dim.gui.commands import slice_commands as slices
from napari_dim.states import SliceState
from tests.hands.hand import LEFT, Hand

DOWN, MOVE, UP = (
    QEvent.Type.MouseButtonPress,
    QEvent.Type.MouseMove,
    QEvent.Type.MouseButtonRelease,
)
TWICE = QEvent.Type.MouseButtonDblClick
"""What Qt makes of a press that comes soon after another."""


class Stamped(QMouseEvent):
    """An event that says when it was, which Python can't set."""

    stamp = 0

    def timestamp(self) -> int:
        return self.stamp


def mouse(hand: Hand, kind: QEvent.Type, place: QPoint, stamp: int = 0) -> None:
    """The left button over the canvas; QTest's moves don't hold it down while one rests."""
    here, none = QPointF(place), Qt.KeyboardModifier.NoModifier
    away = QPointF(hand.canvas.mapToGlobal(place))
    button = Qt.MouseButton.NoButton if kind == MOVE else LEFT
    held = Qt.MouseButton.NoButton if kind == UP else LEFT
    event = Stamped(kind, here, away, button, held, none)
    event.stamp = stamp
    QApplication.sendEvent(hand.canvas, event)


def test_a_stroke_with_rests_is_one_step(hand, workspace, open_ball):
    open_ball()
    session = workspace.session
    slices.go_to(session, 1)
    layer = session.labels
    layer.mode, layer.brush_size = "paint", 1
    places = [hand.at(row, 3, layer) for row in (2, 5, 8, 11)]
    mouse(hand, DOWN, places[0])
    for place in places:
        mouse(hand, MOVE, place)
        hand.rest(0.8)  # time in which what changed is looked for and saved
    mouse(hand, UP, places[-1])
    hand.rest()
    drawn = layer.data[1].copy()
    assert np.count_nonzero(drawn[:, 3]) >= 4  # more than the first dab
    assert session.mask.states[1] == SliceState.PAINTED
    hand.press("Ctrl-Z")
    assert not layer.data[1].any()
    hand.press("Ctrl-Shift-Z")
    np.testing.assert_array_equal(layer.data[1], drawn)


def test_a_slice_written_into_during_a_stroke_is_found_after_it(hand, workspace, open_ball):
    open_ball()
    session = workspace.session
    slices.go_to(session, 1)
    layer = session.labels
    layer.mode, layer.brush_size = "paint", 1
    start, end = hand.at(2, 3, layer), hand.at(6, 3, layer)
    mouse(hand, DOWN, start)
    layer.data[0, 4, 4] = 1  # by something that tells nobody
    hand.rest(1.5)
    mouse(hand, MOVE, end)
    mouse(hand, UP, end)
    hand.rest()
    assert session.mask.states[0] == session.mask.states[1] == SliceState.PAINTED


def test_the_second_of_two_quick_dabs_counts_too(hand, workspace, open_ball):
    open_ball()
    session = workspace.session
    slices.go_to(session, 1)
    layer = session.labels
    layer.mode, layer.brush_size = "paint", 1
    first, second = hand.at(6, 6, layer), hand.at(6, 9, layer)
    for kind, place in ((DOWN, first), (UP, first), (TWICE, second), (UP, second)):
        hand.mouse(kind, place)
    assert layer.data[1, 6, 6]
    assert layer.data[1, 6, 9]
    hand.press("Ctrl-Z")
    assert layer.data[1, 6, 6]
    assert not layer.data[1, 6, 9]
    hand.press("Ctrl-Z")
    assert not layer.data[1].any()


@pytest.mark.parametrize("key", ["2", "8", "Shift-B"])
@pytest.mark.parametrize("moved", [False, True])
def test_a_drag_that_is_over_before_the_window_looks_is_whole(hand, session, key, moved):
    layer = session.labels
    hand.press(key)
    layer.brush_size = 3
    places = [hand.at(*place, layer) for place in ((11, 9), (11, 31), (24, 20), (37, 31))]
    mouse(hand, DOWN, places[0], 1000)  # and nothing rests: all of it waited for a busy window
    for number, place in enumerate(places[1:] if moved else (), start=1):
        mouse(hand, MOVE, place, 1000 + 20 * number)
    mouse(hand, UP, places[-1], 1080)
    hand.rest(0.05)
    drawn = layer.data[6] == 1
    if key == "2":
        assert drawn[12, 10]
        assert drawn[36, 30]
        assert drawn[11, 20] == moved  # the way between
    assert drawn[24, 20]
