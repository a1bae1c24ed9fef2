"""Masks on images: wherever voxels fall on voxels, else the reason."""

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from napari_dim.errors import InputError
from napari_dim.io import lay_mask, read_volume
from napari_dim.io.geometry import lay
from napari_dim.volume import Grid, Volume
from tests.dicoms import write_series
from tests.test_volume import ORIENTATIONS

pytestmark = pytest.mark.usefixtures("one_child")

SHAPE = (32, 30, 12)
PLACE = np.array([[1.0, 0, 0, -16], [0, 1, 0, -16], [0, 0, 3, -18], [0, 0, 0, 1]])
TILTED = nib.affines.from_matvec(
    nib.eulerangles.euler2mat(0.3, 0.2, 0.1) @ np.diag([0.7, 0.7, 2.5]), (-40.0, 12.0, 7.0)
)


def ball() -> np.ndarray:
    i, j, k = np.indices(SHAPE)
    inside = (i - 12) ** 2 + (j - 18) ** 2 + ((k - 4) * 2.7) ** 2 < 49
    return (inside + (inside & (i > 14))).astype(np.uint8)


BALL = ball()


def save(path, data, affine=PLACE, sform=1, qform=1, q_affine=None):
    made = nib.Nifti1Image(data, affine)
    made.set_sform(affine, sform)
    made.set_qform(affine if q_affine is None else q_affine, qform)
    nib.save(made, path)
    return path


@pytest.fixture
def image(tmp_path):
    return read_volume(save(tmp_path / "a.nii.gz", np.zeros(SHAPE, np.int16)))


def moved(mm=(0, 0, 0), affine=PLACE):
    there = affine.copy()
    there[:3, 3] += mm
    return there


def laid(path, image):
    """The ids in the order of the image's file, and the notes."""
    found = lay_mask(path, image)
    return image.grid.to_file(found.ids), " ".join(found.notes)


@pytest.mark.parametrize("affine", [PLACE, TILTED], ids=["straight", "oblique"])
def test_in_all_48_orders_and_cropped_or_with_a_margin(tmp_path, affine):
    image = read_volume(save(tmp_path / "a.nii", np.zeros(SHAPE, np.int16), affine))
    for number, (axes, signs) in enumerate(ORIENTATIONS):
        kind = number % 3
        first = np.array([(0, 0, 0), (3, 8, 1), (-2, -1, -4)][kind])
        data = [BALL, BALL[3:25, 8:28, 1:9], np.pad(BALL, ((2, 5), (1, 3), (4, 0)))][kind]
        there = affine @ nib.affines.from_matvec(np.eye(3), first)
        turn = nib.orientations.axcodes2ornt(
            [("LR", "PA", "IS")[axis][sign > 0] for axis, sign in zip(axes, signs, strict=True)]
        )
        turn = nib.orientations.ornt_transform(nib.orientations.axcodes2ornt("RAS"), turn)
        there = there @ nib.orientations.inv_ornt_aff(turn, data.shape)
        data = np.ascontiguousarray(nib.orientations.apply_orientation(data, turn))
        mask, notes = laid(save(tmp_path / "m.nii", data, there), image)
        np.testing.assert_array_equal(mask, BALL)
        assert ("the mask covers" in notes) == (kind == 1)


def test_dcm2niix_and_itk_on_a_dicom_series(tmp_path):
    """Rows the other way round, as dcm2niix stores what DICOM has."""
    write_series(tmp_path / "dcm", np.zeros(SHAPE, np.int16), PLACE)
    image = read_volume(tmp_path / "dcm")
    turned = PLACE @ np.array([[1.0, 0, 0, 0], [0, -1, 0, 29], [0, 0, 1, 0], [0, 0, 0, 1]])
    save(tmp_path / "m.nii.gz", BALL[:, ::-1].copy(), turned)
    sitk.WriteImage(sitk.ReadImage(tmp_path / "m.nii.gz"), tmp_path / "m.nrrd")
    sitk.WriteImage(sitk.ReadImage(tmp_path / "m.nii.gz"), tmp_path / "m.mha")
    for name in ("m.nii.gz", "m.nrrd", "m.mha"):
        mask, notes = laid(tmp_path / name, image)
        np.testing.assert_array_equal(mask, BALL)
        assert "axes are turned to its image's" in notes


def test_sform_or_qform_whichever_fits(tmp_path, image):
    off = moved((7.3, 0, 0))
    mask, notes = laid(save(tmp_path / "q.nii", BALL, off, q_affine=PLACE), image)
    np.testing.assert_array_equal(mask, BALL)
    assert "qforms do" in notes
    mask, notes = laid(save(tmp_path / "s.nii", BALL, PLACE, q_affine=off), image)
    np.testing.assert_array_equal(mask, BALL)
    assert not notes
    both = read_volume(save(tmp_path / "b.nii", np.zeros(SHAPE, np.int16), off, q_affine=PLACE))
    mask, _ = laid(save(tmp_path / "only.nii", BALL, PLACE, sform=0), both)
    np.testing.assert_array_equal(mask, BALL)


def test_a_hundredth_of_a_voxel_is_the_limit_and_a_thousandth_is_told(tmp_path, image):
    def at(mm):
        return laid(save(tmp_path / "m.nii", BALL, moved((0, 0, mm))), image)

    mask, notes = at(3 * 0.0005)
    assert not notes
    mask, notes = at(3 * 0.009)
    np.testing.assert_array_equal(mask, BALL)
    assert "up to 0.009 voxels beside" in notes
    with pytest.raises(InputError, match=r"0\.036 mm off its image \(0\.036 mm to the head\)"):
        at(3 * 0.012)


def test_the_limit_holds_at_the_far_corner(tmp_path, image):
    longer = PLACE @ np.diag([1 + 0.02 / 31, 1, 1, 1])
    with pytest.raises(InputError, match="off"):
        laid(save(tmp_path / "m.nii", BALL, longer), image)
    longer = PLACE @ np.diag([1 + 0.008 / 31, 1, 1, 1])
    np.testing.assert_array_equal(laid(save(tmp_path / "m.nii", BALL, longer), image)[0], BALL)


def test_without_a_place_by_shape_and_told(tmp_path, image):
    bare = nib.Nifti1Image(BALL, None)
    bare.header.set_zooms((1, 1, 3))
    nib.save(bare, tmp_path / "bare.nii")
    mask, notes = laid(tmp_path / "bare.nii", image)
    np.testing.assert_array_equal(mask, BALL)
    assert notes == "the mask does not say where it lies; the mask is taken voxel by voxel"
    # The other way round: the image has none.
    scan = read_volume(tmp_path / "bare.nii")
    mask, notes = laid(save(tmp_path / "m.nii", BALL), scan)
    np.testing.assert_array_equal(mask, BALL)
    assert "the image does not say where it lies" in notes
    # Neither has one: there is nothing to tell.
    assert laid(tmp_path / "bare.nii", scan)[1] == ""
    for zooms, data, why in (
        ((3, 1, 1), BALL, "the mask's voxels are 3 x 1 x 1 mm, its image's 1 x 1 x 3 mm"),
        ((1, 1, 3), BALL[1:], "has 31 x 30 x 12 voxels, its image 32 x 30 x 12"),
    ):
        bare = nib.Nifti1Image(data, None)
        bare.header.set_zooms(zooms)
        nib.save(bare, tmp_path / "bare.nii")
        with pytest.raises(InputError, match=f"does not say where it lies, and .*{why}"):
            laid(tmp_path / "bare.nii", image)


@pytest.mark.parametrize(
    ("affine", "why"),
    [
        (moved((40, 0, 50)), r"64\.03 mm off its image \(40 mm to the right, 50 mm to the head\)"),
        (moved((0, 0.5, 0)), r"0\.5 mm off its image \(0\.5 mm to the front\)"),
        (moved((0, 0, 300)), r"begins 267 mm beyond its end, head-feet"),
        (PLACE @ np.diag([1, 1, 0.5, 1]), r"1\.5 mm head-feet, its image's 3 mm"),
        (PLACE @ np.diag([1.1, 1, 1, 1]), r"1\.1 mm right-left, its image's 1 mm"),
        (
            nib.affines.from_matvec(nib.eulerangles.euler2mat(0.1, 0, 0)) @ PLACE,
            r"turned by 5\.73 degrees against its image, and up to .* mm off",
        ),
        (
            np.diag([-1.0, 1, 1, 1]) @ PLACE,  # mirrored, where its own centre is not the image's
            r"lies 1 mm off its image \(1 mm to the right\): 8 of its .* lie outside",
        ),
    ],
)
def test_everything_else_is_refused_with_the_reason(tmp_path, image, affine, why):
    data = BALL.copy()
    data[0, 0, :8] = 1
    path = save(tmp_path / "m.nii", data, affine)
    with pytest.raises(InputError, match=rf"m\.nii: the mask.*{why}") as caught:
        laid(path, image)
    assert "\n" not in str(caught.value)


def test_what_a_crop_cuts_off_is_told(tmp_path, image):
    more = np.pad(BALL, ((4, 0), (0, 0), (0, 0)))
    more[0, 0, :5] = 1
    mask, notes = laid(save(tmp_path / "m.nii", more, moved((-4, 0, 0))), image)
    np.testing.assert_array_equal(mask, BALL)
    assert "5 labelled voxels of the mask lie outside the image and are left out" in notes
    nothing = np.zeros_like(more)
    nothing[0] = 1
    with pytest.raises(InputError, match=r"360 of its 360 labelled voxels lie outside"):
        laid(save(tmp_path / "n.nii", nothing, moved((-4, 0, 0))), image)


def test_rows_and_columns_exchanged_under_the_image_s_affine_are_refused(tmp_path, image):
    """Longer than the image along one axis, shorter along another: no crop, no padding."""
    wide = BALL.copy()
    wide[24:, 5:20, 4:8] = 1
    with pytest.raises(InputError, match=r"rows and columns are not.*voxels lie outside"):
        laid(save(tmp_path / "m.nii", wide.transpose(1, 0, 2), moved((0, 0, 0))), image)


def test_one_slice_lies_on_its_slice(tmp_path, image):
    """A mask of one slice, with whatever thickness, as nibabel and ITK save one."""
    one = save(tmp_path / "m.nii", BALL[:, :, 4:5], moved((0, 0, 12)) @ np.diag([1, 1, 0.3, 1]))
    mask, notes = laid(one, image)
    wanted = np.zeros_like(BALL)
    wanted[:, :, 4] = BALL[:, :, 4]
    np.testing.assert_array_equal(mask, wanted)
    assert "32 x 30 x 1 of its image's 32 x 30 x 12" in notes


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_within_a_thousandth_are_their_number(tmp_path, image, dtype):
    near = (BALL * (1 - 1e-5) + 4e-4).astype(dtype)
    np.testing.assert_array_equal(laid(save(tmp_path / "m.nii", near), image)[0], BALL)
    for value, told in ((0.998, "0.998"), (1.5, "1.5"), (123456.75, "123456.75")):
        near[3, 3, 3] = value
        with pytest.raises(InputError, match=f"this one holds {told}$|this one holds {told}[.] Is"):
            laid(save(tmp_path / "m.nii", near), image)
    near[3, 3, 3] = np.nan
    with pytest.raises(InputError, match="holds NaN"):
        laid(save(tmp_path / "m.nii", near), image)


def test_layouts_along_another_axis(image):
    """The image may be cut along another axis than its mask."""
    mask = Volume(image.grid.to_array(BALL), image.grid)
    for axis in range(3):
        cut = image.along(axis)
        ids = lay(mask.along((axis + 1) % 3), cut.grid).ids
        np.testing.assert_array_equal(cut.grid.to_file(ids), BALL)


def test_pixels_are_not_mm():
    picture = Grid.of_picture(5, 7)
    mask = Volume(np.ones((1, 5, 7), np.uint8), Grid((7, 5, 1), np.eye(4), 2))
    assert "the image does not say" in lay(mask, picture).notes[0]
    with pytest.raises(InputError, match="5 x 7 x 1 voxels, its image 7 x 5 x 1"):
        lay(Volume(np.ones((1, 7, 5), np.uint8), Grid((5, 7, 1), np.eye(4), 2)), picture)
