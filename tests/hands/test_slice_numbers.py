"""One number a slice: in the strip, napari's slider, what is said, and what is exported."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from napari_dim.gui.commands import slice_commands as slices
from napari_dim.gui.layers.image_layers import current_slice
from napari_dim.io import read_volume
from napari_dim.states import SliceState
from tests.dicoms import write_series
from tests.gui.conftest import tiny_image, wait_idle
from tests.hands.hand import choose

ALONG = {"I": (0, 0, -3.0), "A": (0, 3.0, 0)}
"""Which way slices run that are stored in reverse: to the feet, to the front."""


def slider(viewer):
    """Napari's slider of the slices, with its number."""
    return viewer.window._qt_viewer.dims.slider_widgets[0]


def click_strip(hand, workspace, number):
    """Click a slice's cell."""
    strip, count = workspace.strip, len(workspace.strip.slices.states)
    place = QPoint(round((number + 0.5) * strip.width() / count), strip.height() // 2)
    QTest.mouseClick(strip, Qt.MouseButton.LeftButton, pos=place)
    hand.rest()


@pytest.mark.parametrize("way", ["I", "A"])
def test_a_scan_that_is_stored_in_reverse_has_one_number_a_slice(
    way, hand, viewer, workspace, tmp_path, qtbot
):
    image = tiny_image()[0]
    affine = np.eye(4)
    across = (0, -0.9, 0) if way == "I" else (0, 0, 0.9)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = (-0.8, 0, 0), across, ALONG[way]
    file = tmp_path / "back.nii.gz"
    nib.save(nib.Nifti1Image(image.transpose(2, 1, 0), affine), file)
    session = workspace.session
    hand.drop(file)
    hand.click(workspace.annotate.new)
    layer = session.labels

    def numbers():
        """Every number that is shown of the slice on the screen."""
        shown = slider(viewer)
        return {
            int(shown.curslice_label.text()), shown.slider.value(), workspace.strip._current,
            viewer.dims.current_step[0], current_slice(viewer, session.image),
            int(workspace.annotate.state.whole.split()[1].rstrip(":")),
        }  # fmt: skip

    click_strip(hand, workspace, 3)
    assert numbers() == {3}
    hand.press("Right")
    assert numbers() == {4}
    hand.turn_wheel(-1)
    assert numbers() == {5}
    slider(viewer).slider.setValue(8)
    hand.rest()
    assert numbers() == {8}
    label = slider(viewer).curslice_label
    label.setText("2")
    QTest.keyClick(label, Qt.Key.Key_Return)
    hand.rest()
    assert numbers() == {2}
    # What is seen is the file's slice of this number, and so is what is drawn and said.
    assert session.image._slice.image.raw.sum() == image[2].sum()
    hand.press("2")
    layer.brush_size = 9
    hand.drag(layer, (20, 15), (30, 25))
    assert np.flatnonzero(layer.data.any(axis=(1, 2))).tolist() == [2]
    click_strip(hand, workspace, 11)
    hand.press("K")
    assert "Slice 11 " in workspace.header.state.text
    # The suggestion.
    mask = session.mask
    mask.take(np.arange(12), tiny_image()[1])
    mask.answer.entropy[:] = 0.1
    mask.answer.entropy[6] = 0.9
    hand.press("N")
    assert workspace.header.state.text.startswith("Slice 6:")
    assert numbers() == {6}
    assert 6 in workspace.strip.slices.suggested or slices.still_suggested(session)[0].number == 6
    # The record, and the voxels of the file.
    workspace.tabs.setCurrentIndex(3)
    out = tmp_path / "out.nii.gz"
    with hand.answering(choose(out)):
        hand.click(workspace.export.button)
    record = out.with_name("out.nii.gz.json")
    qtbot.waitUntil(record.exists, timeout=60_000)
    wait_idle(qtbot, session)
    states = json.loads(record.read_text("utf8"))["slices"]
    assert [states.index(one) for one in ("painted", "empty")] == [2, 11]
    written = nib.load(out)
    np.testing.assert_allclose(written.affine, affine, atol=1e-5)
    drawn = np.asarray(written.dataobj).any(axis=(0, 1))
    np.testing.assert_array_equal(drawn, layer.data.any(axis=(1, 2)))
    np.testing.assert_array_equal(read_volume(out).array, layer.data)


def test_what_is_drawn_where_a_series_lacks_a_slice_is_no_label(
    hand, viewer, workspace, tmp_path, qtbot
):
    affine = np.diag([-0.8, -0.9, 3.0, 1.0])
    folder = write_series(
        tmp_path / "study", tiny_image()[0].transpose(2, 1, 0), affine, leave_out=(5,)
    )
    session = workspace.session
    hand.drop(folder)
    click_strip(hand, workspace, 5)
    assert workspace.header.state.text.startswith("Slice 5 is missing from the series")
    hand.click(workspace.annotate.new)
    layer = session.labels
    layer.brush_size = 9
    for number in (4, 5):
        click_strip(hand, workspace, number)
        hand.drag(layer, (20, 15), (30, 25))
    mask = session.mask
    assert mask.labelled == (4,)
    assert mask.states[5] == SliceState.FILLED
    assert layer.data[5].any()  # what was drawn stays, and is exported
    assert "missing from the series" in workspace.annotate.state.whole
    assert "missing from the series" in workspace.strip.text_of(5)
    assert "1 missing" in workspace.annotate.state.whole
    hand.press("K")
    assert "lacks slice 5" in workspace.header.state.text
    assert mask.labelled == (4,)
    hand.press("Ctrl-Z")
    assert not layer.data[5].any()
    click_strip(hand, workspace, 4)
    assert "missing" not in workspace.header.state.text
    # The machine's: all are accepted but what is not there, and nothing is suggested there.
    mask.take(np.arange(12), tiny_image()[1])
    mask.answer.entropy[:] = 0.1
    mask.answer.entropy[5] = 0.9
    slices.renew_suggestions(session)
    assert 5 not in [found.number for found in session.suggestions]
    slices.accept_all(session)
    assert set(mask.labelled) == set(range(12)) - {5}
    assert mask.states[5] == SliceState.MACHINE
