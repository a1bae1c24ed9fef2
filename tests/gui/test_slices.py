"""States of slices, and what an annotator does with them, in a real viewer."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Labels

from napari_dim.errors import InputError
from napari_dim.gui import keys
from napari_dim.gui.commands import slice_commands as slices
from napari_dim.gui.jobs.growing_job import fill_between
from napari_dim.gui.logic.mask_contents import LABELLED_ONLY, SHOWN, exported, words
from napari_dim.gui.logic.next_step import next_step
from napari_dim.gui.panels.next_step_line import situation_of
from napari_dim.gui.work import Activity
from napari_dim.states import SliceState
from tests.gui.conftest import tiny_image

U, D, P, M, A, C, E, F, H = SliceState


@pytest.fixture
def session(viewer, workspace, open_ball):
    """The ball, labelled in slices 3, 6 and 9; the machine found all of it, shifted by one row."""
    image, labels, reference = open_ball()
    session = workspace.session
    mask = session.mask_for(image)
    assert session.labels is labels is mask.layer
    mask.take(np.arange(12), np.roll(reference, 1, axis=1))
    answer = mask.answer
    answer.entropy[:] = np.linspace(0.1, 0.2, 12)
    answer.confidence = np.full((12, 24, 20), 250, np.uint8)
    answer.confidence[:, :12] = 140
    return session


def states(session) -> list[int]:
    return [int(s) for s in session.mask.states]


def go(session, number):
    slices.go_to(session, number)


NOW = [M, M, M, D, M, M, D, M, M, D, M, M]
"""The states at the start."""


def test_acts_by_button_leave_the_tool_and_the_view_alone(session, viewer, workspace, qtbot):
    labels = session.labels
    labels.mode = "fill"
    viewer.layers.selection.active = labels
    before = labels.data.copy()
    go(session, 1)
    slices.copy_nearest(session)
    np.testing.assert_array_equal(labels.data[1], before[3])
    assert states(session)[1] == F
    assert fill_between(session).endswith("…")
    qtbot.waitUntil(lambda: session.growing is None, timeout=60_000)
    assert "Filled 4 slices" in session.message
    assert states(session) == [M, F, M, D, F, F, D, F, F, D, M, M]
    np.testing.assert_array_equal(labels.data[[3, 6, 9]], before[[3, 6, 9]])
    assert workspace.annotate.filled.isVisibleTo(workspace.annotate)
    workspace.annotate.filled.click()  # one rule for what was filled and what was copied
    assert states(session) == [M, A, M, D, A, A, D, A, A, D, M, M]
    slices.accept_all(session)
    assert str(labels.mode) == "fill"
    assert viewer.layers.selection.active is labels
    assert slices.current(session) == 1
    for _ in range(4):
        labels.undo()
    assert states(session) == NOW
    np.testing.assert_array_equal(labels.data, before)
    assert str(labels.mode) == "fill"


def test_accepting_a_slice_is_no_score_and_goes_on(session, viewer):
    go(session, 5)
    labels, before = session.labels, session.labels.data.copy()
    text = slices.accept_slice(session)
    assert "Accepted slice 5" in text
    assert "Next" in text
    np.testing.assert_array_equal(labels.data, before)
    assert states(session)[5] == A
    assert session.scores == []  # an unchanged accept is no Dice of 1
    assert slices.current(session) != 5
    labels.undo()
    assert states(session) == NOW
    assert slices.current(session) == 5  # what changed is on the screen


def test_a_corrected_slice_counts_and_is_scored_and_accept_goes_on(session):
    go(session, 5)
    session.labels.data[5] = tiny_image()[1][5]  # corrected by hand
    session.mask.look()
    assert states(session)[5] == C
    (score,) = session.scores
    assert (score.number, score.labelled) == (5, 3)
    assert 0.8 < score.dice < 1
    assert "labelled already. Next" in slices.accept_slice(session)


def test_accept_all_asks_first_and_is_one_undo(session, workspace, monkeypatch, qtbot):
    from qtpy.QtWidgets import QMessageBox

    asked = []

    def answer(parent, title, question, *rest):
        asked.append(question)
        return QMessageBox.StandardButton.Yes if len(asked) > 1 else QMessageBox.StandardButton.No

    monkeypatch.setattr(QMessageBox, "question", answer)
    before = session.labels.data.copy()
    workspace.review.all.click()
    assert "9 slices of the machine's, unseen by a person" in asked[0]
    assert states(session) == NOW
    workspace.review.all.click()
    assert states(session) == [A, A, A, D, A, A, D, A, A, D, A, A]
    workspace.review.refresh()
    assert "3 of 12 slices labelled by a person, 9 accepted unchanged" in (
        workspace.review.counts.text()
    )
    np.testing.assert_array_equal(session.labels.data, before)
    session.labels.undo()
    assert states(session) == NOW
    slices.accept_all(session)
    with pytest.raises(InputError, match="labelled already"):
        slices.accept_all(session)


def test_accepting_a_class_or_what_is_sure_leaves_the_rest_open_and_is_no_persons_work(session):
    labels, before = session.labels, session.labels.data.copy()
    slices.accept_trusted(session, slices.surer_trusted(session, 0.9))
    assert states(session)[5] == H
    assert not labels.data[5, :23].any()  # there the model was at 55 %
    assert labels.data[5, 26:].any()
    labels.undo()
    np.testing.assert_array_equal(labels.data, before)
    assert states(session) == NOW
    slices.accept_trusted(session, slices.class_trusted(session, 1))
    assert states(session)[5] == H
    np.testing.assert_array_equal(labels.data, before)
    assert "3 of 12 slices labelled by a person, 6 accepted in part" in words(session.mask.states)
    session.labels.paint((5, 2, 2), 1)  # now a person drew in it
    assert states(session)[5] == P
    with pytest.raises(InputError, match="nothing to accept"):
        slices.class_trusted(session, 7)


def test_rejecting_empties_a_slice_for_good_and_undo_brings_it_back(session):
    mask = session.mask
    session.mask.answer.entropy[5] = 0.9  # the first to look at
    go(session, 5)
    assert "Rejected slice 5" in slices.reject_slice(session)
    assert slices.current(session) != 5
    assert not session.labels.data[5].any()
    assert states(session)[5] == U
    assert mask.take(np.array([5]), np.ones((1, 48, 40), np.uint8)) == [5]
    assert not session.labels.data[5].any()
    session.labels.undo()
    assert session.labels.data[5].all()


def test_a_suggestion_is_gone_once_its_slice_is_corrected(session, workspace):
    slices.renew_suggestions(session)
    review = workspace.review
    review.refresh()
    listed = [review.list.item(i).text() for i in range(review.list.count())]
    number = session.suggestions[0].number
    assert f"slice {number}:" in listed[0]
    go(session, number)
    session.labels.paint((number, 2, 2), 1)
    review.refresh()
    left = [review.list.item(i).text() for i in range(review.list.count())]
    assert left == listed[1:]
    review.list.itemClicked.emit(review.list.item(0))
    assert f"slice {slices.current(session)}:" in left[0]
    slices.accept_all(session)
    review.refresh()
    assert review.list.count() == 0
    assert "are labelled" in review.asks.text()
    session.say("writing a file", Activity.EXPORTING)
    assert "joins the training" not in next_step(situation_of(session)).text
    session.say("", Activity.IDLE)


def test_the_machines_newest_is_taken_over_and_stands_beside_on_request(session, viewer):
    go(session, 5)
    session.labels.paint((5, 2, 2), 1)
    mine = session.labels.data[5].copy()
    slices.show_answer(session)
    beside = next(layer for layer in viewer.layers if "newest" in layer.name)
    np.testing.assert_array_equal(beside.data, session.answer.mask)
    assert not beside.editable
    assert beside not in session.scans.layers(Labels)
    slices.take_newest(session)
    assert states(session)[5] == M
    np.testing.assert_array_equal(session.labels.data[5], beside.data[5])
    session.labels.undo()
    np.testing.assert_array_equal(session.labels.data[5], mine)
    assert states(session)[5] == C
    slices.show_answer(session)
    assert beside not in viewer.layers


def test_the_machines_slices_are_outlines_and_a_persons_areas(session, workspace):
    layer = session.labels
    shown = {}
    for number in (3, 5):
        go(session, number)
        shown[number] = layer.contour
    assert shown == {3: 0, 5: 1}
    layer.paint((5, 2, 2), 1)
    assert session.mask.states[5] == C
    assert layer.contour == 0
    go(session, 4)
    assert layer.contour == 1
    workspace.review.outlines.setChecked(False)
    assert layer.contour == 0


def test_suggestions_are_unlabelled_and_shown_on_the_strip(session, workspace, qtbot):
    slices.renew_suggestions(session)
    assert session.suggestions
    assert not {s.number for s in session.suggestions} & {3, 6, 9}
    session.slices_changed.emit()
    qtbot.waitUntil(lambda: bool(workspace.strip.slices.suggested))
    number = session.suggestions[0].number
    assert "label this next" in workspace.strip.text_of(number)
    assert "painted" in workspace.strip.text_of(3)
    workspace.strip.clicked.emit(number)
    assert slices.current(session) == number


def test_a_partial_slice_has_a_background_brush_that_is_not_exported(workspace, session, viewer):
    go(session, 1)
    workspace.annotate.background.click()
    labels = session.labels
    brush = session.mask.brush
    assert brush == 255
    assert labels.selected_label == brush
    labels.data[1] = 0
    labels.data_setitem((np.array([1]), np.array([5]), np.array([5])), brush)
    labels.data_setitem((np.array([1]), np.array([24]), np.array([20])), 1)
    session.mask.look()
    assert states(session)[1] == P
    from napari_dim.config import Settings
    from napari_dim.gui.jobs.training_plan import Part, plan_from_layers

    plan = plan_from_layers([Part(session.image, session.mask)], Settings(), None)
    (case,) = plan.load(lambda: None)
    assert case.states[1] == P
    assert set(np.unique(case.mask[1])) == {0, 1}
    assert case.painted[1, 5, 5]
    assert case.painted[1, 24, 20]
    assert not case.painted[1, 47, 0]
    mask, what = exported(session.mask, LABELLED_ONLY, brush)
    assert set(np.unique(mask)) == {0, 1}
    assert not mask[[0, 2, 4, 5]].any()
    mask, what = exported(session.mask, SHOWN, brush)
    assert mask[5].any()
    assert list(what.states) == states(session)
    assert "4 of 12 slices labelled by a person, 8 the machine's, unseen" in what.text


def test_every_key_works_and_napari_has_none_of_them(viewer, session):
    from napari.layers import Image, Points, Shapes
    from napari.utils.key_bindings import coerce_keybinding

    taken = set()
    for kind in (Labels, Image, Points, Shapes, type(viewer)):
        taken |= set(kind.class_keymap)
    for key in keys.BOUND[: -len(keys.HISTORY)]:
        assert coerce_keybinding(key.key) not in taken, key.key
        assert coerce_keybinding(key.key) in viewer.keymap, key.key
    go(session, 0)
    press = viewer.keymap[coerce_keybinding("K")]
    press(viewer)
    assert states(session)[0] == A
    assert "the machine was right" in session.message


def test_classes_are_named_coloured_and_numbered(workspace, session):
    table = workspace.annotate.classes
    assert [info.id for info in table.classes] == [1]
    table.add.click()
    assert session.labels.selected_label == 2
    table.table.item(0, 1).setText("atrium")
    table.table.item(0, 2).setText("7")
    assert [(i.id, i.name) for i in table.classes] == [(2, "class 2"), (7, "atrium")]
    assert set(np.unique(session.labels.data)) == {0, 7}
    session.labels.undo()
    assert set(np.unique(session.labels.data)) == {0, 1}


def test_a_class_that_is_painted_joins_the_table(workspace, session, viewer, qapp):
    session.labels.paint((1, 20, 20), 4)
    go(session, 1)
    qapp.processEvents()
    assert [info.id for info in workspace.annotate.classes.classes] == [1, 4]


def test_a_mask_is_compared_with_a_reference(workspace, session, viewer, tmp_path):
    reference = viewer.add_labels(tiny_image()[1], name="truth", scale=(3, 1, 1))
    box = workspace.review.compare
    box.mask.pick(session.labels)
    box.reference.pick(reference)
    box.compare()
    assert box.rows[0][1] == "Dice"
    assert 0.9 < float(box.rows[1][1]) < 1
    box.save_csv(tmp_path / "scores.csv")
    assert (tmp_path / "scores.csv").read_text().startswith("class,Dice,Jaccard,HD95 (")


def ctrl_z(viewer, *, shift: bool = False) -> None:
    """Press what napari undoes (or, with shift, redoes) with, as the canvas hands it on."""
    handler = viewer.window._qt_viewer._key_map_handler
    handler.press_key("Ctrl+Shift+Z" if shift else "Ctrl+Z")


def test_ctrl_z_takes_back_the_last_step_whatever_it_was(session, viewer):
    labels, before = session.labels, session.labels.data.copy()
    viewer.layers.selection.active = labels
    go(session, 5)
    slices.accept_slice(session)
    went_to = slices.current(session)
    labels.paint((went_to, 2, 2), 1)
    assert states(session)[went_to] == C
    ctrl_z(viewer)
    assert states(session)[went_to] == M
    assert states(session)[5] == A
    ctrl_z(viewer)
    assert states(session) == NOW
    assert slices.current(session) == 5
    np.testing.assert_array_equal(labels.data, before)
    ctrl_z(viewer, shift=True)
    ctrl_z(viewer, shift=True)
    assert labels.data[went_to, 2, 2] == 1
    assert (states(session)[5], states(session)[went_to]) == (A, C)
    viewer.layers.selection.active = session.image  # a contrast was changed meanwhile
    ctrl_z(viewer)
    assert states(session)[went_to] == M


def test_steps_in_a_layer_of_its_own_are_its_own(session, viewer):
    other = viewer.add_labels(np.zeros((12, 48, 40), np.uint8), name="other")
    other.paint((1, 5, 5), 1)
    session.labels.paint((1, 5, 5), 1)
    viewer.layers.selection.active = other
    ctrl_z(viewer)
    assert not other.data.any()
    assert session.labels.data[1].any()
