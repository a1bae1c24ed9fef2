"""The Export tab in each format, through the real widgets."""

from __future__ import annotations

import nrrd
import numpy as np
from qtpy.QtWidgets import QFileDialog

from napari_dim.gui.layers.layer_classes import ClassInfo, set_classes
from napari_dim.io import read_classes, read_mask, read_volume
from tests.dicoms import write_series
from tests.gui.conftest import tiny_image


def choose(export, key):
    export.format.setCurrentIndex(export.format.findData(key))


def labelled(viewer, workspace, path):
    """A scan of a file with two classes painted in one slice, and the tab."""
    image = viewer.open(path, plugin="napari-dim")[0]
    workspace.annotate.new.click()
    labels = workspace.annotate.labels.layer
    set_classes(labels, [ClassInfo(1, "ball", "#FF8000"), ClassInfo(300, "core", "#0040C0")])
    workspace.annotate.classes.show_layer(labels)
    labels.data = labels.data.astype(np.uint16)
    labels.data_setitem(tuple(np.array([[5, 5], [20, 21], [20, 20]])), np.array([1, 300]))
    return image, labels, workspace.export


def test_the_chosen_format_is_written_with_names_and_colours(
    viewer, workspace, nifti, tmp_path, monkeypatch
):
    _, _, export = labelled(viewer, workspace, nifti)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a: (str(tmp_path / "mask"), a[3]))
    for key, name in (("nrrd", "mask.seg.nrrd"), ("tiff", "mask.tif"), ("csv", "mask.csv"),
                      ("nifti", "mask.nii.gz"), ("stl", "mask.stl")):  # fmt: skip
        choose(export, key)
        assert export.button.isEnabled()
        export.button.click()
        if key != "stl":
            assert (tmp_path / name).is_file()
    assert len(list(tmp_path.glob("mask_*.stl"))) == 2
    volume = read_volume(nifti)
    expected = read_mask(tmp_path / "mask.nii.gz", volume)
    assert set(np.unique(expected)) == {0, 1, 300}
    data, _ = nrrd.read(str(tmp_path / "mask.seg.nrrd"))
    np.testing.assert_array_equal(volume.grid.to_array(data), expected)
    named = read_classes(tmp_path / "mask.seg.nrrd")
    assert [(item.id, item.name, item.colour) for item in named] == [
        (1, "ball", "#FF8000"),
        (300, "core", "#0040C0"),
    ]


def test_a_format_that_does_not_fit_says_why(viewer, workspace, nifti):
    _, _, export = labelled(viewer, workspace, nifti)
    for key, text in (("dicom-seg", "opened from DICOM"), ("png", "one slice")):
        choose(export, key)
        assert not export.button.isEnabled()
        assert text in export.text.text()
    choose(export, "nifti")
    assert export.button.isEnabled()


def test_a_series_gets_its_segmentation(viewer, workspace, tmp_path):
    image, _ = tiny_image()
    affine = np.diag([-0.8, -0.9, 3.0, 1.0])
    write_series(tmp_path / "series", np.ascontiguousarray(image.transpose(2, 1, 0)), affine)
    _, labels, export = labelled(viewer, workspace, tmp_path / "series")
    assert len(labels.data) == len(image)
    choose(export, "dicom-seg")
    assert export.button.isEnabled()
    assert export.export(tmp_path / "m.dcm", "dicom-seg")
    volume = read_volume(tmp_path / "series")
    back = read_mask(tmp_path / "m.dcm", volume)
    np.testing.assert_array_equal(back, np.asarray(labels.data))
    assert [item.name for item in read_classes(tmp_path / "m.dcm")] == ["ball", "core"]
