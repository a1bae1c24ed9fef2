"""Pictures as phones, cameras, microscopes and other programs leave them."""

from __future__ import annotations

import io

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
import tifffile
from PIL import Image

from napari_dim.errors import InputError
from napari_dim.io import lay_mask, prediction_name, read_volume, write_image, write_mask
from napari_dim.volume import Grid, Volume

pytestmark = pytest.mark.usefixtures("one_child")

RNG = np.random.default_rng(1)
GREY = RNG.integers(0, 256, (6, 9), dtype=np.uint8)
RGB = RNG.integers(0, 256, (6, 9, 3), dtype=np.uint8)
IDS = np.zeros((6, 9), np.uint8)
IDS[1:3, 4:8] = 2
STACK = np.stack([GREY, GREY + 1, GREY + 2])


def stored(pixels, orientation):
    """What a camera stores that is shown as `pixels`; by numpy, not by the reader's own way."""
    turn = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: lambda a: np.swapaxes(a, 0, 1),
        6: np.rot90,
        7: lambda a: np.rot90(np.swapaxes(a, 0, 1), 2),
        8: lambda a: np.rot90(a, -1),
    }
    return np.ascontiguousarray(turn[orientation](pixels))


def tagged(path, pixels, orientation, **how):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored(pixels, orientation)).save(path, exif=exif, **how)
    return path


# More than one picture in a file.


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("phone.jpg", {"format": "MPO"}),
        ("a.gif", {}),
        ("a.png", {}),
        ("a.webp", {"lossless": True}),
        ("a.mpo", {}),
    ],
)
def test_the_first_of_several_pictures_is_read_and_told(tmp_path, name, how):
    more = [Image.fromarray(RGB[::-1].copy()), Image.fromarray(RGB[:, ::-1].copy())]
    Image.fromarray(RGB).save(tmp_path / name, save_all=True, append_images=more, **how)
    volume = read_volume(tmp_path / name)
    assert volume.array.shape == (1, 6, 9, 3)
    assert any("3 pictures; the first is read" in text for text in volume.warnings)
    expected = np.asarray(Image.open(tmp_path / name).convert("RGB"))
    np.testing.assert_array_equal(volume.array[0], expected)


def test_a_tiff_with_a_preview_is_one_picture(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(GREY, subfiletype=0, photometric="minisblack", metadata=None)
        file.write(GREY[::2, ::2], subfiletype=1, photometric="minisblack", metadata=None)
    volume = read_volume(tmp_path / "a.tif")
    np.testing.assert_array_equal(volume.array, GREY[None])
    assert "smaller copies" in volume.warnings[0]
    assert prediction_name(tmp_path / "a.tif") == "a_dim.png"


@pytest.mark.parametrize("suffix", [".bmp", ".gif", ".webp", ".pgm", ".tga", ".jp2", ".dib"])
def test_what_else_pillow_reads(tmp_path, suffix):
    lossless = {".webp": {"lossless": True}, ".jp2": {"irreversible": False}}.get(suffix, {})
    Image.fromarray(GREY).save(tmp_path / f"a{suffix}", **lossless)
    array = read_volume(tmp_path / f"a{suffix}").array[0]
    np.testing.assert_array_equal(array if array.ndim == 2 else array[..., 0], GREY)


def test_a_program_in_the_clothes_of_a_picture_is_not_started(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.eps")
    (tmp_path / "a.eps").rename(tmp_path / "a.bmp")
    with pytest.raises(InputError, match=r"a\.bmp"):
        read_volume(tmp_path / "a.bmp")


# EXIF.


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp", ".jpg"])
def test_pictures_are_as_viewers_show_them(tmp_path, suffix, orientation):
    how = {".webp": {"lossless": True}, ".tif": {"compression": "tiff_lzw"}}.get(suffix, {})
    plain = np.zeros((6, 9), np.uint8)
    plain[:2, :3] = 250
    pixels = np.kron(plain, np.ones((8, 8), np.uint8)) if suffix == ".jpg" else RGB
    path = tagged(tmp_path / f"a{suffix}", pixels, orientation, **how)
    volume = read_volume(path)
    apart = np.abs(volume.array[0].astype(int) - pixels).max()
    assert volume.array.shape[1:] == pixels.shape
    assert apart <= (8 if suffix == ".jpg" else 0)
    told = [text for text in volume.warnings if "EXIF" in text]
    assert len(told) == (orientation > 1)


@pytest.mark.parametrize("orientation", [3, 6])
def test_tiffs_that_tifffile_decodes_are_turned_too(tmp_path, orientation):
    tag = (274, "H", 1, orientation, True)
    tifffile.imwrite(tmp_path / "a.tif", stored(GREY, orientation), extratags=[tag])
    np.testing.assert_array_equal(read_volume(tmp_path / "a.tif").array[0], GREY)


@pytest.mark.parametrize("orientation", [3, 6, 5])
def test_masks_of_turned_pictures(tmp_path, orientation):
    """Drawn on what viewers show; with the same tag; or on the pixels as they are stored."""
    volume = read_volume(tagged(tmp_path / "a.png", RGB, orientation))
    Image.fromarray(IDS).save(tmp_path / "shown.png")
    laid = lay_mask(tmp_path / "shown.png", volume)
    np.testing.assert_array_equal(laid.ids[0], IDS)
    assert "taken to be drawn on what viewers show" in laid.notes[0]
    laid = lay_mask(tagged(tmp_path / "same.png", IDS, orientation), volume)
    np.testing.assert_array_equal(laid.ids[0], IDS)
    if orientation != 3:
        Image.fromarray(stored(IDS, orientation)).save(tmp_path / "stored.png")
        laid = lay_mask(tmp_path / "stored.png", volume)
        np.testing.assert_array_equal(laid.ids[0], IDS)
        assert "before that was" in laid.notes[0]
    Image.fromarray(IDS[:, :5]).save(tmp_path / "small.png")
    with pytest.raises(InputError, match="as its file asks"):
        lay_mask(tmp_path / "small.png", volume)


def test_turned_pictures_of_a_folder_and_their_masks(tmp_path):
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    for orientation in (1, 3, 8):
        tagged(tmp_path / "images" / f"{orientation}.png", GREY, orientation)
        Image.fromarray(IDS).save(tmp_path / "masks" / f"{orientation}.png")
    volume = read_volume(tmp_path / "images")
    np.testing.assert_array_equal(volume.array, np.stack([GREY] * 3))
    laid = lay_mask(tmp_path / "masks", volume)
    np.testing.assert_array_equal(laid.ids, np.stack([IDS] * 3))
    assert sum("EXIF" in note for note in laid.notes) == 2


def test_damaged_exif_is_no_reason_to_refuse(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff" + bytes(9))
    assert read_volume(tmp_path / "a.jpg").array.shape == (1, 6, 9, 3)


# Sizes and places.

OME = {"axes": "ZYX", "PhysicalSizeX": 0.25, "PhysicalSizeY": 0.5, "PhysicalSizeZ": 2.0}


@pytest.mark.parametrize(("unit", "mm"), [("mm", 1), ("µm", 1e-3), ("nm", 1e-6), ("cm", 10)])
def test_ome_tiffs_have_a_voxel_size(tmp_path, unit, mm):
    units = {f"PhysicalSize{axis}Unit": unit for axis in "XYZ"}
    tifffile.imwrite(tmp_path / "s.ome.tif", STACK, metadata={**OME, **units})
    volume = read_volume(tmp_path / "s.ome.tif")
    assert volume.grid.unit == "mm"
    np.testing.assert_allclose(volume.spacing, np.array([2, 0.5, 0.25]) * mm)
    np.testing.assert_array_equal(volume.array, STACK)
    assert any("does not say how it lies" in text for text in volume.warnings)


def test_micrometres_are_what_ome_means_without_a_unit(tmp_path):
    tifffile.imwrite(tmp_path / "s.ome.tif", STACK, metadata=OME)
    np.testing.assert_allclose(read_volume(tmp_path / "s.ome.tif").spacing, [2e-3, 5e-4, 2.5e-4])


@pytest.mark.parametrize("lacking", ["PhysicalSizeZ", "PhysicalSizeX", "all", "unknown unit"])
def test_tiffs_without_a_whole_size_say_so(tmp_path, lacking):
    size = {key: value for key, value in OME.items() if key != lacking}
    if lacking == "all":
        size = {"axes": "ZYX"}
    if lacking == "unknown unit":
        size |= {f"PhysicalSize{axis}Unit": "pixel" for axis in "XYZ"}
    tifffile.imwrite(tmp_path / "s.ome.tif", STACK, metadata=size)
    volume = read_volume(tmp_path / "s.ome.tif")
    assert volume.grid.unit == "pixel"
    assert any("distances are in pixels" in text for text in volume.warnings)


def test_a_flat_ome_tiff_tells_the_size_of_its_pixels(tmp_path):
    tifffile.imwrite(tmp_path / "p.ome.tif", GREY, metadata={**OME, "axes": "YX"})
    volume = read_volume(tmp_path / "p.ome.tif")
    assert volume.kind == "picture"
    assert any("a pixel is 0.0005 x 0.00025 mm" in text for text in volume.warnings)


OBLIQUE = np.array(
    [[0.9, 0.1, 0.0, -7.0], [-0.1, 0.9, 0.3, 4.0], [0.0, -0.1, 3.0, 7.0], [0, 0, 0, 1.0]]
)


@pytest.mark.parametrize("codes", ["RAS", "LPS", "ASR", "IRP"])
def test_tiff_and_png_keep_the_place_of_a_scan(tmp_path, codes):
    """Neither format has one: it is written as text, and read back to the voxel."""
    start = nib.orientations.io_orientation(OBLIQUE)
    turn = nib.orientations.ornt_transform(start, nib.orientations.axcodes2ornt(tuple(codes)))
    affine = OBLIQUE @ nib.orientations.inv_ornt_aff(turn, (5, 6, 4))
    shape = nib.orientations.apply_orientation(np.empty((5, 6, 4)), turn).shape
    data = RNG.integers(0, 3, shape, dtype=np.uint8)
    for axis in range(3):
        grid = Grid(shape, affine, axis)
        volume = Volume(grid.to_array(data * 50), grid)
        mask = grid.to_array(data)
        laid = lay_mask(write_mask(tmp_path / f"{axis}.tif", mask, volume), volume)
        np.testing.assert_array_equal(laid.ids, mask)
        image = read_volume(write_image(tmp_path / f"i{axis}.tif", volume))
        again = write_image(tmp_path / f"{axis}.nii.gz", image)
        back = lay_mask(again, volume)
        np.testing.assert_array_equal(back.ids, volume.array)
        flat = Grid(tuple(1 if n == axis else s for n, s in enumerate(shape)), affine, axis)
        one = Volume(flat.to_array(np.take(data, [0], axis)), flat)
        laid = lay_mask(write_mask(tmp_path / f"{axis}.png", one.array, one), one)
        np.testing.assert_array_equal(laid.ids, one.array)


# Masks of other kinds than their images.


def by_itk(path, array):
    sitk.WriteImage(sitk.GetImageFromArray(array), str(path))
    return path


@pytest.mark.parametrize("image", ["png", "mha", "nii.gz", "bmp", "jpg"])
@pytest.mark.parametrize("mask", ["png", "nii.gz", "nrrd", "mha", "tif", "bmp"])
def test_a_flat_image_and_its_mask_in_any_two_formats(tmp_path, image, mask):
    volume = read_volume(by_itk(tmp_path / f"a.{image}", GREY))
    laid = lay_mask(by_itk(tmp_path / f"m.{mask}", IDS), volume)
    np.testing.assert_array_equal(laid.ids[0], IDS)


@pytest.mark.parametrize("image", ["tif", "nii.gz", "mha"])
@pytest.mark.parametrize("mask", ["tif", "nii.gz", "nrrd"])
def test_a_stack_and_its_mask_in_any_two_formats(tmp_path, image, mask):
    ids = np.stack([IDS, IDS, 0 * IDS])
    volume = read_volume(by_itk(tmp_path / f"a.{image}", STACK))
    laid = lay_mask(by_itk(tmp_path / f"m.{mask}", ids), volume)
    np.testing.assert_array_equal(laid.ids, ids)


# Masks of many numbers.


def numbers_of(tmp_path, ids):
    shape = ids.shape[-2:]
    Image.fromarray(np.zeros(shape, np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(ids).save(tmp_path / "m.png")
    return lay_mask(tmp_path / "m.png", read_volume(tmp_path / "a.png")).notes


def through_jpeg(pixels, quality):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def disc(values):
    y, x = np.mgrid[:64, :64]
    ids = np.zeros((64, 64), np.uint8)
    for number, value in enumerate(values):
        ids[(y - 20 - 9 * number) ** 2 + (x - 30) ** 2 < 150] = value
    return ids


@pytest.mark.parametrize("quality", [50, 80])
@pytest.mark.parametrize("values", [(255,), (127, 255), (85, 170, 255)])
def test_masks_that_went_through_jpeg_are_told(tmp_path, quality, values):
    ids = through_jpeg(disc(values), quality)
    (note,) = numbers_of(tmp_path, ids)
    assert f"{np.unique(ids).size - 1} class numbers" in note
    assert "as JPEG or smoothing leaves them" in note
    assert str(values[-1]) in note or str(values[-1] - 1) in note


def test_masks_of_instances_are_told(tmp_path):
    ids = np.kron(np.arange(49).reshape(7, 7) + 1, np.ones((8, 8), int)).astype(np.uint16)
    ids[::8] = ids[:, ::8] = 0
    (note,) = numbers_of(tmp_path, ids)
    assert "49 class numbers (1, 2, 3 … 49), each one object: these are instances" in note


def test_pictures_that_are_no_masks_are_told(tmp_path):
    (note,) = numbers_of(tmp_path, RNG.integers(0, 256, (40, 40), dtype=np.uint8))
    assert "is this a mask?" in note


def test_masks_of_few_numbers_are_not_remarked_on(tmp_path):
    assert numbers_of(tmp_path, disc((127, 255))) == ()
    assert numbers_of(tmp_path, np.arange(33, dtype=np.uint8).repeat(33).reshape(33, 33)) == ()
