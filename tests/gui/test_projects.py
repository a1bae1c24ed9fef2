"""The project menu: make, open, go from case to case, with real files and a real viewer."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_dim.config import Settings
from napari_dim.gui.hooks.menu_commands import combine_channels
from napari_dim.gui.jobs.training_plan import plan_from_cohort
from napari_dim.gui.layers.image_layers import layer_volume
from napari_dim.gui.panels.slice_axis import turn_slices
from napari_dim.gui.storage import project_actions as projects
from napari_dim.project import Project
from tests.gui.conftest import tiny_image
from tests.gui.test_files import choose


@pytest.fixture
def scans(tmp_path):
    """A folder of three scans, the first with a mask, and a cohort file of two of them."""
    folder = tmp_path / "scans"
    folder.mkdir()
    for number in range(3):
        image, mask = tiny_image(number)
        nib.save(nib.Nifti1Image(image.T, np.diag([1, 1, 3, 1])), folder / f"s{number}.nii.gz")
    nib.save(nib.Nifti1Image(mask.T, np.diag([1, 1, 3, 1])), folder / "s0_mask.nii.gz")
    (folder / "cohort.csv").write_text(
        "image,labels,slices,site,split\ns0.nii.gz,s0_mask.nii.gz,0;5;6,north,train\n"
        "s1.nii.gz,,,south,train\n"
    )
    return folder


@pytest.fixture
def session(workspace):
    session = workspace.session
    yield session
    session.autosave.close()


def actions(menu):
    menu.fill()
    return {action.text(): action for action in menu.menu_.actions()}


def test_a_cohort_becomes_a_project_with_its_labels(viewer, workspace, session, scans, tmp_path):
    said = projects.from_cohort(session, tmp_path / "p", scans / "cohort.csv")
    assert "of 2 scans" in said
    assert session.image.name == "s0"
    assert session.mask.labelled == (0, 5, 6)
    assert workspace.annotate.labels.layer is session.labels
    assert workspace.header.project.text().strip() == "p"
    # A stroke, then the next case and back: it is there.
    session.labels.data_setitem((np.array([9]), np.array([20]), np.array([20])), 1)
    assert "s1" in projects.next_case(session)
    assert session.image.name == "s1"
    assert session.labels is None
    assert [layer.name for layer in viewer.layers] == ["s1"]
    projects.next_case(session)
    assert session.image.name == "s0"
    assert session.mask.labelled == (0, 5, 6, 9)
    with pytest.raises(Exception, match="already"):
        projects.from_cohort(session, tmp_path / "p", scans / "cohort.csv")


def test_what_was_decided_of_a_cohort_is_said_in_the_window(session, scans, tmp_path):
    mask = nib.load(scans / "s0_mask.nii.gz")
    nib.save(mask.as_reoriented([[0, -1], [1, 1], [2, 1]]), scans / "s0_mask.nii.gz")
    text = (scans / "cohort.csv").read_text().replace("north", "Köln")
    (scans / "cohort.csv").write_bytes(text.encode("cp1252"))
    western = "read as Windows' western letters"
    said = projects.from_cohort(session, tmp_path / "p", scans / "cohort.csv")
    assert western in said
    assert "s0: the mask's axes are turned to its image's" in said
    plan = plan_from_cohort(scans / "cohort.csv", Settings(), None)
    plan.load(lambda: None)
    assert western in plan.told[0]


def test_a_folder_becomes_a_project_and_masks_are_no_scans(session, scans, tmp_path):
    said = []
    projects.from_folder(session, tmp_path / "p", scans, said.append)
    project = projects.current_project(session)
    assert [case.name for case in project.cases] == ["s0", "s1", "s2"]
    assert len(said) == 3


def test_open_layers_become_a_project_that_opens_again(
    viewer, workspace, session, scans, tmp_path, notes
):
    image = viewer.open(scans / "s0.nii.gz", plugin="napari-dim")[0]
    workspace.annotate.new.click()
    session.labels.data_setitem((np.array([4]), np.array([20]), np.array([20])), 1)
    session.sites[image] = "north"
    projects.from_layers(session, tmp_path / "mine")
    assert projects.current_project(session).sites == ("north",)
    assert "Add the open scans" in actions(workspace.header.project)
    projects.close_project(session)
    assert len(viewer.layers) == 0
    assert workspace.header.project.text().strip() == "No project"
    reopen = actions(workspace.header.project)["Reopen"].menu()
    assert reopen.actions()[0].text().startswith("mine")
    pointers = []
    with_pointer = viewer.layers.events.inserted.connect(
        lambda: pointers.append(QApplication.overrideCursor())
    )
    reopen.actions()[0].trigger()
    viewer.layers.events.inserted.disconnect(with_pointer)
    assert {pointer.shape() for pointer in pointers} == {Qt.CursorShape.WaitCursor}
    assert QApplication.overrideCursor() is None
    assert session.image.name == "s0"
    assert session.mask.labelled == (4,)
    assert notes == []
    projects.add_files(session, [scans / "s2.nii.gz"])
    assert "removed" in projects.remove_case(session, "s0").lower()
    assert [case.name for case in projects.current_project(session).cases] == ["s2"]
    assert "s0" not in [layer.name for layer in viewer.layers]


@pytest.mark.shown
def test_which_image_plane_and_channels_a_case_is_are_kept(
    viewer, workspace, session, tmp_path, monkeypatch
):
    """A volume of several, in a chosen plane, and combined channels come back as they were."""
    data = np.random.default_rng(0).integers(0, 99, (9, 10, 6, 12)).astype(np.int16)
    nib.save(nib.Nifti1Image(data, np.diag([1.0, 1, 3, 1])), tmp_path / "bold.nii")
    choose(monkeypatch, 7)
    (image,) = viewer.open(tmp_path / "bold.nii", plugin="napari-dim")
    workspace.annotate.image.pick(image)
    projects.from_layers(session, tmp_path / "p")
    turn_slices(session, "sagittal")  # after it became a case
    nib.save(nib.Nifti1Image(data[..., 0], np.diag([1.0, 1, 3, 1])), tmp_path / "t1.nii")
    nib.save(nib.Nifti1Image(data[..., 1], np.diag([1.0, 1, 3, 1])), tmp_path / "flair.nii")
    for name in ("t1", "flair"):
        viewer.open(tmp_path / f"{name}.nii", plugin="napari-dim")
    viewer.layers.selection = set(viewer.layers[-2:])
    combine_channels(viewer)
    viewer.layers.selection = set(viewer.layers[-2:])
    for layer in list(viewer.layers)[1:-2]:
        viewer.layers.remove(layer)
    projects.add_layers(session)
    names = [case.name for case in projects.current_project(session).cases]
    projects.close_project(session)
    projects.open_project(session, tmp_path / "p")
    found = {}
    for _ in names:
        found[session.autosave.case_of(session.image)] = layer_volume(session.image)
        projects.next_case(session)
    bold, both = (found[name] for name in names)
    np.testing.assert_array_equal(bold.grid.to_file(bold.array), data[..., 7])
    assert bold.grid.plane == "sagittal"
    np.testing.assert_array_equal(both.grid.to_file(both.array), data[..., :2])


def test_rows_of_a_cohort_keep_their_plane_and_channels(session, scans, tmp_path):
    (scans / "cohort.csv").write_text(
        "image,labels,slices,site,split,slice_axis\ns0.nii.gz|s1.nii.gz,,,north,train,coronal\n"
    )
    projects.from_cohort(session, tmp_path / "p", scans / "cohort.csv")
    volume = layer_volume(session.image)
    assert volume.channels == 2
    assert volume.grid.plane == "coronal"


def test_a_project_that_somebody_has_is_read_only_and_says_who(workspace, session, scans, tmp_path):
    with Project.create(tmp_path / "taken") as held:
        held.add_case(scans / "s0.nii.gz")
        workspace.header.project.open(tmp_path / "taken")
        button = workspace.header.project
        assert "read-only" in button.text()
        assert "process" in button.toolTip()
        assert "process" in session.message
        assert "Add files…" not in actions(button)
        assert session.image.name == "s0"


def test_a_project_trains_on_all_its_cases_open_or_not(workspace, session, scans, tmp_path):
    """Labels of a case that is not open teach too; one that can't be read is told, not fatal."""
    projects.from_folder(session, tmp_path / "p", scans)
    workspace.annotate.new.click()
    session.labels.data_setitem((np.array([4]), np.array([20]), np.array([20])), 1)
    projects.switch_case(session, "s1")
    workspace.annotate.new.click()
    session.labels.data_setitem((np.array([7]), np.array([20]), np.array([20])), 1)
    (scans / "s2.nii.gz").unlink()
    train = workspace.train
    assert train.project.isVisibleTo(train)
    assert "the 2 other cases" in train.project.text()
    plan = train._plan()
    cases = {case.name: case for case in plan.load(lambda: None)}
    assert list(cases) == ["s1", "s0"]
    assert cases["s0"].labelled.tolist() == [4]
    assert cases["s1"].labelled.tolist() == [7]
    assert len(plan.told) == 1
    assert "s2 is left out" in plan.told[0]
    assert train.all.isVisibleTo(train)
    assert [case.name for case in plan.closed] == ["s0", "s2"]  # segmented at the end, too
    train.all.setChecked(False)
    assert train._plan().closed == ()
    train.project.setChecked(False)
    assert [case.name for case in train._plan().load(lambda: None)] == ["s1"]
