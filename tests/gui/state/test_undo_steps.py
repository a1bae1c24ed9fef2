"""Steps of several things are taken back in the order in which they came, and done again."""

from __future__ import annotations

import pytest

from napari_dim.gui.state.undo_steps import UndoSteps, to_redo, to_undo


@pytest.fixture
def things():
    """Two things with the steps a, c and b, d, which came in this order."""
    one, other = UndoSteps(), UndoSteps()
    for steps, step in ((one, "a"), (other, "b"), (one, "c"), (other, "d")):
        steps.push(step)
    return one, other


def back(things) -> str | None:
    steps = to_undo(*things)
    if steps is None:
        return None
    step = steps.last
    steps.back()
    return step


def again(things) -> str | None:
    steps = to_redo(*things)
    if steps is None:
        return None
    step = steps.ahead
    steps.again()
    return step


def test_the_last_of_all_is_taken_back_first_and_done_again_last(things):
    assert [back(things) for _ in range(5)] == ["d", "c", "b", "a", None]
    assert [again(things) for _ in range(5)] == ["a", "b", "c", "d", None]
    assert [back(things) for _ in range(2)] == ["d", "c"]


def test_what_was_taken_back_before_a_new_step_of_another_thing_stays_so(things):
    one, other = things
    assert back(things) == "d"
    one.push("e")
    assert again(things) is None
    assert back(things) == "e"
    assert again(things) == "e"
    assert again(things) is None
    assert one.stands("e")
    assert not other.stands("d")
