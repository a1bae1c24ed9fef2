"""What can't be used is refused in words that say what to do."""

from __future__ import annotations

import re
from importlib import import_module

import nibabel as nib
import nrrd
import numpy as np
import pytest
import tifffile
import zarr

from napari_dim.errors import InputError
from napari_dim.io import glance, lay_mask, list_parts, read_volume
from napari_dim.io.pictures import tiff_pages
from tests.dicoms import base, write

pytestmark = pytest.mark.usefixtures("one_child")


def refusal(path, function=read_volume):
    with pytest.raises(InputError) as caught:
        function(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("scan.mhd", "ObjectType = Image\nNDims = 3\nDimSize = 4 4 4\nElementType = MET_SHORT\n"
         "ElementDataFile = gone.raw\n"),
        ("scan.nhdr", "NRRD0004\ntype: short\ndimension: 3\nsizes: 4 4 4\nencoding: raw\n"
         "endian: little\ndata file: deep/gone.raw\n"),
        ("scan.mhd", "NDims = 3\r\nDimSize = 4 4 4\r\nElementType = MET_SHORT\r\n"
         "ElementDataFile = C:\\\\scans\\\\gone.raw\r\n"),
    ],
)  # fmt: skip
def test_a_header_without_its_voxels_names_them(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert "gone.raw" in refusal(tmp_path / name)
    assert "missing. Put it beside" in refusal(tmp_path / name)


def test_folders_say_what_they_hold(tmp_path):
    (tmp_path / "notes.docx").touch()
    assert "holds no images" in refusal(tmp_path)
    (tmp_path / "sub").mkdir()
    assert "give one of them, such as sub" in refusal(tmp_path)
    (tmp_path / "b.nii.gz").write_bytes(b"x")
    assert "a NIfTI file: give b.nii.gz itself" in refusal(tmp_path)
    (tmp_path / "a.nii.gz").write_bytes(b"x")
    assert "2 NIfTI files: give one of them, such as a.nii.gz" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("a.heic", "Save the picture as PNG"),
        ("a.mgz", "mri_convert"),
        ("a.npy", "Save the array as NIfTI"),
        ("loop.mp4", "folder of PNG files"),
        ("slide.svs", "OME-TIFF"),
        ("a.docx", "What can: NIfTI, picture"),
    ],
)
def test_other_kinds_of_files_say_what_to_make_of_them(tmp_path, name, way):
    (tmp_path / name).write_bytes(b"something")
    assert way in refusal(tmp_path / name)


def test_masks_of_nan_say_what_to_write_instead(tmp_path):
    ids = np.zeros((4, 4, 4), np.float32)
    nib.save(nib.Nifti1Image(ids, np.eye(4)), tmp_path / "a.nii")
    ids[:2] = np.nan
    nib.save(nib.Nifti1Image(ids, np.eye(4)), tmp_path / "m.nii")
    volume = read_volume(tmp_path / "a.nii")
    assert "save it with 0 there" in refusal(tmp_path / "m.nii", lambda p: lay_mask(p, volume))
    ids[0] = 0.5
    nib.save(nib.Nifti1Image(ids, np.eye(4)), tmp_path / "m.nii")
    assert "probability" in refusal(tmp_path / "m.nii", lambda p: lay_mask(p, volume))


def test_a_zarr_image_of_several_times_names_the_option_that_works(tmp_path):
    group = zarr.open_group(str(tmp_path / "t.zarr"), mode="w", zarr_format=2)
    data = np.arange(3 * 2 * 4 * 4, dtype=np.int16).reshape(3, 2, 4, 4)
    group.create_array("0", data=data)
    axes = [{"name": name, "type": "space"} for name in "zyx"]
    scale = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1] * 4}]}
    group.attrs["multiscales"] = [
        {"version": "0.4", "axes": [{"name": "t", "type": "time"}, *axes], "datasets": [scale]}
    ]
    assert "3 times. Choose one by --volume 0 to 2" in refusal(tmp_path / "t.zarr")
    assert [part.key for part in list_parts(tmp_path / "t.zarr")] == ["0", "1", "2"]
    volume = read_volume(tmp_path / "t.zarr", part="2")
    np.testing.assert_array_equal(np.asarray(volume.array), data[2])


@pytest.mark.parametrize("kind", ["list", "time"])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("encoding", ["gzip", "raw"])
def test_nrrd_sequences_are_times_not_channels(tmp_path, kind, first, encoding):
    data = np.arange(3 * 5 * 4 * 6, dtype=np.int16).reshape(3, 5, 4, 6)
    space, none = np.diag([1.0, 1.0, 3.0]), np.full((1, 3), np.nan)
    kinds, directions = [kind, *["domain"] * 3], np.vstack([none, space])
    header = {"space": "left-posterior-superior", "space origin": [0, 0, 0], "encoding": encoding}
    if not first:
        kinds, directions = kinds[::-1], np.vstack([space, none])
    header |= {"kinds": kinds, "space directions": directions}
    path = tmp_path / "a.seq.nrrd"
    nrrd.write(str(path), data if first else np.moveaxis(data, 0, -1), header)
    assert "series of 3 volumes. Choose one of its volumes, 0 to 2: --volume" in refusal(path)
    assert [part.key for part in list_parts(path)] == ["0", "1", "2"]
    volume = read_volume(path, part="2")
    np.testing.assert_array_equal(volume.array, data[2].transpose(2, 1, 0))


def test_nrrd_vectors_stay_channels(tmp_path):
    data = np.arange(3 * 5 * 4 * 6, dtype=np.int16).reshape(3, 5, 4, 6)
    nrrd.write(str(tmp_path / "v.nrrd"), data, {"kinds": ["vector", *["domain"] * 3]})
    assert read_volume(tmp_path / "v.nrrd").channels == 3


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_large_file_is_looked_at_not_read(tmp_path, suffix, monkeypatch):
    from napari_dim.io.nifti import nifti_glance, nifti_reader

    rooms = import_module("napari_dim.io.glance")

    data = np.arange(40 * 30 * 20, dtype=np.int16).reshape(40, 30, 20)
    image = nib.Nifti1Image(data, np.diag([2.0, 2, 3, 1]))
    image.header.set_slope_inter(0.5, 3)
    nib.save(image, tmp_path / f"a{suffix}")
    whole = glance(tmp_path / f"a{suffix}")
    assert whole.where == ""
    monkeypatch.setattr(nifti_glance, "LARGE", 1000)
    monkeypatch.setattr(rooms, "_RUN", 200)
    monkeypatch.setattr(nifti_reader, "_blocks", None)  # the way to all the voxels
    seen = glance(tmp_path / f"a{suffix}")
    assert "% of its voxels" in seen.where
    assert seen.sample.size == 3200
    np.testing.assert_array_equal(seen.grid.file_affine, whole.grid.file_affine)
    assert (seen.stored, seen.channels, seen.kind) == (whole.stored, 1, "volume")
    assert whole.sample.min() <= seen.sample.min() < seen.sample.max() <= whole.sample.max()


@pytest.mark.parametrize("colour", [False, True])
def test_a_large_tiff_is_looked_at_not_read(tmp_path, monkeypatch, colour):
    data = np.arange(30 * 8 * 9 * 3, dtype=np.uint16).reshape(30, 8, 9, 3)
    data = data if colour else data[..., 0]
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="rgb" if colour else "minisblack",
                     compression="deflate")  # fmt: skip
    whole = glance(tmp_path / "a.tif")
    assert whole.where == ""
    monkeypatch.setattr(tiff_pages, "LARGE", 1000)
    monkeypatch.setattr(tiff_pages, "_stack", None)  # the way to all the pages
    seen = glance(tmp_path / "a.tif")
    assert seen.where == "in 9 of its 30 pages"
    np.testing.assert_array_equal(seen.sample, data[np.linspace(0, 29, 9).round().astype(int)])
    np.testing.assert_array_equal(seen.grid.file_affine, whole.grid.file_affine)
    told = (whole.stored, whole.channels, whole.kind, whole.warnings)
    assert (seen.stored, seen.channels, seen.kind, seen.warnings) == told


def test_dicom_of_floats(tmp_path):
    """Read where it is whole; what is wrong is said without pydicom's words."""
    pixels = np.random.default_rng(0).random((4, 5)).astype(np.float32)

    def made(name, change=lambda data: None):
        data = base(np.zeros((4, 5), np.uint8))
        del data.PixelData, data.BitsStored, data.HighBit, data.PixelRepresentation
        data.FloatPixelData, data.BitsAllocated = pixels.tobytes(), 32
        data.ImagePositionPatient, data.ImageOrientationPatient = [0, 0, 0], [1, 0, 0, 0, 1, 0]
        data.PixelSpacing, data.SliceThickness = [1, 1], 3
        change(data)
        return write(data, tmp_path / name / "a.dcm", 1)

    np.testing.assert_array_equal(read_volume(made("good")).array[0], pixels)
    with pytest.raises(InputError, match="Read it by pydicom"):
        read_volume(tmp_path / "good" / "a.dcm", part="simpleitk")
    for name, change, told in (
        ("cut", lambda d: setattr(d, "FloatPixelData", pixels.tobytes()[:-8]),
         "cut off: 72 of 80 bytes"),
        ("bits", lambda d: setattr(d, "BitsAllocated", 16), "not as many as the header says"),
        ("none", lambda d: delattr(d, "BitsAllocated"), r"lacks the tag \(0028,0100\)"),
        ("empty", lambda d: setattr(d, "FloatPixelData", b""), "not as many as"),
    ):  # fmt: skip
        assert re.search(told, refusal(made(name, change)))
