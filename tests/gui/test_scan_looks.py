"""How scans are looked at is kept with them: window and level, rulers and angles."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from napari_dim.gui.commands import contrast_commands as contrast
from napari_dim.gui.controller import session_of
from napari_dim.gui.logic.contrast_windows import CT
from napari_dim.gui.panels.recovery_bar import leftovers, restore
from napari_dim.gui.panels.slice_axis import turn_slices
from napari_dim.gui.storage import project_actions as projects
from napari_dim.project import Project
from tests.gui.test_autosave import _crash

RULER = ((4.0, 2.0, 3.0), (4.0, 8.0, 11.0))
ANGLE = ((2.0, 2.0, 3.0), (2.0, 8.0, 3.0), (2.0, 8.0, 9.0))


@pytest.fixture
def scans(tmp_path):
    """Two scans in Hounsfield units and one that is not CT."""
    folder = tmp_path / "scans"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, low, high in (("ct1", -1000, 1500), ("ct2", -900, 1400), ("mr", 4000, 9000)):
        values = rng.uniform(low, high, (16, 20, 6)).astype(np.int16)
        nib.save(nib.Nifti1Image(values, np.diag([0.8, 0.9, 3, 1])), folder / f"{name}.nii.gz")
    return folder


@pytest.fixture
def session(workspace):
    session = workspace.session
    yield session
    session.autosave.close()


def limits(session) -> tuple[float, ...]:
    return tuple(float(value) for value in session.image.contrast_limits)


def test_a_project_keeps_the_window_and_the_rulers_of_each_scan(session, scans, tmp_path):
    projects.from_folder(session, tmp_path / "p", scans)
    assert session.image.name == "ct1"
    automatic = limits(session)
    contrast.use(session, CT[1])
    rulers = session.rulers_of(session.image)
    rulers.add(RULER)
    rulers.add(ANGLE)
    # A scan that was never looked at is shown in the window chosen last, if it shows anything.
    projects.next_case(session)
    assert session.image.name == "ct2"
    assert limits(session) == CT[1].limits
    assert session.rulers_of(session.image).done == []
    session.image.contrast_limits = (0, 70)  # as a drag does
    projects.next_case(session)
    assert session.image.name == "mr"
    assert limits(session)[0] > 3900
    projects.close_project(session)
    assert not session.ruler_layers
    projects.open_project(session, tmp_path / "p")
    seen = {}
    for _ in range(3):
        seen[session.image.name] = limits(session), list(session.rulers_of(session.image).done)
        projects.next_case(session)
    assert seen["ct1"] == (CT[1].limits, [RULER, ANGLE])
    assert seen["ct2"] == ((0, 70), [])
    assert seen["mr"][0][0] > 3900
    while session.image.name != "ct1":
        projects.next_case(session)
    contrast.automatic(session)
    assert limits(session) == automatic
    assert projects.current_project(session).window == ""


def test_rulers_and_the_window_are_there_after_a_crash(make_napari_viewer, viewer, session, nifti):
    (image,) = viewer.open(str(nifti), plugin="napari-dim")
    session.rulers_of(image).add(RULER)
    image.contrast_limits = (50, 150)
    layer = session.mask_for(image).layer
    layer.paint((3, 20, 20), 1)
    session.autosave.flush()
    _crash(session)
    (left,) = leftovers()
    other = session_of(make_napari_viewer())
    restore(other, left)
    assert other.rulers_of(other.image).done == [RULER]
    assert tuple(other.image.contrast_limits) == (50, 150)
    other.autosave.close()


def test_a_scan_that_is_cut_in_another_plane_keeps_its_rulers(viewer, session, nifti):
    (image,) = viewer.open(str(nifti), plugin="napari-dim")
    session.rulers_of(image).add(RULER)
    layer = next(iter(session.ruler_layers))
    (before,) = layer.features["measured"]
    turn_slices(session, "coronal")
    layer = next(iter(session.ruler_layers))
    assert layer.features["measured"].tolist() == [before]
    np.testing.assert_allclose(layer.scale, image.scale)
    turn_slices(session, "axial")
    np.testing.assert_allclose(session.rulers_of(image).done[0], RULER, atol=1e-9)


def test_a_project_of_an_earlier_version_has_neither(tmp_path):
    with Project.create(tmp_path / "p") as project:
        project.add_case(None, "one")
        assert project.case("one").rulers == ()
        changed = project.update_case("one", rulers=(RULER,), windows={0: (1.0, 2.0)})
        assert changed.rulers == (RULER,)
    with Project.open(tmp_path / "p") as again:
        assert again.case("one").windows == {0: (1.0, 2.0)}
        with pytest.raises(Exception, match="rulers"):
            again.update_case("one", rulers=(((0, 0, 0),),))
