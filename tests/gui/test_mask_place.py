"""Masks and scans in the window: by place, whichever way their slices are stored."""

from __future__ import annotations

import nibabel as nib
import nrrd
import numpy as np
import pytest
from napari.layers import Labels, Layer
from PIL import Image

from napari_dim.gui.hooks.file_opening import open_paths
from napari_dim.gui.hooks.reader_writer import get_reader
from napari_dim.gui.jobs.training_plan import Part, case_of
from napari_dim.gui.layers.image_layers import current_slice, go_to_slice, labels_array, new_labels
from napari_dim.gui.layers.mask_place import fits
from napari_dim.gui.panels.reference_scores import compared
from napari_dim.gui.storage.mask_files import save_labels
from napari_dim.io import read_mask, read_volume

PLACE = np.array([[1.0, 0, 0, -16], [0, 1, 0, -16], [0, 0, 3, -18], [0, 0, 0, 1]])
X, Y, Z = np.indices((32, 30, 12))
BALL = ((X - 12) ** 2 + (Y - 18) ** 2 + ((Z - 3) * 2.7) ** 2 < 49).astype(np.uint8)


def turned(data, codes, affine=PLACE):
    ornt = nib.orientations.axcodes2ornt(codes)
    there = affine @ nib.orientations.inv_ornt_aff(ornt, data.shape)
    return nib.orientations.apply_orientation(data, ornt), there


@pytest.fixture
def add(viewer, tmp_path):
    """Save an array as NIfTI and drop it on the window; returns its layer."""

    def add_it(name, data, affine=PLACE):
        nib.save(nib.Nifti1Image(np.ascontiguousarray(data), affine), tmp_path / f"{name}.nii.gz")
        path = str(tmp_path / f"{name}.nii.gz")
        (layer,) = (viewer.add_layer(Layer.create(*made)) for made in get_reader(path)(path))
        return layer

    return add_it


def scan(seed=0):
    return (100 + 400.0 * BALL + np.random.default_rng(seed).normal(0, 20, BALL.shape)).astype(
        "<i2"
    )


@pytest.mark.parametrize("codes", ["RAI", "LPS", "ALS"])
def test_a_mask_of_another_order_is_laid_onto_its_scan(workspace, add, codes, tmp_path):
    image = add("a", scan())
    mask = add("b_mask", *turned(BALL, codes))
    session = workspace.session
    assert session.labels is mask
    beside = workspace.header.notes
    assert not beside.isHidden()
    assert "b_mask: the mask's axes are turned to its image's" in beside.toolTip()
    case = case_of(Part(image, session.mask))
    assert np.flatnonzero(case.states).tolist() == [1, 2, 3, 4, 5]
    np.testing.assert_array_equal(case.volume.grid.to_file(case.mask), BALL)
    centre = mask.data_to_world(np.argwhere(mask.data).mean(0))
    assert centre[0] == pytest.approx(-9)
    same = add("same_mask", BALL)
    assert compared(mask, same)[1][1] == "1.000"
    saved = save_labels(mask, tmp_path / "out.nii.gz")
    np.testing.assert_array_equal(nib.load(saved).dataobj, BALL)


@pytest.mark.parametrize(
    ("mm", "told"), [((40, 0, 50), "64.03 mm off"), ((0, 0.5, 0), "0.5 mm to the front")]
)
def test_a_mask_elsewhere_is_not_taken_and_told(workspace, add, mm, told, capsys):
    image = add("a", scan())
    there = PLACE.copy()
    there[:3, 3] += mm
    mask = add("m_mask", BALL, there)
    assert workspace.session.labels is None
    assert not fits(mask, image)
    assert told in "".join(capsys.readouterr())
    np.testing.assert_array_equal(labels_array(mask).sum(), BALL.sum())


def test_a_cropped_mask_is_padded_to_its_scan(workspace, add):
    image = add("a", scan())
    first = nib.affines.from_matvec(np.eye(3), (4, 9, 1))
    mask = add("c_mask", BALL[4:22, 9:28, 1:7], PLACE @ first)
    assert workspace.session.labels is mask
    assert mask.data.shape == image.data.shape
    case = case_of(Part(image, workspace.session.mask))
    np.testing.assert_array_equal(case.volume.grid.to_file(case.mask), BALL)


@pytest.mark.parametrize("codes", ["RAI", "RSA", "SAL"])
def test_scans_stored_in_reverse_lie_on_each_other(viewer, workspace, add, codes):
    """Each voxel of a scan stands in the window where the other's voxel of its place does."""
    one = add("a", *turned(scan(), codes))
    other_codes = codes.translate(str.maketrans("RLAPSI", "LRPAIS"))
    other = add("b", *turned(scan(), other_codes))
    assert one.data.shape == other.data.shape
    inside = np.argwhere(one.data > 300)
    there = np.argwhere(other.data > 300)
    places = [
        {tuple(np.round(layer.data_to_world(index), 2) + 0.0) for index in found}
        for layer, found in ((one, inside), (other, there))
    ]
    assert places[0] == places[1]
    for layer in (one, other):
        go_to_slice(viewer, layer, 4)
        assert current_slice(viewer, layer) == 4


def test_a_reversed_scan_is_labelled_and_saved_where_it_lies(viewer, workspace, add, tmp_path):
    image = add("a", *turned(scan(), "RAI"))
    assert image.scale[0] == -3
    workspace.annotate.new.click()
    session = workspace.session
    labels = session.labels
    assert isinstance(labels, Labels)
    assert fits(labels, image)
    go_to_slice(viewer, image, 8)  # the ball's middle: slice 3 from the feet
    # What the mouse does: the brush is given the place under it in the window.
    labels.selected_label, labels.brush_size = 1, 3
    here = image.data_to_world(np.argwhere(image.data > 300).mean(0).round())
    labels.paint(np.round(labels.world_to_data(here)), 1)
    assert image.data[labels.data == 1].mean() > 300
    saved = save_labels(labels, tmp_path / "m.nii.gz")
    volume = read_volume(tmp_path / "a.nii.gz")
    assert volume.array[read_mask(saved, volume) == 1].mean() > 300
    # napari's own button makes a layer that runs the other way: it is laid onto the scan.
    labels.visible = False
    viewer._new_labels()
    made = viewer.layers[-1]
    made.data_setitem(
        tuple(np.array([n]) for n in np.round(made.world_to_data(here)).astype(int)), 1
    )
    workspace.annotate.labels.pick(made)
    assert session.labels is made
    assert fits(made, image)
    assert image.data[made.data == 1].mean() > 300


def test_layers_without_a_file_are_taken_by_shape_or_as_shown(viewer, workspace):
    image = viewer.add_image(np.zeros((6, 20, 20)), scale=(3, 1, 1), name="array")
    assert fits(new_labels(image), image)
    bare = viewer.add_labels(np.zeros((6, 20, 20), int), name="bare")
    assert fits(bare, image)
    assert workspace.session.labels is bare
    far = viewer.add_labels(np.zeros((6, 20, 20), int), scale=(3, 1, 1), translate=(30, 0, 0))
    assert not fits(far, image)
    near = viewer.add_labels(np.zeros((6, 20, 20), int), scale=(3, 1, 1), translate=(1.2, 0, 0.5))
    assert fits(near, image)


@pytest.mark.parametrize("image_end", [".png", ".nii.gz"])
@pytest.mark.parametrize("mask_end", [".png", ".nii.gz"])
def test_a_flat_scan_and_its_mask_in_files_of_any_kind(
    viewer, workspace, tmp_path, image_end, mask_end
):
    """A picture is a layer of two axes, the one slice of a NIfTI file one of three."""
    ids = np.zeros((24, 32), np.uint8)
    ids[5:15, 10:22] = 1
    grey = (60 + 120 * ids + np.arange(32) % 5).astype(np.uint8)
    for name, pixels, end in (("a", grey, image_end), ("a_mask", ids, mask_end)):
        path = tmp_path / f"{name}{end}"
        if end == ".png":
            Image.fromarray(pixels).save(path)
        else:
            nib.save(nib.Nifti1Image(pixels.T[..., None], np.diag([-1.0, -1, 1, 1])), path)
    image, mask = open_paths(viewer, [tmp_path / f"a{image_end}", tmp_path / f"a_mask{mask_end}"])
    session = workspace.session
    assert session.image is image
    assert session.labels is mask
    assert mask.ndim == image.ndim
    np.testing.assert_array_equal(labels_array(mask)[0], ids)
    assert (mask.scale == image.scale).all()
    mask.data_setitem(tuple(np.array([n]) for n in (0,) * mask.ndim), 1)  # a stroke goes on
    assert session.mask.labelled == (0,)
    assert session.autosave.flush()
    assert labels_array(mask)[0, 0, 0] == 1
    if image_end != mask_end:
        assert "taken voxel by voxel" in workspace.header.notes.toolTip()


def test_a_segmentation_without_background_is_a_mask(workspace, add, tmp_path):
    """Its file names the classes, whatever its values are."""
    image = add("a", scan())
    header = {
        "space": "left-posterior-superior",
        "space origin": (np.diag([-1.0, -1, 1, 1]) @ PLACE)[:3, 3],
        "space directions": (np.diag([-1.0, -1, 1]) @ PLACE[:3, :3]).T,
        "kinds": ["domain"] * 3,
    }
    for number, name in enumerate(("ball", "rest")):
        start = f"Segment{number}_"
        header |= {f"{start}ID": f"s{number}", f"{start}Name": name, f"{start}Layer": "0"}
        header[f"{start}LabelValue"] = str(number + 1)
    nrrd.write(str(tmp_path / "two.seg.nrrd"), np.where(BALL > 0, 1, 2).astype(np.uint8), header)
    made = get_reader(str(tmp_path / "two.seg.nrrd"))(str(tmp_path / "two.seg.nrrd"))
    (mask,) = (workspace.session.viewer.add_layer(Layer.create(*one)) for one in made)
    assert isinstance(mask, Labels)
    assert workspace.session.labels is mask
    assert workspace.session.image is image
