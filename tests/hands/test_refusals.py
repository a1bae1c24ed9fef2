"""What the window refuses or asks about before anything is drawn or written."""

from __future__ import annotations

import numpy as np
import pytest

from napari_dim.gui.commands import slice_commands as slices
from napari_dim.gui.layers.layer_classes import classes_of
from napari_dim.gui.panels.export_tab import OPEN
from napari_dim.gui.storage import open_cases as cases
from napari_dim.project import Note, Project
from tests.gui.conftest import wait_idle
from tests.hands.hand import push


@pytest.fixture
def looked_at(workspace, tmp_path, nifti):
    """The workspace on a project that another window has, with a mask of one painted slice."""
    session = workspace.session
    with Project.create(tmp_path / "project") as first:
        mask = np.zeros((12, 48, 40), np.uint8)
        mask[3, 10:20, 10:20] = 1
        first.add_case(nifti, "scan")
        first.begin("scan", "labels", mask, Note(name="theirs", role="mask"))
        first.flush()
        second = Project.open(tmp_path / "project")
        session.autosave.use(second)
        cases.open_case(session, second, "scan")
        yield session
        session.autosave.use(None)
        session.autosave.close()


def test_a_project_that_can_only_be_looked_at_takes_no_stroke(hand, workspace, looked_at, notes):
    session, layer = looked_at, looked_at.labels
    before, states = layer.data.copy(), session.mask.states
    slices.go_to(session, 5)
    hand.press("2")
    hand.drag(layer, (20, 15), (30, 25))
    for key in ("K", "J", "G"):
        hand.press(key)
    assert not layer.editable
    np.testing.assert_array_equal(layer.data, before)
    np.testing.assert_array_equal(session.mask.states, states)
    assert any("can only be looked at" in text for text in notes)
    session.viewer.dims.ndisplay = 3
    session.viewer.dims.ndisplay = 2
    layer.editable = True  # as napari does of itself
    assert not layer.editable


def test_exporting_all_asks_about_empty_masks_and_files_that_are_there(
    hand, viewer, workspace, open_ball, qtbot, tmp_path
):
    _, labels, _ = open_ball()
    export = workspace.export
    export.scope.setCurrentText(OPEN)
    export.export_all(tmp_path)
    wait_idle(qtbot, workspace.session)
    (written,) = tmp_path.glob("*.nii.gz")
    first = written.read_bytes()
    labels.data_setitem(np.nonzero(labels.data), 0)
    slices.go_to(workspace.session, 0)
    hand.press("K")
    with hand.answering(push("No")) as titles:
        export.export_all(tmp_path)
    assert titles == ["Export an empty mask?"]
    assert written.read_bytes() == first
    with hand.answering(push("Yes")):
        export.export_all(tmp_path)
    wait_idle(qtbot, workspace.session)
    assert written.read_bytes() != first


def test_labels_of_naparis_own_get_the_colours_of_the_table(workspace, open_ball):
    _, labels, _ = open_ball()
    assert workspace.session.mask.layer is labels
    (shown,) = classes_of(labels)
    seen = "#" + "".join(f"{round(255 * part):02x}" for part in labels.get_color(shown.id)[:3])
    assert seen.lower() == shown.colour.lower()
