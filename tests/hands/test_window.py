"""What was seen in the window: keys in lists, things that move, layers that are ours, closing."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from PIL import Image as Picture
from qtpy.QtCore import QCoreApplication, QEvent, QPoint, Qt
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QApplication, QLabel

from napari_dim.gui.commands import slice_commands as slices
from napari_dim.gui.controller import session_of
from napari_dim.gui.layers.image_layers import add_layer, image_tuples, new_labels
from napari_dim.gui.layers.layer_classes import fresh_class, set_classes
from napari_dim.gui.panels.recovery_bar import RecoveryBar
from napari_dim.gui.panels.workspace import Workspace
from napari_dim.gui.widgets.fixed_lines import FixedLines
from napari_dim.io import read_volume
from napari_dim.states import SliceState
from tests.gui.conftest import TINY, tiny_image, wait_idle
from tests.hands.hand import push

OFFSET = np.array([[0.0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0]])
"""What a translation adds to an affine."""


@pytest.fixture
def session(workspace, open_ball):
    open_ball()
    return workspace.session


def test_keys_with_a_list_or_table_in_focus_reach_the_canvas(hand, workspace, session):
    annotate, labels = workspace.annotate, session.labels
    table = annotate.classes.table
    names = [info.name for info in annotate.classes.classes]
    hand.click_item(table, 0, 1)
    hand.press("1", on=table)
    assert str(labels.mode) == "erase"
    hand.press("2", on=table)
    assert str(labels.mode) == "paint"
    assert [info.name for info in annotate.classes.classes] == names
    slices.go_to(session, 0)
    hand.press(".", on=table)
    assert slices.current(session) == 3
    hand.press("N", on=annotate.plane)
    hand.press(",", on=annotate.image)
    hand.press(".", on=annotate.plane)
    assert slices.current(session) == 6
    # What is typed into a name is text, and Enter gives the keys back.
    site = workspace.train.site
    workspace.tabs.setCurrentIndex(1)
    hand.click(site)
    hand.type("K1", on=site)
    assert site.text() == "K1"
    hand.press("Enter", on=site)
    assert session.site_of(session.image) == "K1"
    assert QApplication.focusWidget() is not site
    workspace.tabs.setCurrentIndex(0)
    # A clicked button keeps no keys: a space is not a second click.
    slices.go_to(session, 1)
    hand.click(annotate.confirm)
    assert QApplication.focusWidget() is not annotate.confirm


def test_a_window_that_outgrows_its_screen_is_brought_onto_it(hand, viewer, qtbot):
    window = hand.window
    room = window.screen().availableGeometry()
    window.move(room.right() - 500, room.top() + 50)
    window.resize(room.width() + 300, 600)
    viewer.window.add_dock_widget(Workspace(viewer), name="Workspace", area="right")
    qtbot.waitUntil(lambda: room.contains(window.frameGeometry()), timeout=5000)
    assert window.width() > room.width() - 50


def test_a_wheel_over_a_box_chooses_nothing(hand, viewer, workspace, session):
    viewer.add_image(tiny_image(5)[0], name="another", scale=(3, 1, 1))
    hand.rest(0.2)
    annotate, train, review = workspace.annotate, workspace.train, workspace.review
    boxes = {
        0: (annotate.image, annotate.plane), 1: (train.budget, train.source),
        2: (review.classes,), 3: (workspace.export.format, workspace.export.include),
    }  # fmt: skip
    worked_on = session.image
    for tab, there in boxes.items():
        workspace.tabs.setCurrentIndex(tab)
        hand.rest(0.1)
        for box in there:
            chosen = box.currentText()
            for notches in (-1, 1, 1):
                hand.turn_wheel(notches, on=box)
                assert box.currentText() == chosen
    assert session.image is worked_on
    share = review.share.value()
    hand.turn_wheel(-1, on=review.share)
    assert review.share.value() == share


def test_buttons_stay_where_they_are(hand, viewer, workspace, session):
    def places() -> dict[str, QPoint]:
        origin = QPoint(0, 0)
        shown = {
            "tabs": workspace.tabs.tabBar(),
            "3D": workspace.header.solid,
            "show": workspace.guide.go,
            "confirm": workspace.annotate.confirm,
            "strip": workspace.strip,
        }
        return {name: widget.mapTo(hand.window, origin) for name, widget in shown.items()}

    hand.rest(1)
    before = places()
    width = workspace.width()
    for text in ("", "short", "a long sentence that says what was done and why " * 6):
        session.say(text)
        hand.rest(0.25)
        assert places() == before, text[:20]
    workspace.header.state.label.say("")
    viewer.add_image(tiny_image(5)[0], name="another scan with quite a long name", scale=(3, 1, 1))
    hand.rest(0.25)
    assert workspace.header.state.take.isVisible()
    assert places() == before
    assert workspace.width() == width
    hand.click(workspace.header.state.stay)
    assert places() == before
    viewer.layers.remove(session.labels)
    hand.rest(0.25)
    assert workspace.header.back.isVisible()
    assert workspace.tabs.tabBar().mapTo(hand.window, QPoint(0, 0)) == before["tabs"]


def test_nothing_is_cut_off_beside_the_bar_of_a_low_window(hand, viewer, workspace, session):
    viewer.window.resize(1366, 560)
    hand.rest(0.2)
    for number in range(workspace.tabs.count()):
        workspace.tabs.setCurrentIndex(number)
        hand.rest(0.1)
        area = workspace.tabs.widget(number)
        room = area.width() - area.verticalScrollBar().sizeHint().width()
        assert area.widget().minimumSizeHint().width() <= room, number


def test_a_scan_dropped_beside_another_is_offered(hand, viewer, workspace, session, nifti):
    line, first = workspace.header.state, session.image
    assert not line.take.isVisible()
    hand.press("2")
    viewer.camera.zoom *= 3
    zoom = viewer.camera.zoom
    hand.drop(nifti)
    second = viewer.layers["scan"]
    assert session.image is first
    hand.rest()
    # What is painted on stays what is seen.
    assert not second.visible
    assert first.visible
    # The brush stays in the hand, and what it paints goes into the mask that it was taken for.
    assert viewer.layers.selection.active is session.labels
    assert str(session.labels.mode) == "paint"
    hand.click(line.stay)
    assert not second.visible
    assert viewer.camera.zoom == zoom
    assert viewer.layers.selection.active is session.labels
    assert str(session.labels.mode) == "paint"
    for _ in range(2):  # to 3D and back
        hand.click(workspace.header.solid)
    assert viewer.layers.selection.active is session.labels
    assert str(session.labels.mode) == "paint"
    viewer.layers.remove(second)
    hand.drop(nifti)
    second = viewer.layers["scan"]
    assert "scan" in line.text
    hand.rest()
    assert viewer.layers.index(second) < viewer.layers.index(session.labels)  # covers no mask
    hand.click(line.take)
    assert viewer.dims.nsteps[0] == len(second.data)  # napari counts its slices
    assert session.image is second
    assert not first.visible
    assert not line.take.isVisible()
    low, high = (np.asarray(c)[-2:] for c in second.extent.world)
    middle = np.asarray(viewer.camera.center)[-2:]
    assert np.allclose(middle, (low + high) / 2, atol=1)
    # A scan that was never seen, elsewhere in space: its middle, not an end of it.
    assert slices.current(session) == len(second.data) // 2
    assert viewer.layers.selection.active is second
    session.open_case(first)
    assert viewer.layers.selection.active is session.labels


def test_uncertainty_is_shown_and_hidden_and_is_no_scan(hand, workspace, session, qtbot):
    workspace.tabs.setCurrentIndex(1)
    assert workspace.train.form.values()["max_size"] == TINY["max_size"]
    hand.click(workspace.train.button)
    wait_idle(qtbot, session)
    workspace.tabs.setCurrentIndex(2)
    review = workspace.review
    offered = workspace.annotate.image.count()
    hand.click(review.doubt)
    assert review.doubt.text() == "Hide uncertainty"
    assert [layer.name for layer in session.viewer.layers if "uncertainty" in layer.name]
    assert workspace.annotate.image.count() == offered
    assert not workspace.header.state.take.isVisible()
    assert not workspace.train.others.isVisible()
    hand.click(review.doubt)
    assert review.doubt.text() == "Show uncertainty"
    assert not [layer.name for layer in session.viewer.layers if "uncertainty" in layer.name]


@pytest.mark.skipif(QGuiApplication.platformName() not in ("", "xcb"), reason="asks X11")
@pytest.mark.own_window
def test_closing_while_training_asks_once(hand, workspace, session, qtbot):
    train = workspace.train
    train.set_budget(600)
    workspace.tabs.setCurrentIndex(1)
    hand.rest()
    place = train.button.mapTo(hand.window, QPoint(0, 0))
    hand.click(train.button)
    qtbot.waitUntil(lambda: bool(session.history), timeout=60_000)
    assert train.button.mapTo(hand.window, QPoint(0, 0)) == place  # under the mouse: Stop
    with hand.answering(push("No")) as asked:
        hand.press_close_button()
    assert asked == ["Close napari?"]
    assert hand.window.isVisible()
    with hand.answering() as asked:
        hand.click(workspace.train.button)  # stops
        hand.click(workspace.train.button)
        wait_idle(qtbot, session)
    workspace.train.set_budget(600)
    assert asked == []


def test_a_stroke_is_kept_where_qt_ends_before_the_window_says_so(hand, session):
    """As a program ends, Qt may delete its timers first."""
    autosave = session.autosave
    for waker in (autosave._looking, autosave.looks._soon):
        waker._timer.deleteLater()
        QCoreApplication.sendPostedEvents(waker._timer, QEvent.Type.DeferredDelete)
    hand.press("2")
    hand.stroke(session.labels, (20, 20), (20, 24))
    assert autosave.text != "saved"
    assert session.panel_closed()
    assert autosave.text == "saved"
    session.panel_opened()  # the workspace is still there


def test_what_has_no_room_is_cut_at_a_word_and_never_through_a_line(workspace):
    line = FixedLines(2, workspace)
    line.setContentsMargins(9, 0, 9, 0)  # room that text has not
    for width in range(180, 300, 7):
        line.resize(width, line.sizeHint().height())
        line.say(f"{width}: only what is painted counts. Paint some of the background, too, now")
        assert QLabel.heightForWidth(line, width) <= line.height()
        line.say(f"“hippocampus_of_patient_{width}_image_corrected_by_hand” was opened beside “b”.")
        room = line.contentsRect().width()
        words = line.text().split()
        assert max(line.fontMetrics().horizontalAdvance(word) for word in words) <= room
        assert "…" in words[0]


def test_all_work_that_was_left_is_offered_one_after_the_other(make_napari_viewer, workspace, hand):
    for name in ("monday", "tuesday"):
        other = make_napari_viewer()
        session = session_of(other)
        image = other.add_image(tiny_image(0)[0], name=name)
        labels = add_layer(other, new_labels(image))
        session.show_case(image, labels)
        labels.paint((3, 20, 20), 1)
        assert session.autosave.flush()
        session.autosave.close()
    bar = RecoveryBar(workspace.session)
    bar.show()
    offered = []
    for _ in range(2):
        assert not bar.isHidden()
        offered.append(bar.text.text())
        hand.click(bar.later)
    assert bar.isHidden()
    assert {name for name in ("monday", "tuesday") for text in offered if name in text} == {
        "monday", "tuesday",
    }  # fmt: skip
    bar.deleteLater()


def test_work_that_is_put_off_moves_nothing_of_the_scan_that_is_open(
    make_napari_viewer, viewer, hand, nifti
):
    other = make_napari_viewer()
    left = session_of(other)
    image = other.add_image(tiny_image(0)[0], name="monday")
    left.show_case(image, add_layer(other, new_labels(image)))
    left.labels.paint((3, 20, 20), 1)
    assert left.autosave.flush()
    left.autosave.close()
    workspace = Workspace(viewer)
    viewer.window.add_dock_widget(workspace, name="Workspace", area="right")
    hand.rest(0.3)

    def top(widget):
        return widget.mapTo(workspace, QPoint(0, 0)).y()

    assert top(workspace.recovery) < top(workspace.tabs)  # the first thing that is seen
    hand.drop(nifti)
    hand.rest(0.3)
    before = top(workspace.strip), top(workspace.tabs)
    assert workspace.recovery.isVisible()
    hand.click(workspace.recovery.later)
    hand.rest(0.3)
    assert not workspace.recovery.isVisible()
    assert (top(workspace.strip), top(workspace.tabs)) == before


def test_work_that_is_put_off_is_offered_again_with_its_scan_and_the_brush_is_in_the_hand(
    make_napari_viewer, viewer, hand, nifti
):
    other = make_napari_viewer()
    left = session_of(other)
    image = add_layer(other, image_tuples(read_volume(nifti))[0])
    left.show_case(image, add_layer(other, new_labels(image)))
    left.labels.paint((3, 20, 20), 1)
    set_classes(left.labels, [fresh_class(1), fresh_class(2)])
    left.labels.selected_label, left.labels.brush_size = 2, 7
    kept = left.labels.data.copy()
    assert left.autosave.flush()
    left.autosave.close()
    workspace = Workspace(viewer)
    viewer.window.add_dock_widget(workspace, name="Workspace", area="right")
    bar, session = workspace.recovery, workspace.session
    hand.click(bar.later)
    assert not bar.isVisible()
    hand.drop(nifti)
    hand.rest(0.3)
    assert bar.isVisible()
    assert "scan" in bar.text.whole
    hand.click(bar.later)  # said once more: it is not asked of this layer again
    session.case_changed.emit()
    assert not bar.isVisible()
    viewer.layers.clear()
    hand.drop(nifti)
    hand.rest(0.3)
    hand.click(bar.restore)
    assert [layer.name for layer in viewer.layers] == ["scan", "scan (mask)"]  # not twice
    np.testing.assert_array_equal(session.labels.data, kept)
    assert viewer.layers.selection.active is session.labels
    assert str(session.labels.mode) == "paint"
    assert (session.labels.selected_label, session.labels.brush_size) == (2, 7)
    hand.drag(session.labels, (30, 10), (36, 16))
    assert session.labels.data.sum() > kept.sum()
    session.autosave.close()


def test_work_on_the_scan_that_is_open_is_offered_first(make_napari_viewer, viewer, hand, nifti):
    for name in ("scan", "monday"):
        other = make_napari_viewer()
        left = session_of(other)
        made = image_tuples(read_volume(nifti))[0]
        image = add_layer(other, made) if name == "scan" else other.add_image(made[0], name=name)
        left.show_case(image, add_layer(other, new_labels(image)))
        left.labels.paint((3, 20, 20), 1)
        assert left.autosave.flush()
        left.autosave.close()
    hand.drop(nifti)
    workspace = Workspace(viewer)
    viewer.window.add_dock_widget(workspace, name="Workspace", area="right")
    hand.rest(0.3)
    bar = workspace.recovery
    assert "scan" in bar.text.whole
    hand.click(bar.later)
    assert "monday" in bar.text.whole
    hand.click(bar.later)
    assert not bar.isVisible()


def test_what_is_cut_is_read_by_a_click(hand, workspace):
    whole = "Decided of this scan: " + "a long sentence that has no room in two lines, " * 6
    for line in (FixedLines(2, workspace.header), workspace.header.case):
        line.setParent(workspace.header)
        line.resize(150, 40)
        line.show()
        line.say(whole)
        assert line.text() != line.toolTip().strip() == whole.strip()
        hand.click(line)
        shown = QApplication.activePopupWidget()
        text = shown.findChild(QLabel)
        assert text.text().strip() == whole.strip()
        assert text.height() >= text.heightForWidth(text.width())
        assert text.textInteractionFlags() & Qt.TextInteractionFlag.TextSelectableByMouse
        shown.close()
        hand.rest()


def test_of_several_scans_that_come_back_the_last_is_worked_on(
    make_napari_viewer, workspace, hand, nifti, tmp_path
):
    second = tmp_path / "second.nii.gz"
    second.write_bytes(nifti.read_bytes())
    other = make_napari_viewer()
    session = session_of(other)
    images = [add_layer(other, image_tuples(read_volume(path))[0]) for path in (nifti, second)]
    for image in images:
        session.show_case(image, add_layer(other, new_labels(image)))
        session.labels.paint((3, 20, 20), 1)
        assert session.autosave.flush()
    session.show_case(images[0], session.scans.labels_of(images[0]))
    session.autosave.close()
    bar = RecoveryBar(workspace.session)
    bar.show()
    hand.click(bar.restore)
    assert workspace.session.image.name == "scan"
    assert len(workspace.session.viewer.layers) == 4
    bar.deleteLater()


def test_accepting_a_part_of_what_nobody_has_seen_asks_first(hand, workspace, session):
    mask = session.mask
    mask.take(np.arange(12), np.roll(tiny_image()[1], 1, axis=1))
    workspace.tabs.setCurrentIndex(2)
    before = mask.states
    with hand.answering(push("No")) as asked:
        hand.click(workspace.review.accept_class)
    assert asked == ["Accept class 1"]
    np.testing.assert_array_equal(mask.states, before)
    mask.answer.entropy[:] = 0.3
    slices.renew_suggestions(session)
    workspace.review.refresh()
    hand.rest(0.1)
    assert workspace.review.list.count() > 0
    place = workspace.review.accept_class.mapTo(workspace, QPoint(0, 0))
    slices.go_to(session, 11)
    with hand.answering(push("Yes")):
        hand.click(workspace.review.accept_class)
    assert (mask.states == SliceState.ACCEPTED_PART).sum() == 6
    hand.rest(0.3)
    assert workspace.review.accept_class.mapTo(workspace, QPoint(0, 0)) == place
    hand.press("Ctrl-Z")  # to what changed nearest by, as the slice on the screen did not
    np.testing.assert_array_equal(mask.states, before)
    assert slices.current(session) in (8, 10)


def test_pictures_of_their_own_are_not_filled_nor_copied(hand, viewer, workspace, tmp_path, notes):
    (tmp_path / "eyes").mkdir()
    for number in range(3):
        grey = np.random.default_rng(number).integers(0, 255, (24, 20), np.uint8)
        Picture.fromarray(grey).save(tmp_path / "eyes" / f"{number}.png")
    hand.drop(tmp_path / "eyes", on=workspace.header)
    hand.click(workspace.annotate.new)
    session = workspace.session
    assert session.image.data.shape[0] == 3
    assert not workspace.annotate.fill.isEnabled()
    assert not workspace.annotate.copy.isEnabled()
    session.labels.paint((0, 5, 5), 1)
    slices.go_to(session, 1)
    for key in ("G", "J"):
        hand.press(key)
    assert not session.labels.data[1:].any()
    assert sum("pictures of their own" in text for text in notes) == 2


def test_a_scan_that_is_chosen_never_takes_the_mask_of_another(
    hand, viewer, workspace, open_ball, tmp_path
):
    open_ball()  # elsewhere in space
    annotate, session = workspace.annotate, workspace.session
    scans = []
    for number, shape in enumerate(((35, 51, 12), (34, 52, 12))):  # two patients, nearly alike
        voxels = np.random.default_rng(number).integers(0, 900, shape, np.int16)
        path = tmp_path / f"patient{number}.nii.gz"
        nib.save(nib.Nifti1Image(voxels, np.diag([1.0, 1, 3, 1]) + 300 * OFFSET), path)
        hand.drop(path)
        hand.click(workspace.header.state.take)
        scans.append(session.image)
    hand.click(annotate.new)
    theirs = session.labels
    theirs.paint((5, 51, 33), 1)  # in the last row
    hand.rest()
    kept = theirs.data.copy()

    def choose_by_name(name):
        names = [annotate.image.itemText(row) for row in range(annotate.image.count())]
        place = names.index(name)
        annotate.image.setCurrentIndex(place)
        annotate.image.activated.emit(place)
        hand.rest()

    for name in ("ball", "patient0"):
        choose_by_name(name)
        assert session.image.name == name
    assert session.labels is None
    assert annotate.labels.count() == 1  # "none yet": the mask of another is not offered
    np.testing.assert_array_equal(theirs.data, kept)
    assert session.scans.owner_of(theirs) is scans[1]
    choose_by_name("patient1")
    assert session.labels is theirs
