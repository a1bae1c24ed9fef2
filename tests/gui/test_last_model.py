"""After a restart the last model is there again: its masks, its doubts, and going on from it."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from napari_dim.engine.inference.trained_model import Model
from napari_dim.gui.panels.recovery_bar import leftovers, restore
from napari_dim.gui.panels.workspace import Workspace
from napari_dim.gui.storage import project_actions as projects
from napari_dim.gui.storage.last_model import known_cases, start_of
from napari_dim.gui.storage.mask_record import recipe_of
from napari_dim.io.hashing import hash_file
from tests.gui.conftest import TINY, tiny_image, wait_idle


def fresh(make_napari_viewer, folder):
    """A second window, as after a restart."""
    viewer = make_napari_viewer(show=True)
    workspace = Workspace(viewer)
    viewer.window.add_dock_widget(workspace, name="Workspace", area="right")
    for name, value in {**TINY, "device": "cpu"}.items():
        if name in workspace.train.form.values():
            workspace.train.form.set_value(name, value)
    workspace.train.set_budget(2)
    workspace.train.runs.path = folder / "runs"
    return workspace


@pytest.mark.parametrize(
    "in_project",
    [pytest.param(True, id="project"),
     pytest.param(False, id="no project", marks=pytest.mark.slow)],
)  # fmt: skip
def test_the_last_model_comes_back_and_goes_on(
    viewer, workspace, make_napari_viewer, tmp_path, qtbot, in_project
):
    image, mask = tiny_image()
    path = tmp_path / "ball.nii.gz"
    nib.save(nib.Nifti1Image(image.T, np.diag([1, 1, 3, 1])), path)
    layer = viewer.open(path, plugin="napari-dim")[0]
    session = workspace.session
    workspace.annotate.new.click()
    where = np.nonzero(mask[[4, 7]])
    session.labels.data_setitem((np.array([4, 7])[where[0]], *where[1:]), 1)
    if in_project:
        projects.from_layers(session, tmp_path / "p")
    session.autosave.flush()
    workspace.train.button.click()
    wait_idle(qtbot, session)
    before = session.mask_of(layer).answer
    suggested = [found.number for found in session.suggestions]
    assert suggested
    weights = session.model.tensors()
    session.autosave.close()  # The process ends here.

    again = fresh(make_napari_viewer, tmp_path)
    other = again.session
    if in_project:
        said = projects.open_project(other, tmp_path / "p")
    else:
        said = restore(other, next(leftovers()))
    assert "last model is there again" in said
    assert other.model is None  # loaded once it is needed
    back = other.mask_of(other.image).answer
    np.testing.assert_array_equal(back.mask[back.said], before.mask[back.said])
    assert list(np.flatnonzero(~back.said)) == [4, 7]  # a person's
    np.testing.assert_allclose(back.entropy, before.entropy)
    np.testing.assert_array_equal(back.confidence, before.confidence)
    assert [found.number for found in other.suggestions] == suggested
    kept = Model.load(other.run).tensors()
    assert all((kept[name] == tensor).all() for name, tensor in weights.items())
    assert again.train.go_on.isVisibleTo(again.train)
    assert again.train.go_on.isChecked()
    plan = again.train._plan()
    assert plan.start == other.run
    again.train.button.click()
    wait_idle(qtbot, other)
    assert other.model is not None
    assert other.history[0].progress >= other.model.settings.resume_at
    other.autosave.close()


def test_each_scan_has_the_model_that_made_its_masks(
    viewer, workspace, make_napari_viewer, tmp_path, qtbot
):
    session, runs = workspace.session, {}
    for number, name in enumerate(("a", "b")):
        image, mask = tiny_image(number)
        path = tmp_path / f"{name}.nii.gz"
        nib.save(nib.Nifti1Image(image.T, np.diag([1, 1, 3, 1])), path)
        (layer,) = viewer.open(path, plugin="napari-dim")
        workspace.annotate.image.pick(layer)
        workspace.annotate.new.click()
        where = np.nonzero(mask[[4, 7]])
        session.labels.data_setitem((np.array([4, 7])[where[0]], *where[1:]), 1)
        session.autosave.flush()
        assert not workspace.train.go_on.isChecked()
        workspace.train.button.click()
        wait_idle(qtbot, session)
        runs[name] = session.run, session.model
    assert start_of(session) is runs["b"][1]
    workspace.annotate.image.pick(next(one for one in viewer.layers if one.name == "a"))
    assert start_of(session) is runs["a"][1]
    assert workspace.train.go_on.isChecked()
    assert set(known_cases(session)) == {"a"}
    session.autosave.close()  # The process ends here.

    other = fresh(make_napari_viewer, tmp_path).session
    restore(other, next(leftovers()))
    for image, mask in other.masks:
        record = recipe_of(other, mask.layer, mask.states).known
        weights = runs[image.name][0] / "weights.safetensors"
        assert record["model"]["weights_sha256"] == hash_file(weights)
    assert len(other.masks) == 2
    other.autosave.close()
