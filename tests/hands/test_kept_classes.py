"""With *preserve labels* ticked no tool touches another class than the one in the hand."""

from __future__ import annotations

import numpy as np
import pytest

from napari_dim.gui.commands import slice_commands as slices

PLACE = (slice(None), slice(20, 28), slice(18, 22))
"""Where each slice shows class 2."""


@pytest.fixture
def session(hand, workspace, open_ball):
    """The ball in slices 3, 6 and 9; in the others the machine says class 2, and a speck of it."""
    *_, reference = open_ball()
    session = workspace.session
    hand.click(workspace.annotate.classes.add)
    said = np.zeros_like(reference)
    said[PLACE], said[:, 2:4, 2:4] = 2, 2
    session.mask.take(np.arange(12), said)
    slices.go_to(session, 5)
    hand.press("Alt-1")
    return session


def test_every_tool_leaves_other_classes_alone(hand, workspace, session, qtbot):
    layer, annotate = session.labels, workspace.annotate
    hand.press("B")
    assert layer.preserve_labels
    before = layer.data.copy()
    cleaner = workspace.clean_up

    def grown(key: str) -> None:
        hand.press(key)
        qtbot.waitUntil(lambda: session.growing is None, timeout=60_000)
        assert "kept other classes" in session.message

    def carried() -> None:
        slices.go_to(session, 3)
        grown("Shift-J")
        slices.go_to(session, 5)

    def cleaned(tool: str, what: int = 0) -> str:
        if not cleaner.isVisible():
            hand.click(annotate.clean_up)
        cleaner.tool.setCurrentIndex(cleaner.tool.findData(tool))
        cleaner.what.setCurrentIndex(cleaner.what.findData(what))
        cleaner.other.setCurrentIndex(cleaner.other.findData(2 if tool == "or" else 1))
        qtbot.waitUntil(lambda: not cleaner._soon.isActive() and cleaner._mark is None)
        return cleaner.text.whole

    def wired() -> None:
        hand.press("Shift-X")
        for place in (12, 20), (24, 30), (36, 20), (24, 10), (12, 20):
            hand.sweep(hand.at(*place, layer))

    def held(key: str, *places: tuple[int, int]) -> None:
        hand.press(key)
        hand.stroke(layer, *places)

    def cleared() -> None:
        assert "no class" not in cleaner.what.itemText(0)
        assert cleaned("or", 1).endswith("“Preserve labels” keeps other classes as they are.")
        assert not cleaner.apply.isEnabled()
        assert cleaned("islands") == "Changes nothing."  # the specks are of class 2
        cleaner.where.setCurrentIndex(2)
        cleaned("margin", 1)
        cleaner.size.setValue(4.0)
        cleaned("margin", 1)
        hand.click(cleaner.apply)

    acts = {
        "fill between": lambda: grown("G"),
        "grow seeds": lambda: grown("Shift-G"),
        "carry on": carried,
        "copy nearest": lambda: hand.press("J"),
        "brush": lambda: held("2", (24, 12), (24, 28)),
        "scribble": lambda: held("8", (16, 20), (32, 20)),
        "box": lambda: held("Shift-B", (11, 9), (37, 31)),
        "ellipse": lambda: held("Shift-E", (11, 9), (37, 31)),
        "threshold": lambda: held("9", (24, 12), (24, 28)),
        "region": lambda: held("0", (24, 14)),
        "live wire": wired,
        "clean up": cleared,
    }
    for name, act in acts.items():
        act()
        assert layer.preserve_labels, name
        assert (layer.data != before).any(), name
        np.testing.assert_array_equal(layer.data == 2, before == 2, name)
        assert layer.preserve_labels, name
        hand.press("2")
        hand.press("Ctrl-Z")
        np.testing.assert_array_equal(layer.data, before, name)
    cleaner.where.setCurrentIndex(0)
    # Its own class is named, and goes with the eyes open; without the tick all are meant.
    assert cleaned("islands", 2) == "Removes 4 pixels."
    hand.press("B")
    assert cleaned("or", 1).startswith("Changes the class of")
