"""Masks of several scans at once, in the background."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np

from napari_dim.gui.panels.export_tab import OPEN
from tests.gui.conftest import tiny_image, wait_idle


def test_all_open_scans_are_exported_with_their_records(
    viewer, workspace, open_ball, qtbot, tmp_path, notes
):
    _, _, reference = open_ball()
    viewer.add_image(tiny_image(4)[0], name="not labelled", scale=(3, 1, 1))
    second = viewer.add_image(tiny_image(3)[0], name="BALL", scale=(3, 1, 1))
    workspace.annotate.image.pick(second)
    workspace.annotate.new.click()
    mine = workspace.session.labels
    mine.data_setitem((np.array([2]), np.array([20]), np.array([20])), 1)
    export = workspace.export
    export.scope.setCurrentText(OPEN)
    assert "3 of 12 slices labelled by a person" in export.text.text()
    assert "not labelled:" not in export.text.text()
    assert export.button.text() == "Export all…"
    (tmp_path / "masks").mkdir()
    export.export_all(tmp_path / "masks")
    wait_idle(qtbot, workspace.session)
    assert len(notes) == 1
    assert "Exported 2 of 2 masks" in notes[0]
    sums = []
    found = sorted(path.name[:-7] for path in (tmp_path / "masks").glob("*.nii.gz"))
    assert sorted(name.lower() for name in found) == ["ball_dim", "ball_dim_2"]
    for name in found:
        mask = np.asarray(nib.load(tmp_path / "masks" / f"{name}.nii.gz").dataobj)
        record = json.loads((tmp_path / "masks" / f"{name}.nii.gz.json").read_text())
        assert len(record["slices"]) == 12
        sums.append(int(mask.sum()))
    assert sorted(sums) == sorted([1, int(reference[[3, 6, 9]].sum())])


def test_a_folder_that_cannot_be_written_is_told(
    viewer, workspace, open_ball, qtbot, tmp_path, notes
):
    open_ball()
    (tmp_path / "file").write_text("in the way")
    workspace.export.scope.setCurrentText(OPEN)
    workspace.export.export_all(tmp_path / "file")
    wait_idle(qtbot, workspace.session)
    assert len(notes) == 1
    assert "Exported 0 of 1 mask " in notes[0]
    assert workspace.session.task is None
