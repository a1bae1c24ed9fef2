"""Scans get in: by drop, by napari's menu, by our buttons; nobody is asked for a reader."""

from __future__ import annotations

import numpy as np
import pytest
from napari.settings import get_settings

from napari_dim.gui.hooks.file_opening import PLUGIN, remember_reader
from napari_dim.io import read_volume
from tests.dicoms import write_series
from tests.gui.conftest import tiny_image
from tests.hands.hand import choose


@pytest.fixture
def dicom(tmp_path):
    """A folder with a DICOM series of the tiny image."""
    affine = np.diag([-0.8, -0.9, 3.0, 1.0])
    return write_series(tmp_path / "study", tiny_image()[0].transpose(2, 1, 0), affine)


def test_drops_and_naparis_menu_open_scans_without_a_question(
    hand, viewer, workspace, nifti, dicom
):
    remembered = get_settings().plugins.extension2reader
    assert remembered["*.nii.gz"] == remembered["*.dcm"] == PLUGIN
    assert "Preferences" in workspace.header.state.text, "it must be said"
    with hand.answering():
        hand.drop(nifti)
    assert workspace.session.image.name == "scan"
    np.testing.assert_array_equal(workspace.session.image.data, read_volume(nifti).array)
    with hand.answering(choose(nifti)) as asked:
        hand.take(viewer.window.file_menu, "Open File(s)...")
    assert len(viewer.layers) == 2, asked
    with hand.answering():
        hand.drop(dicom)
    assert len(viewer.layers) == 3
    np.testing.assert_array_equal(viewer.layers[-1].data, tiny_image()[0])


def test_our_own_buttons_and_a_drop_on_the_workspace(hand, viewer, workspace, nifti, dicom):
    get_settings().plugins.extension2reader = {"*.nii.gz": "napari"}
    welcome = workspace.annotate.welcome
    with hand.answering(choose(nifti)):
        hand.click(welcome.open)
    assert [layer.name for layer in viewer.layers] == ["scan"]
    hand.drop(dicom, on=workspace.header)
    assert len(viewer.layers) == 2
    viewer.layers.clear()
    with hand.answering(choose(dicom)):
        hand.click(welcome.folder)
    np.testing.assert_array_equal(viewer.layers[-1].data, tiny_image()[0])


def test_a_reader_that_a_person_chose_stays(viewer, workspace):
    plugins = get_settings().plugins
    plugins.extension2reader = {"*.nii.gz": "napari"}
    assert "*.nii" in remember_reader()
    assert plugins.extension2reader["*.nii.gz"] == "napari"
    # Taken back in Preferences: it is not put there again.
    plugins.extension2reader = {"*.nrrd": PLUGIN, "*.nii": "napari"}
    assert remember_reader() == []
    assert "*.mha" not in plugins.extension2reader
