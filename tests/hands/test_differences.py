"""Two masks compared: chosen, shown, gone through by key and button, followed while one paints."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from napari.layers import Labels

from napari_dim.gui.commands import slice_commands as slices
from napari_dim.gui.layers.difference_layer import is_difference
from napari_dim.gui.layers.image_layers import layer_source
from napari_dim.gui.logic.mask_differences import IN_ORDER, ONLY_A, ONLY_B
from napari_dim.io import write_mask
from tests.hands.hand import choose


@pytest.fixture
def session(viewer, workspace, open_ball, hand):
    """The ball's mask in three slices, and a reader's that differs in slices 3 and 9."""
    _, labels, _ = open_ball()
    workspace.annotate.labels.pick(labels)
    readers = labels.data.copy()
    readers[3, 24:26, 18:22] = 0
    readers[9, 2:5, 2:5] = 1
    viewer.add_labels(readers, name="reader", scale=(3, 1, 1))
    viewer.layers.selection.active = labels
    hand.rest(0.2)
    slices.go_to(workspace.session, 0)
    return workspace.session


def settled(hand, window) -> None:
    """Wait until all is compared."""
    for _ in range(100):
        hand.rest(0.1)
        if window.comparing.found is not None and not window.comparing.waiting:
            break
    hand.rest(0.3)


def overlay(viewer) -> Labels:
    return next(layer for layer in viewer.layers if is_difference(layer))


def test_differences_are_shown_counted_and_gone_through(hand, viewer, workspace, session):
    window = workspace.differences
    hand.press("Shift-D")
    settled(hand, window)
    assert (window.pair.a.currentText(), window.pair.b.currentText()) == (
        "the mask of this scan",
        "reader",
    )
    shown = overlay(viewer)
    assert np.argwhere(shown.data == ONLY_A)[:, 0].tolist() == [3] * 8
    assert np.argwhere(shown.data == ONLY_B)[:, 0].tolist() == [9] * 9
    rows = [
        [window.slices.item(row, column).text() for column in range(4)]
        for row in range(window.slices.rowCount())
    ]
    assert rows == [["3", "8", "0", "0"], ["9", "0", "9", "0"]]
    mine, readers = session.labels.data == 1, viewer.layers["reader"].data == 1
    dice = 2 * np.sum(mine & readers) / (mine.sum() + readers.sum())
    assert window.classes.item(0, 1).text() == f"{dice:.3f}"
    # The largest first, in the middle of the canvas.
    hand.press("Alt-.")
    assert slices.current(session) == 9
    middle = hand.canvas.rect().center()
    away = hand.at(3, 3, session.image) - middle
    assert abs(away.x()) + abs(away.y()) < 4
    assert "1 of 2" in session.message
    hand.click(window.after)
    assert slices.current(session) == 3
    hand.press("Alt-.")
    assert slices.current(session) == 9
    hand.press("Alt-,")
    assert slices.current(session) == 3
    window.order.setCurrentText(IN_ORDER)
    window.order.activated.emit(1)
    hand.click(window.after)
    assert slices.current(session) == 3
    hand.click_item(window.slices, 1)
    assert slices.current(session) == 9
    # It is no mask and no scan, it can't be drawn in, and it goes with its window.
    assert not shown.editable
    assert [box.count() for box in (workspace.annotate.image, workspace.annotate.labels)] == [1, 3]
    hand.press("Shift-D")
    assert not [layer for layer in viewer.layers if is_difference(layer)]


def test_what_is_mended_is_no_difference_any_more(hand, viewer, workspace, session):
    window, layer = workspace.differences, session.labels
    hand.press("Shift-D")
    settled(hand, window)
    hand.press("Alt-.")
    hand.press("Alt-1")
    layer.brush_size = 1
    for row in (2, 3, 4):
        hand.stroke(layer, (row, 2), (row, 3), (row, 4))
    settled(hand, window)
    left = int(np.sum(layer.data[9] != viewer.layers["reader"].data[9]))
    assert left < 9
    assert np.count_nonzero(overlay(viewer).data[9]) == left
    hand.press("Ctrl-Z")
    hand.press("Ctrl-Z")
    hand.press("Ctrl-Z")
    settled(hand, window)
    assert np.count_nonzero(overlay(viewer).data[9]) == 9


def test_the_readers_mask_is_followed_too(hand, viewer, workspace, session):
    window, reader = workspace.differences, viewer.layers["reader"]
    hand.press("Shift-D")
    settled(hand, window)
    assert window.comparing.found.slices == [3, 9]
    reader.data_setitem((np.array([5]), np.array([1]), np.array([1])), 1)
    session.slices_changed.emit()  # as any stroke, or another slice
    settled(hand, window)
    assert window.comparing.found.slices == [3, 5, 9]
    reader.data = session.labels.data.copy()
    slices.go_to(session, 4)
    settled(hand, window)
    assert window.comparing.found.slices == []


def test_the_machines_newest_answer_is_compared_where_it_said_something(hand, workspace, session):
    mask, window = session.mask, workspace.differences
    said = session.labels.data[[3, 6]].copy()
    said[1, 20:22, 20:22] = 0
    mask.take(np.array([3, 6]), said)
    hand.press("Shift-D")
    hand.rest(0.2)
    assert window.pair.b.currentText() == "the machine's newest answer"
    settled(hand, window)
    assert window.comparing.found.slices == [6]
    assert "10 slices the machine has said nothing" in window.text.whole
    mask.take(np.array([6]), session.labels.data[[6]].copy())
    settled(hand, window)
    assert window.comparing.found.slices == []
    with_none = window.text.whole
    assert with_none.startswith("0 slices differ")


def test_a_files_mask_is_laid_onto_the_scan_or_refused(
    hand, viewer, workspace, nifti, tmp_path, notes
):
    viewer.open(str(nifti), plugin="napari-dim")
    hand.rest()
    hand.click(workspace.annotate.new)
    session = workspace.session
    session.labels.data_setitem((np.array([6]), np.array([24]), np.array([20])), 1)
    hand.rest(0.2)
    readers = np.zeros(session.labels.data.shape, np.uint8)
    readers[6, 24, 20:24] = 1
    file = write_mask(tmp_path / "reader.nii.gz", readers, layer_source(session.image))
    window = workspace.differences
    hand.press("Shift-D")
    hand.rest(0.2)
    box = window.pair.b
    with hand.answering(choose(file)):
        box.setCurrentIndex(box.count() - 1)
        box.activated.emit(box.count() - 1)
    settled(hand, window)
    assert box.currentText() == "reader.nii.gz"
    assert window.comparing.found.counts[6].tolist() == [0, 3, 0]
    # One that lies elsewhere is refused, and what was compared stays.
    moved = nib.load(file)
    affine = moved.affine.copy()
    affine[:3, 3] += 500
    other = tmp_path / "elsewhere.nii.gz"
    nib.save(nib.Nifti1Image(np.asarray(moved.dataobj), affine), other)
    with hand.answering(choose(other)):
        box.setCurrentIndex(box.count() - 1)
        box.activated.emit(box.count() - 1)
    assert notes
    assert box.currentText() == "reader.nii.gz"
    assert window.comparing.found.counts[6].tolist() == [0, 3, 0]


def test_without_two_masks_it_says_what_is_missing(hand, viewer, workspace, notes):
    window = workspace.differences
    hand.press("Shift-D")
    hand.rest(0.2)
    assert window.isVisible()
    assert "no two masks yet" in window.text.whole
    hand.press("Alt-.")
    assert any("No two masks are compared" in text for text in notes)


def test_a_scan_given_as_a_mask_is_refused(hand, workspace, session, notes, tmp_path):
    image = session.image
    grid = layer_source(image).grid
    noise = np.random.default_rng(0).integers(0, 4000, grid.shape, dtype=np.uint16)
    nib.save(
        nib.Nifti1Image(noise.T, grid.affine[[2, 1, 0, 3]][:, [2, 1, 0, 3]]), tmp_path / "s.nii"
    )
    hand.press("Shift-D")
    window = workspace.differences
    settled(hand, window)
    before = window.pair.b.currentText()
    with hand.answering(choose(tmp_path / "s.nii")):
        hand.press("End", on=window.pair.b)  # a file…
    assert any("hardly a mask" in note for note in notes), notes
    assert window.pair.b.currentText() == before
