"""Files through napari: open, label, save, with the exact place in the patient."""

from __future__ import annotations

import json
import threading

import nibabel as nib
import numpy as np
import pytest
import tifffile

from napari_dim.errors import InputError
from napari_dim.gui import preferences as preferences_module
from napari_dim.gui.hooks.menu_commands import combine_channels
from napari_dim.gui.hooks.reader_writer import get_reader
from napari_dim.gui.layers.image_layers import (
    KEY,
    Source,
    contrast,
    current_slice,
    layer_source,
    layer_volume,
    new_labels,
)
from napari_dim.gui.panels.slice_axis import turn_slices
from napari_dim.gui.widgets.part_chooser import PartsDialog
from napari_dim.io import read_mask, read_volume
from tests.dicoms import write_series
from tests.gui.conftest import tiny_image
from tests.io.test_nifti import ramp

PLUGIN = "napari-dim"


def test_opened_scan_shows_its_voxels_in_mm(viewer, nifti):
    (layer,) = viewer.open(nifti, plugin=PLUGIN)
    volume = read_volume(nifti)
    np.testing.assert_array_equal(layer.data, volume.array)
    np.testing.assert_allclose(layer.scale, volume.spacing)
    assert [str(unit) for unit in layer.units] == ["millimeter"] * 3
    assert layer.axis_labels == ("slice", "row", "column")
    low, high = layer.contrast_limits
    assert volume.array.min() < low < high < volume.array.max()
    viewer.dims.set_point(0, layer.translate[0] + 3 * 7)
    assert current_slice(viewer, layer) == 7


def records_written():
    """Records are written in the background: the window doesn't wait for hashes."""
    for thread in threading.enumerate():
        if thread.name == "record":
            thread.join(20)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii"])
def test_labels_saved_by_napari_lie_exactly_on_their_scan(viewer, nifti, tmp_path, suffix):
    (image,) = viewer.open(nifti, plugin=PLUGIN)
    labels = new_labels(image, largest=300)
    viewer.add_layer(labels)
    mask = tiny_image()[1]
    volume = read_volume(nifti)
    drawn = volume.grid.to_array(np.transpose(mask, (2, 1, 0)))
    labels.data[...] = drawn
    labels.data[2, 3, 4] = 300
    out = tmp_path / f"mine{suffix}"
    assert [str(path) for path in labels.save(str(out))] == [str(out)]
    records_written()
    record = json.loads(out.with_name(f"{out.name}.json").read_text())
    assert record["mask"]["file"] == out.name
    assert len(record["image"]["sha256"]) == 64
    assert record["geometry"]["written"] == "where the scan's file says"
    np.testing.assert_allclose(record["geometry"]["affine"], nib.load(nifti).affine)
    saved, source = nib.load(out), nib.load(nifti)
    np.testing.assert_array_equal(saved.affine, source.affine)
    assert saved.shape == source.shape
    assert saved.header["sform_code"] == source.header["sform_code"]
    assert saved.get_data_dtype() == np.uint16
    np.testing.assert_array_equal(read_mask(out, volume), labels.data)
    # Opened again it is a labels layer, by its few values or its name.
    (again,) = viewer.open(out, plugin=PLUGIN)
    np.testing.assert_array_equal(np.asarray(again.data), labels.data)


def test_several_labels_become_several_files(viewer, nifti, tmp_path):
    (image,) = viewer.open(nifti, plugin=PLUGIN)
    first, second = (viewer.add_layer(new_labels(image, name=name)) for name in ("a b", "c"))
    first.data[0], second.data[1] = 1, 2
    viewer.layers.selection = {first, second}
    paths = viewer.layers.save(str(tmp_path / "all.nii.gz"), selected=True)
    assert sorted(p.name for p in tmp_path.glob("all*.gz")) == ["all_a-b.nii.gz", "all_c.nii.gz"]
    records_written()
    assert sorted(p.name for p in tmp_path.glob("all*.json")) == [
        "all_a-b.nii.gz.json",
        "all_c.nii.gz.json",
    ]
    assert len(paths) == 2
    volume = read_volume(nifti)
    np.testing.assert_array_equal(read_mask(tmp_path / "all_c.nii.gz", volume), second.data)


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("x_label.nii.gz", np.arange(12), "labels"),
        ("x_seg.nii", np.arange(12) % 3, "labels"),
        ("x.nii", np.arange(12) % 3, "labels"),
        ("x.nii", np.arange(12), "image"),
        ("x_mask.nii", np.linspace(0, 1, 12), "image"),
        ("x.nii", np.arange(12) - 3, "image"),
        ("label.nii", np.arange(12) * 100, "image"),
    ],
)
def test_labels_are_told_from_scans(tmp_path, name, values, kind):
    data = np.broadcast_to(values[None, None, :], (5, 6, 12))
    dtype = np.float32 if values.dtype.kind == "f" else np.int16
    nib.save(nib.Nifti1Image(data.astype(dtype), np.diag([2, 2, 3, 1])), tmp_path / name)
    path = str(tmp_path / name)
    (made,) = get_reader(path)(path)
    assert made[2] == kind


def test_other_files_are_left_to_napari(tmp_path):
    assert get_reader("picture.png") is None
    assert get_reader(["a.nii", "b.tif"]) is None


def test_damaged_file_is_one_line(tmp_path):
    path = tmp_path / "x.nii"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(InputError) as caught:
        get_reader(str(path))(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.shown
def test_several_channels_open_as_layers_of_one_scan(viewer, tmp_path, monkeypatch):
    data = np.random.default_rng(0).normal(size=(9, 8, 7, 2)).astype(np.float32)
    nib.save(nib.Nifti1Image(data, np.eye(4)), tmp_path / "two.nii.gz")
    shown = choose(monkeypatch, 0)
    layers = viewer.open(tmp_path / "two.nii.gz", plugin=PLUGIN)
    assert "channels of one scan" in shown[0]
    assert len(layers) == 2
    for layer in layers:
        assert layer_volume(layer).channels == 2
    assert new_labels(layers[1]).data.shape == (7, 8, 9)


def test_any_array_gets_a_grid_from_its_layer(viewer, tmp_path):
    image, mask = tiny_image()
    layer = viewer.add_image(image, scale=(2.5, 0.5, 0.7), translate=(10, 20, 30), units="mm")
    volume = layer_volume(layer)
    assert volume.array is layer.data
    assert volume.grid.unit == "mm"
    np.testing.assert_allclose(volume.spacing, (2.5, 0.5, 0.7))
    np.testing.assert_allclose(volume.grid.affine[:3, 3], (-30, -20, 10))
    labels = viewer.add_layer(new_labels(layer))
    labels.data[...] = mask
    labels.save(str(tmp_path / "m.nii.gz"))
    saved = nib.load(tmp_path / "m.nii.gz")
    np.testing.assert_array_equal(np.asarray(saved.dataobj), np.transpose(mask, (2, 1, 0)))
    np.testing.assert_allclose(saved.header.get_zooms(), (0.7, 0.5, 2.5), rtol=1e-6)


def test_micrometres_become_millimetres_and_pixels_stay(viewer):
    image = viewer.add_image(tiny_image()[0], scale=(500, 100, 100), units="um")
    np.testing.assert_allclose(layer_source(image).grid.spacing, (0.5, 0.1, 0.1))
    plain = viewer.add_image(tiny_image()[0])
    assert layer_source(plain).grid.unit == "pixel"


def test_turned_and_mirrored_layers_keep_their_order(viewer):
    image = tiny_image()[0]
    for how in ({"rotate": (0, 90, 0)}, {"scale": (3, -1, 1)}, {"rotate": (0, 0, 20)}):
        layer = viewer.add_image(image, **how)
        volume = layer_volume(layer)
        np.testing.assert_array_equal(volume.array, image)
        np.testing.assert_allclose(np.sort(volume.spacing), np.sort(np.abs(layer.scale)))


def test_pictures_are_one_slice_and_colour_is_channels(viewer, tmp_path):
    grey = viewer.add_image(np.arange(30 * 20, dtype=np.uint16).reshape(30, 20))
    assert layer_volume(grey).array.shape == (1, 30, 20)
    assert layer_volume(grey).kind == "picture"
    colour = viewer.add_image(np.zeros((30, 20, 4), np.uint8), rgb=True)
    assert layer_volume(colour).array.shape == (1, 30, 20, 3)
    labels = viewer.add_layer(new_labels(colour))
    assert labels.data.shape == (30, 20)
    labels.data[3:9, 4:8] = 2
    labels.save(str(tmp_path / "m.nii.gz"))
    volume = layer_volume(grey)
    np.testing.assert_array_equal(
        np.asarray(nib.load(tmp_path / "m.nii.gz").dataobj)[:, :, 0].T, labels.data
    )
    assert volume.grid.unit == "pixel"


@pytest.mark.parametrize("data", [np.zeros((2, 3, 4, 5)), np.full((3, 4, 5), np.nan)])
def test_what_cannot_be_used_is_refused_in_one_line(viewer, data):
    layer = viewer.add_image(data, name="series", contrast_limits=(0, 1))
    with pytest.raises(InputError, match="series") as caught:
        layer_volume(layer)
    assert "\n" not in str(caught.value)


def test_a_cropped_layer_does_not_claim_the_old_grid(viewer, nifti):
    (image,) = viewer.open(nifti, plugin=PLUGIN)
    crop = viewer.add_image(image.data[2:8], metadata=image.metadata, scale=image.scale)
    assert crop.metadata[KEY] == image.metadata[KEY]
    assert layer_source(crop).grid.shape == (6, 48, 40)


def test_contrast_of_constant_and_tiny_images():
    assert contrast(np.full((3, 4, 5), 7)) == (7.0, 8.0)
    low, high = contrast(np.array([[[0, 1]]]))
    assert low < high


def test_sample_is_ready_to_train(viewer, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    layers = viewer.open_sample(PLUGIN, "phantom")
    labels = layers[-1]
    images = [layer for layer in layers[:-1] if layer.visible]
    assert len(images) == 1
    assert len(layers) == 5
    painted = labels.data.any(axis=(1, 2))
    assert 0 < painted.sum() < len(painted)
    assert isinstance(labels.metadata[KEY], Source)
    assert labels.metadata[KEY].grid.matches(images[0].metadata[KEY].grid)
    (alone,) = viewer.open_sample(PLUGIN, "phantom-unlabelled")
    np.testing.assert_array_equal(alone.data, images[0].data)


@pytest.fixture
def dicom(tmp_path):
    """A folder with two series of the tiny image, and its affine."""
    affine = np.diag([-0.8, -0.9, 3.0, 1.0])
    data = np.transpose(tiny_image()[0], (2, 1, 0))
    how = {"WindowCenter": 200, "WindowWidth": 400}
    write_series(tmp_path / "study", data, affine, SeriesDescription="T1", **how)
    write_series(tmp_path / "study", data[:, :, :5], affine, series=2, SeriesDescription="scout")
    return tmp_path / "study"


def choose(monkeypatch, *rows):
    """Let the dialog be answered with these rows; returns the texts that it showed."""
    shown: list[str] = []

    def answer(dialog):
        shown.extend(dialog.list.item(n).text() for n in range(dialog.list.count()))
        dialog.list.clearSelection()
        for row in rows:
            dialog.list.item(row).setSelected(True)
        return int(bool(rows))

    monkeypatch.setattr(PartsDialog, "exec", answer)
    return shown


@pytest.mark.shown
def test_a_dicom_folder_asks_which_series(viewer, dicom, monkeypatch):
    shown = choose(monkeypatch, 0)
    (layer,) = viewer.open(dicom, plugin=PLUGIN)
    assert ["T1" in shown[0], "scout" in shown[1]] == [True, True]
    assert layer.data.shape == (12, 48, 40)
    np.testing.assert_allclose(layer.scale, (3, 0.9, 0.8))
    np.testing.assert_allclose(layer.contrast_limits, (0, 399), atol=1)
    # Another slice of the same series, dropped with it, is not opened again.
    other = min((dicom).glob("IM1*"))
    assert viewer.open(other, plugin=PLUGIN) == []
    assert len(viewer.layers) == 1
    choose(monkeypatch)
    assert viewer.open(dicom, plugin=PLUGIN) == []


def test_what_was_decided_stands_beside_the_scan(viewer, tmp_path):
    folder = write_series(tmp_path / "x", ramp((12, 10, 4)), np.diag([-1.0, -1, 3, 1]),
                          PhotometricInterpretation="MONOCHROME1")  # fmt: skip
    (image,) = viewer.open(folder, plugin=PLUGIN)
    assert image.colormap.name == "gray"  # the values are turned, not the colours
    _, workspace = viewer.window.add_plugin_dock_widget(PLUGIN, "Workspace")
    workspace.annotate.image.pick(image)
    notes = workspace.header.notes
    assert not notes.isHidden()
    assert notes.text() == "1 note"
    assert "MONOCHROME1" in notes.toolTip()
    plain = viewer.add_image(np.zeros((4, 12, 10)))
    workspace.annotate.image.pick(plain)
    assert notes.isHidden()


@pytest.mark.shown
def test_dicom_is_read_by_simpleitk_where_that_is_preferred(viewer, dicom, monkeypatch):
    shown = choose(monkeypatch, 0)
    (usual,) = viewer.open(dicom, plugin=PLUGIN)
    monkeypatch.setattr(preferences_module._settings().files, "dicom", "SimpleITK")
    viewer.layers.clear()
    (layer,) = viewer.open(dicom, plugin=PLUGIN)
    assert shown[-2].startswith("simpleitk:1:")
    np.testing.assert_array_equal(layer.data, usual.data)
    assert layer_volume(layer).header["part"] == "simpleitk:1"
    assert viewer.open(min(dicom.glob("IM1*")), plugin=PLUGIN) == []


@pytest.mark.shown
def test_volumes_of_a_series_become_layers(viewer, tmp_path, monkeypatch):
    data = np.arange(4 * 5 * 6 * 10, dtype=np.int16).reshape(4, 5, 6, 10)
    nib.save(nib.Nifti1Image(data, np.diag([1.0, 1, 3, 1])), tmp_path / "bold.nii")
    choose(monkeypatch, 3, 7)
    layers = viewer.open(tmp_path / "bold.nii", plugin=PLUGIN)
    assert [layer.name for layer in layers] == ["bold (3)", "bold (7)"]
    volume = layer_volume(layers[1])
    np.testing.assert_array_equal(volume.grid.to_file(volume.array), data[..., 7])


def test_pictures_stay_with_napari(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 5), np.uint8))
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "empty").mkdir()
    for name in ("a.tif", "a.txt", "empty", "none.nii.txt"):
        assert get_reader(str(tmp_path / name)) is None
    (tmp_path / "pictures").mkdir()
    tifffile.imwrite(tmp_path / "pictures" / "a.tif", np.zeros((4, 5), np.uint8))
    assert get_reader(str(tmp_path / "pictures")) is not None


def test_selected_scans_are_combined_as_channels(viewer, nifti, tmp_path, notes):
    (first,) = viewer.open(nifti, plugin=PLUGIN)
    other = nib.load(nifti)
    affine = other.affine.copy()
    affine[:3, 3] += affine[:3, 2] * 0.5
    nib.save(nib.Nifti1Image(np.asarray(other.dataobj) + 7, affine), tmp_path / "flair.nii")
    (second,) = viewer.open(tmp_path / "flair.nii", plugin=PLUGIN)
    viewer.layers.selection = {first, second}
    combine_channels(viewer)
    made = viewer.layers[-2:]
    assert layer_volume(made[0]).channels == 2
    assert any("resampled" in text for text in notes)
    np.testing.assert_array_equal(made[0].data, first.data)
    viewer.layers.selection = {first}
    combine_channels(viewer)
    assert "two scans or more" in notes[-1]


def test_slices_of_another_plane_before_the_first_label(viewer, workspace, nifti, notes):
    (image,) = viewer.open(nifti, plugin=PLUGIN)
    labels = viewer.add_layer(new_labels(image))
    session = workspace.session
    workspace.annotate.image.pick(image)
    workspace.annotate.labels.pick(labels)
    before = layer_volume(image)
    box = workspace.annotate.plane
    assert box.currentText() == "axial"
    turn_slices(session, "coronal")
    after = layer_volume(image)
    assert box.currentText() == "coronal"
    assert after.array.shape == (48, 12, 40)
    np.testing.assert_array_equal(
        after.grid.to_file(after.array), before.grid.to_file(before.array)
    )
    fresh = session.labels
    assert fresh is not labels
    assert fresh.data.shape == (48, 12, 40)
    fresh.data_setitem((np.array([3]), np.array([3]), np.array([3])), 1)
    with pytest.raises(InputError, match="slices are labelled"):
        turn_slices(session, "sagittal")
    assert image.data.shape == (48, 12, 40)


def test_a_slice_of_a_series_that_is_open_is_said_to_be_one(viewer, workspace, tmp_path):
    folder = write_series(tmp_path / "x", ramp((12, 10, 4)), np.diag([-1.0, -1, 3, 1]))
    viewer.open(folder, plugin=PLUGIN)
    one = min(folder.iterdir())
    assert viewer.open(one, plugin=PLUGIN) == []
    assert f"{one.name} is a slice of “x”, which is open" in workspace.header.state.label.whole
