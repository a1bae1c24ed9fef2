"""States of slices, and what an annotator does with them, in a real viewer."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Labels

from napari_dim.errors import InputError
from napari_dim.gui import keys
from napari_dim.gui.layers.annotation import Annotation
from napari_dim.gui.layers.finished_mask import CONFIRMED, FILLED, exported
from napari_dim.gui.layers.image_layers import layer_source
from napari_dim.gui.layers.predicted_layer import PredictionLayer
from napari_dim.gui.logic import slice_actions as slices
from napari_dim.states import SliceState
from tests.gui.conftest import tiny_image

U, C, P, M = SliceState.UNTOUCHED, SliceState.PAINTED, SliceState.PARTIAL, SliceState.MACHINE


@pytest.fixture
def session(viewer, workspace, open_ball):
    """The ball, labelled in slices 3, 6 and 9; the machine found all of it, shifted by one row."""
    image, labels, reference = open_ball()
    session = workspace.session
    prediction = PredictionLayer(layer_source(image), "ball (prediction)")
    session.predictions[image] = prediction
    viewer.add_layer(prediction.layer)
    prediction.write(np.arange(12), np.roll(reference, 1, axis=1))
    prediction.entropy[:] = np.linspace(0.1, 0.2, 12)
    prediction.confidence = np.full((12, 24, 20), 250, np.uint8)
    prediction.confidence[:, :12] = 140
    assert session.labels is labels
    return session


def states(session) -> list[int]:
    return [int(s) for s in session.annotation.states]


def go(session, number):
    slices.go_to(session, number)


def test_paint_makes_confirmed_and_undo_takes_it_back(qapp):
    layer = Labels(np.zeros((4, 8, 8), np.uint8))
    annotation = Annotation(layer)
    layer.data_setitem((np.array([2]), np.array([3]), np.array([3])), 1)
    qapp.processEvents()
    assert list(annotation.states) == [U, U, C, U]
    assert list(annotation.areas) == [0, 0, 1, 0]
    layer.undo()
    assert list(annotation.states) == [U, U, U, U]
    layer.redo()
    assert annotation.labelled == (2,)
    annotation.mark([0], C)
    annotation.mark([2], P)
    assert list(annotation.states) == [C, U, P, U]
    layer.data = np.zeros((4, 8, 8), np.uint8)
    assert list(annotation.states) == [C, U, U, U]


def test_the_brush_paints_a_stroke_that_counts(viewer, session, qapp):
    layer = session.labels
    layer.brush_size = 3
    layer.paint((1, 20, 20), 1)
    qapp.processEvents()
    assert states(session)[1] == C


def test_fill_between_is_one_step_and_leaves_labels_alone(session, viewer):
    labels = session.labels
    before = labels.data.copy()
    slices.fill_between(session)
    assert states(session) == [U, U, U, C, M, M, C, M, M, C, U, U]
    np.testing.assert_array_equal(labels.data[[3, 6, 9]], before[[3, 6, 9]])
    assert labels.data[[4, 5, 7, 8]].any((1, 2)).all()
    assert viewer.layers.selection.active is labels
    labels.paint((4, 2, 2), 1)  # a person corrects one: it is theirs
    assert states(session)[4] == C
    labels.undo()
    labels.undo()
    np.testing.assert_array_equal(labels.data, before)
    assert states(session) == [U, U, U, C, U, U, C, U, U, C, U, U]


def test_copy_takes_the_nearest_painted_slice(session, viewer):
    go(session, 1)
    assert "Copied slice 3" in slices.copy_nearest(session)
    np.testing.assert_array_equal(session.labels.data[1], session.labels.data[3])
    with pytest.raises(InputError, match="painted already"):
        slices.copy_nearest(session)


def test_accepting_a_slice_confirms_it_scores_it_and_goes_on(session, viewer):
    go(session, 5)
    prediction = session.prediction
    prediction.layer.data[5] = tiny_image()[1][5]  # corrected by hand
    labels, before = session.labels, session.labels.data.copy()
    text = slices.accept_slice(session)
    assert "Accepted slice 5" in text
    assert "Next" in text
    np.testing.assert_array_equal(labels.data[5], tiny_image()[1][5])
    assert states(session)[5] == C
    (score,) = session.scores
    assert (score.number, score.labelled) == (5, 3)
    assert 0.8 < score.dice < 1
    labels.undo()
    np.testing.assert_array_equal(labels.data, before)
    assert states(session)[5] == U


def test_accepting_into_a_hidden_layer_shows_it(session):
    session.labels.visible = False
    go(session, 5)
    slices.accept_slice(session)
    assert session.labels.visible
    assert states(session)[5] == C


def test_accepting_all_keeps_a_persons_slices_and_is_one_undo(session):
    labels, before = session.labels, session.labels.data.copy()
    slices.accept_all(session)
    np.testing.assert_array_equal(labels.data[[3, 6, 9]], before[[3, 6, 9]])
    assert states(session) == [C] * 12
    labels.undo()
    np.testing.assert_array_equal(labels.data, before)
    go(session, 6)
    with pytest.raises(InputError, match="labelled already"):
        slices.accept_slice(session)


def test_accepting_a_class_or_what_is_sure_makes_partial_slices(session):
    labels, before = session.labels, session.labels.data.copy()
    slices.accept_surer(session, 0.9)
    assert states(session)[5] == P
    assert not labels.data[5, :23].any()  # there the model was at 55 %
    assert labels.data[5, 26:].any()
    labels.undo()
    np.testing.assert_array_equal(labels.data, before)
    slices.accept_class(session, 1)
    assert states(session)[5] == P
    np.testing.assert_array_equal(labels.data[5], session.prediction.layer.data[5])
    with pytest.raises(InputError, match="nothing to accept"):
        slices.accept_class(session, 7)


def test_rejecting_empties_the_prediction_for_good(session):
    prediction = session.prediction
    go(session, 5)
    slices.reject_slice(session)
    assert not prediction.layer.data[5].any()
    assert prediction.write(np.array([5]), np.ones((1, 48, 40), np.uint8)) == [5]
    prediction.layer.undo()
    assert prediction.layer.data[5].any()


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


@pytest.mark.parametrize("count", [20, 900])
def test_the_strip_is_readable_for_few_and_many_slices(workspace, count, qtbot):
    from napari_dim.gui.widgets.slice_strip import COLOURS, Slices

    strip = workspace.strip
    strip.show_slices(
        Slices(np.arange(count) % 8, np.ones(count) * 5, np.full(count, np.nan), {0: "why"})
    )
    strip.show()
    strip.resize(300, 62)
    image = strip.grab().toImage()
    seen = {image.pixelColor(x, 40).name().upper() for x in range(image.width())}
    wanted = {COLOURS[C]} if count > 300 else set(COLOURS.values())
    assert {c.upper() for c in wanted} <= seen
    assert strip.slice_at(0) == 0
    assert strip.slice_at(strip.width()) == count - 1


def test_a_partial_slice_has_a_background_brush_that_is_not_exported(workspace, session, viewer):
    go(session, 1)
    workspace.annotate.background.click()
    labels = session.labels
    brush = session.annotation.brush
    assert brush == 255
    assert labels.selected_label == brush
    labels.paint((1, 5, 5), brush)
    labels.paint((1, 24, 20), 1)
    assert states(session)[1] == P
    from napari_dim.config import Settings
    from napari_dim.gui.jobs.training_plan import Part, plan_from_layers

    plan = plan_from_layers([Part(session.image, session.annotation)], Settings(), None)
    (case,) = plan.load(lambda: None)
    assert case.states[1] == P
    assert set(np.unique(case.mask[1])) == {0, 1}
    assert case.painted[1, 5, 5]
    assert case.painted[1, 24, 20]
    assert not case.painted[1, 47, 0]
    mask, what = exported(session, CONFIRMED)
    assert set(np.unique(mask)) == {0, 1}
    assert not mask[[0, 2, 4, 5]].any()
    assert list(what.states) == states(session)
    mask, what = exported(session, FILLED)
    assert mask[5].any()
    assert what.states[5] == M
    assert "4 of 12 slices are labelled" in what.text


def test_every_key_works_and_napari_has_none_of_them(viewer, session):
    from napari.layers import Image, Points, Shapes
    from napari.utils.key_bindings import coerce_keybinding

    taken = set()
    for kind in (Labels, Image, Points, Shapes, type(viewer)):
        taken |= set(kind.class_keymap)
    for key in keys.KEYS:
        assert coerce_keybinding(key.key) not in taken, key.key
        assert coerce_keybinding(key.key) in viewer.keymap, key.key
    go(session, 0)
    press = viewer.keymap[coerce_keybinding("K")]
    press(viewer)
    assert states(session)[0] == C
    assert "background only" in session.message


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
    shown = session.prediction.layer.colormap.map(4)
    np.testing.assert_array_equal(shown, session.labels.colormap.map(4))


def test_a_mask_is_compared_with_a_reference(workspace, session, viewer, tmp_path):
    reference = viewer.add_labels(tiny_image()[1], name="truth", scale=(3, 1, 1))
    box = workspace.review.compare
    box.mask.pick(session.prediction.layer)
    box.reference.pick(reference)
    box.compare()
    assert box.rows[0][1] == "Dice"
    assert 0.9 < float(box.rows[1][1]) < 1
    box.save_csv(tmp_path / "scores.csv")
    assert (tmp_path / "scores.csv").read_text().startswith("class,Dice,Jaccard,HD95 (")


def test_the_score_says_when_more_labels_hardly_pay():
    from napari_dim.gui.widgets.loss_curves import verdict

    assert "hardly pay" in verdict([0.5, 0.6, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9])
    assert "still learns" in verdict([0.5, 0.5, 0.5, 0.5, 0.6, 0.7, 0.8, 0.8])
    assert "pay" not in verdict([0.5])


def test_a_stroke_through_many_slices_leaves_them_partial(viewer, session, qapp):
    labels = session.labels
    labels.mode = "paint"
    labels.n_edit_dimensions = 3
    labels.brush_size = 13  # of pixels; slices are three times as far apart
    labels.paint((1, 20, 20), 1)
    qapp.processEvents()
    assert states(session)[:3] == [P, P, P]
    assert states(session)[3] == C  # it was labelled before
    slices.set_untouched(session)
    labels.undo()
    assert states(session)[:3] == [U, U, U]


def ctrl_z(viewer, *, shift: bool = False) -> None:
    """Press what napari undoes (or, with shift, redoes) with, as the canvas hands it on."""
    handler = viewer.window._qt_viewer._key_map_handler
    handler.press_key("Ctrl+Shift+Z" if shift else "Ctrl+Z")


def test_after_accepting_one_corrects_the_next_and_ctrl_z_takes_back_the_last_step(session, viewer):
    labels, prediction = session.labels, session.prediction.layer
    labels.brush_size = 4
    go(session, 5)
    slices.accept_slice(session)
    # The next stroke is a correction of the prediction, not a half-painted slice of labels.
    assert viewer.layers.selection.active is prediction
    assert (prediction.mode, prediction.brush_size) == ("paint", 4)
    went_to = slices.current(session)
    assert went_to != 5
    before = prediction.data.copy()
    prediction.paint((went_to, 2, 2), 1)
    assert went_to in session.prediction.touched
    assert states(session)[went_to] == U
    ctrl_z(viewer)
    np.testing.assert_array_equal(prediction.data, before)
    assert states(session)[5] == C
    ctrl_z(viewer)  # the step before was the acceptance, in the other layer
    assert states(session)[5] == U
    assert slices.current(session) == 5  # what changed is on the screen
    ctrl_z(viewer, shift=True)
    assert states(session)[5] == C
    ctrl_z(viewer, shift=True)
    assert prediction.data[went_to, 2, 2] == 1
    ctrl_z(viewer)
    ctrl_z(viewer)
    ctrl_z(viewer)  # nothing is left
    assert states(session)[5] == U
    ctrl_z(viewer, shift=True)  # and that was no step
    assert states(session)[5] == C
    ctrl_z(viewer, shift=True)
    assert prediction.data[went_to, 2, 2] == 1


def test_steps_in_a_layer_of_its_own_are_its_own(session, viewer):
    other = viewer.add_labels(np.zeros((12, 48, 40), np.uint8), name="other")
    other.paint((1, 5, 5), 1)
    session.labels.paint((1, 5, 5), 1)
    viewer.layers.selection.active = other
    ctrl_z(viewer)
    assert not other.data.any()
    assert session.labels.data[1].any()
