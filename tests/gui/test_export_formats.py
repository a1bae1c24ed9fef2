"""The Export tab in each format, through the real widgets."""

from __future__ import annotations

import json

import nrrd
import numpy as np
import pytest
from PIL import Image
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QFileDialog, QMessageBox

from napari_dim.gui.layers.layer_classes import ClassInfo, set_classes
from napari_dim.io import hash_file, read_classes, read_mask, read_volume, write_mask
from tests.dicoms import write_series
from tests.gui.conftest import tiny_image, wait_idle
from tests.io.test_dicom_kinds import nibabels_mosaic


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
    viewer, workspace, nifti, tmp_path, monkeypatch, qtbot
):
    _, _, export = labelled(viewer, workspace, nifti)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a: (str(tmp_path / "mask"), a[3]))
    for key, name in (("nrrd", "mask.seg.nrrd"), ("tiff", "mask.tif"), ("csv", "mask.csv"),
                      ("nifti", "mask.nii.gz"), ("stl", "mask.stl")):  # fmt: skip
        choose(export, key)
        assert export.button.isEnabled()
        export.button.click()
        wait_idle(qtbot, workspace.session)
        if key != "stl":
            assert (tmp_path / name).is_file()
    assert len(list(tmp_path.glob("mask_*.stl"))) == 2
    # Each has a record of its own, that says of which file it is.
    records = {path.name: json.loads(path.read_text()) for path in tmp_path.glob("*.json")}
    assert len(records) == 5
    for name, record in records.items():
        assert record["mask"]["file"] == name.removesuffix(".json")
        assert record["image"]["sha256"] == hash_file(nifti)
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


def test_why_a_scan_of_mosaics_gets_no_segmentation(viewer, workspace, tmp_path):
    nibabels_mosaic(tmp_path / "x")
    _, _, export = labelled(viewer, workspace, tmp_path / "x")
    choose(export, "dicom-seg")
    assert not export.button.isEnabled()
    assert "unfolded from Siemens mosaics" in export.text.text()


@pytest.fixture
def pictures(tmp_path):
    """A folder of three pictures of two sizes; two share a stem."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, shape in (("a.jpg", (30, 40)), ("b.png", (24, 36)), ("b.jpg", (30, 40))):
        Image.fromarray(rng.integers(0, 255, shape).astype(np.uint8)).save(folder / name)
    return folder


def test_a_folder_of_pictures_gets_a_png_a_picture(
    viewer, workspace, pictures, tmp_path, monkeypatch, qtbot
):
    viewer.open(pictures, plugin="napari-dim")
    names = read_volume(pictures).header["files"]
    workspace.annotate.new.click()
    labels = workspace.session.labels
    labels.data_setitem((np.array([0, 1, 2]), np.array([5, 6, 7]), np.array([8, 9, 10])), 1)
    export = workspace.export
    assert export.form == "pngs"
    for number, name in enumerate(names):
        viewer.dims.set_current_step(0, number)
        assert workspace.header.case.toolTip().startswith(f"{name} · ")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a: (str(tmp_path / "out"), a[3]))
    export.button.click()
    wait_idle(qtbot, workspace.session)
    out = tmp_path / "out_masks"
    assert sorted(path.name for path in out.iterdir()) == ["a.png", "b.jpg.png", "b.png.png"]
    for number, name in enumerate(names):
        stem = "a" if name == "a.jpg" else name
        mask = np.asarray(Image.open(out / f"{stem}.png"))
        assert mask.shape == Image.open(pictures / name).size[::-1]
        rows, columns = mask.shape
        np.testing.assert_array_equal(mask, labels.data[number, :rows, :columns])
    record = json.loads((tmp_path / "out_masks.json").read_text())
    assert record["mask"]["sha256"] == hash_file(out)
    assert len(record["slices"]) == 3


def test_a_mask_that_was_opened_names_the_scan_it_lies_on(
    viewer, workspace, nifti, tmp_path, monkeypatch, qtbot
):
    volume = read_volume(nifti)
    mask = np.zeros(volume.grid.shape, np.uint8)
    mask[4, 10:20, 10:20] = 1
    drawn = write_mask(tmp_path / "drawn_label.nii.gz", mask, volume)
    image = viewer.open(nifti, plugin="napari-dim")[0]
    labels = viewer.open(drawn, plugin="napari-dim", layer_type="labels")[0]
    workspace.session.show_case(image, labels)
    for name in ("out.nii.gz", "drawn_label.nii.gz"):
        goal = tmp_path / name
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a, g=goal: (str(g), a[3]))
        choose(workspace.export, "nifti")
        workspace.export.button.click()
        wait_idle(qtbot, workspace.session)
        record = json.loads((tmp_path / f"{name}.json").read_text())
        assert record["image"] == {"file": nifti.name, "sha256": hash_file(nifti)}
        opened = {"file": drawn.name, "sha256": hash_file(drawn)}
        assert record["mask"].get("opened_from") == (opened if goal != drawn else None)


@pytest.mark.parametrize("answer", ["Yes", "No"])
def test_an_empty_mask_is_only_written_if_it_is_meant(
    viewer, workspace, nifti, tmp_path, monkeypatch, qtbot, answer
):
    viewer.open(nifti, plugin="napari-dim")
    workspace.annotate.new.click()
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a: (str(tmp_path / "m"), a[3]))
    asked = []

    def look() -> None:
        box = QApplication.activeModalWidget()
        if not isinstance(box, QMessageBox):
            QTimer.singleShot(50, look)
            return
        asked.append(box.text())
        box.button(getattr(QMessageBox.StandardButton, answer)).click()

    QTimer.singleShot(50, look)
    workspace.export.button.click()
    wait_idle(qtbot, workspace.session)
    assert len(asked) == 1
    assert (tmp_path / "m.nii.gz").exists() == (answer == "Yes")
