"""From a dropped file to an exported mask, by hands alone: what the screen shows is in the file."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np

from napari_dim.gui.commands import slice_commands as slices
from napari_dim.gui.layers.image_layers import labels_array
from napari_dim.io import read_volume
from tests.gui.conftest import tiny_image, wait_idle
from tests.hands.hand import choose


def test_from_a_dropped_file_to_an_exported_mask(hand, workspace, nifti, tmp_path, qtbot):
    session, truth = workspace.session, tiny_image()[1]
    hand.drop(nifti)
    workspace.tabs.setCurrentIndex(0)
    if session.labels is None:
        hand.click(workspace.annotate.new)
    labels = session.labels
    hand.press("2")
    labels.brush_size = 9
    for number in (4, 6, 8):
        slices.go_to(session, number)
        hand.drag(labels, (18, 20), (24, 14), (30, 20), (24, 26), (24, 20))
    strokes = {number: labels_array(labels)[number].copy() for number in (4, 6, 8)}
    for number, stroke in strokes.items():
        assert stroke.any(), number
        assert (stroke.astype(bool) & truth[number].astype(bool)).sum() > 0.5 * stroke.sum()
    for number in (0, 11):
        slices.go_to(session, number)
        hand.click(workspace.annotate.confirm)
    assert tuple(session.mask.labelled) == (0, 4, 6, 8, 11)

    workspace.tabs.setCurrentIndex(1)
    hand.click(workspace.train.button)
    wait_idle(qtbot, session)
    workspace.tabs.setCurrentIndex(2)
    slices.go_to(session, 5)
    hand.click(workspace.review.accept)
    assert 5 in session.mask.labelled
    for number, stroke in strokes.items():
        np.testing.assert_array_equal(labels_array(session.labels)[number], stroke)

    workspace.tabs.setCurrentIndex(3)
    file = tmp_path / "out.nii.gz"
    shown = np.array(labels_array(session.labels))
    with hand.answering(choose(file)) as asked:
        hand.click(workspace.export.button)
    assert asked == ["Export the mask"]
    record = file.with_name("out.nii.gz.json")
    qtbot.waitUntil(record.exists, timeout=60_000)
    wait_idle(qtbot, session)
    np.testing.assert_array_equal(read_volume(file).array, shown)
    written = nib.load(file)
    np.testing.assert_allclose(written.affine, nib.load(nifti).affine, atol=1e-5)
    assert written.shape == nib.load(nifti).shape
    assert "slices" in json.loads(record.read_text("utf8"))
