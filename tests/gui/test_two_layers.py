"""Projects of the time when a scan had two layers: nothing of them is lost, and it is said."""

from __future__ import annotations

import numpy as np
import pytest

from napari_dim.gui.storage.open_cases import close_case, open_case
from napari_dim.project import Note, Project
from napari_dim.states import SliceState
from tests.gui.conftest import tiny_image

U, D, P, M, A, C, E, F, H = SliceState


@pytest.fixture
def older(tmp_path, nifti):
    """Slices 3 and 6 painted, 0 confirmed as empty, 7 partial, 4 filled in; the machine found
    the whole ball, and a person corrected its slices 3 (labelled as well) and 8."""
    _, reference = tiny_image()
    labels = np.zeros_like(reference)
    labels[[3, 4, 6]] = reference[[3, 4, 6]]
    labels[7, 20, 20] = 1
    states = "100130120000"
    predicted = reference.copy()
    predicted[3, 0, 0] = predicted[8, 0, 0] = 1
    with Project.create(tmp_path / "older") as project:
        project.add_case(nifti, "scan")
        project.begin(
            "scan", "labels", labels,
            Note(name="mine", states=states, marks={0: 1, 4: 3, 7: 2}, slice=6),
        )  # fmt: skip
        project.begin(
            "scan", "prediction", predicted,
            Note(name="scan (prediction)", role="prediction", touched=(3, 8)),
        )  # fmt: skip
        assert project.flush(10)
    return tmp_path / "older", labels, predicted


def test_two_layers_become_one_mask_and_nothing_is_lost(viewer, workspace, older, notes):
    folder, labels, predicted = older
    session = workspace.session
    project = Project.open(folder)
    session.autosave.use(project)
    said = open_case(session, project, "scan")
    assert "labels and prediction are one mask now: 5 slices are yours, 6 the machine's" in said
    assert "1 the machine's as you corrected it" in said
    assert "of 1 slices that you had both labelled and corrected, the labels stay" in said
    assert [layer.name for layer in viewer.layers] == ["scan", "mine"]
    mask = session.mask
    wanted = [E, M, M, D, F, M, D, P, C, M, M, M]
    assert [SliceState(int(s)).name for s in mask.states] == [s.name for s in wanted]
    mine = [0, 3, 4, 6, 7]
    np.testing.assert_array_equal(mask.planes[mine], labels[mine])
    others = [n for n in range(12) if n not in mine]
    np.testing.assert_array_equal(mask.planes[others], predicted[others])
    assert mask.steps.last is None
    # It is kept as one mask from now on, and opened as such.
    planes, states = mask.planes.copy(), mask.states
    assert close_case(session, "scan")
    assert len(viewer.layers) == 0
    said = open_case(session, project, "scan")
    assert "one mask now" not in said
    np.testing.assert_array_equal(session.mask.planes, planes)
    np.testing.assert_array_equal(session.mask.states, states)
    assert notes == []


def test_a_prediction_alone_becomes_the_mask(viewer, workspace, tmp_path, nifti):
    _, reference = tiny_image()
    session = workspace.session
    with Project.create(tmp_path / "older") as project:
        project.add_case(nifti, "scan")
        note = Note(name="scan (prediction)", role="prediction", touched=(8,))
        project.begin("scan", "prediction", reference, note)
        assert project.flush(10)
    project = Project.open(tmp_path / "older")
    session.autosave.use(project)
    assert "one mask now: 0 slices are yours, 11 the machine's" in open_case(
        session, project, "scan"
    )
    assert session.labels.name == "scan (mask)"
    np.testing.assert_array_equal(session.mask.planes, reference)
    assert list(np.flatnonzero(session.mask.states == C)) == [8]
    assert session.autosave.flush()
    assert project.recover("scan", "labels").note.role == "mask"
