"""DICOM-SEG: written with highdicom, read back with pydicom and highdicom, placed by SimpleITK."""

from __future__ import annotations

import json
import subprocess
import sys

import highdicom as hd
import numpy as np
import pydicom
import pytest

from napari_dim.cli import main
from napari_dim.errors import InputError
from napari_dim.io import read_mask, read_volume, write_mask
from napari_dim.io.dicom.seg_reader import classes_of, open_dicom_seg, read_dicom_seg
from napari_dim.io.dicom.seg_writer import series_of, write_dicom_seg
from napari_dim.io.labels import LabelClass
from napari_dim.volume import Grid, Volume
from tests.dicoms import write_enhanced, write_series
from tests.io.test_dicom_kinds import nibabels_mosaic
from tests.test_volume import ORIENTATIONS, affine_of

CLASSES = (LabelClass(3, "left atrium", "#FF8000"), LabelClass(300, "wall", "#0040C0"))

ITK = """
import json, sys, SimpleITK as sitk
reader = sitk.ImageSeriesReader()
reader.SetFileNames(reader.GetGDCMSeriesFileNames(sys.argv[1]))
image = reader.Execute()
print(json.dumps([image.GetSize(), image.GetOrigin(), image.GetSpacing(), image.GetDirection()]))
"""


def scan(folder, axes=(0, 1, 2), signs=(-1, -1, 1), tilt=(10, -15, 5), slice_axis=2):
    """A volume that was read from a series of its own; slices may be counted along any axis."""
    data = np.random.default_rng(0).integers(0, 900, (9, 8, 7)).astype(np.int16)
    write_series(folder, data, affine_of(axes, signs, (0.8, 0.9, 2.5), tilt))
    return read_volume(folder, slice_axis=slice_axis)


def some_mask(shape):
    mask = np.zeros(shape, np.int32)
    mask[2:5, 1:4, 2:6] = 3
    mask[3, 3:5, 4:7] = 300
    return mask


def test_a_mask_comes_back_with_names_colours_and_ids(tmp_path):
    volume = scan(tmp_path / "series")
    mask = some_mask(volume.grid.shape)
    path = write_dicom_seg(tmp_path / "m.dcm", mask, volume, CLASSES)
    back = read_dicom_seg(path, volume).ids
    assert back.dtype == np.uint16
    np.testing.assert_array_equal(back, mask)
    named = classes_of(path)
    assert [(item.id, item.name) for item in named] == [(3, "left atrium"), (300, "wall")]
    for got, given in zip(named, CLASSES, strict=True):
        assert np.abs(np.subtract(got.rgb, given.rgb)).max() <= 2
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["m.dcm"]


def test_one_class_alone_and_one_slice_alone(tmp_path):
    volume = scan(tmp_path / "series")
    for number, keep in enumerate((slice(None), slice(3, 4))):
        mask = np.zeros(volume.grid.shape, np.uint8)
        mask[keep] = some_mask(volume.grid.shape)[keep] == 3
        path = write_dicom_seg(tmp_path / f"{number}.dcm", mask, volume)
        np.testing.assert_array_equal(read_dicom_seg(path, volume).ids, mask)
        assert np.count_nonzero(np.asarray(open_dicom_seg(path).array)) == mask.sum()


def test_it_belongs_to_its_series(tmp_path):
    volume = scan(tmp_path / "series")
    mask = some_mask(volume.grid.shape)
    data = hd.seg.segread(write_dicom_seg(tmp_path / "m.dcm", mask, volume, CLASSES))
    images = [pydicom.dcmread(p, stop_before_pixels=True) for p in (tmp_path / "series").iterdir()]
    assert data.StudyInstanceUID == images[0].StudyInstanceUID
    assert data.FrameOfReferenceUID == images[0].FrameOfReferenceUID
    assert data.SeriesInstanceUID != images[0].SeriesInstanceUID
    named = {uid for _, _, uid in data.get_source_image_uids()}
    assert named == {image.SOPInstanceUID for image in images}
    # highdicom's own way back: the mask on each source image, asked for by its UID.
    for image in images:
        (plane,) = data.get_pixels_by_source_instance(
            [image.SOPInstanceUID], combine_segments=True, ignore_spatial_locations=True,
            assert_missing_frames_are_empty=True,
        )  # fmt: skip
        number = [uid for uid, _ in volume.header["instances"]].index(image.SOPInstanceUID)
        here = volume.grid.to_file(mask)[:, :, number].T
        np.testing.assert_array_equal(plane, np.select([here == 3, here == 300], [1, 2]))


def test_it_lies_where_simpleitk_sees_the_series(tmp_path):
    """In all orientations: each labelled voxel of the SEG at its place in ITK's volume."""
    for number, (axes, signs) in enumerate(ORIENTATIONS[::5]):
        folder = tmp_path / str(number)
        volume = scan(folder, axes, signs, (0, 0, 0) if number % 2 else (14, -9, 6), number % 3)
        mask = some_mask(volume.grid.shape)
        seg = open_dicom_seg(write_dicom_seg(tmp_path / f"{number}.dcm", mask, volume, CLASSES))
        done = subprocess.run(
            [sys.executable, "-c", ITK, str(folder)], capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        size, origin, spacing, direction = json.loads(done.stdout)
        to_lps = np.diag([-1.0, -1, 1])
        itk = np.array(direction).reshape(3, 3) * np.array(spacing)
        for class_id in (3, 300):
            inside = np.argwhere(np.asarray(seg.array) == class_id)
            world = to_lps @ (seg.grid.affine[:3, :3] @ inside.T + seg.grid.affine[:3, 3:])
            index = np.linalg.solve(itk, world - np.array(origin)[:, None])
            np.testing.assert_allclose(index, np.rint(index), atol=0.02)
            assert ((index > -0.5) & (index < np.array(size)[:, None])).all()
            there = np.argwhere(mask == class_id)
            true = to_lps @ (volume.grid.affine[:3, :3] @ there.T + volume.grid.affine[:3, 3:])
            expect = np.linalg.solve(itk, true - np.array(origin)[:, None])
            assert set(map(tuple, np.rint(index).T)) == set(map(tuple, np.rint(expect).T))


def test_the_series_may_lie_among_others(tmp_path):
    data = np.zeros((9, 8, 7), np.int16)
    write_series(tmp_path, data, affine_of((0, 1, 2), (-1, -1, 1)), series=1)
    write_series(tmp_path, data[..., :5], affine_of((0, 1, 2), (-1, -1, 1)), series=2)
    (tmp_path / "note.txt").write_text("not DICOM")
    for part, count in (("1", 7), ("2", 5)):
        volume = read_volume(tmp_path, part=part)
        images = series_of(volume)
        assert len(images) == count
        assert {image.SeriesInstanceUID for image in images} == {volume.header["series"]}


def test_a_multi_frame_series(tmp_path):
    data = np.random.default_rng(0).integers(0, 900, (9, 8, 7)).astype(np.uint16)
    path = write_enhanced(
        tmp_path / "e.dcm", data, affine_of((0, 1, 2), (-1, -1, 1), tilt=(9, 5, 0))
    )
    volume = read_volume(path)
    mask = some_mask(volume.grid.shape)
    out = write_dicom_seg(tmp_path / "m.dcm", mask, volume, CLASSES)
    np.testing.assert_array_equal(read_dicom_seg(out, volume).ids, mask)
    seg = open_dicom_seg(out)
    inside = np.argwhere(np.asarray(seg.array) == 3)
    true = np.argwhere(mask == 3)
    centres = [
        index.mean(0) @ grid.affine[:3, :3].T + grid.affine[:3, 3]
        for grid, index in ((seg.grid, inside), (volume.grid, true))
    ]
    np.testing.assert_allclose(*centres, atol=1e-3)


def without_preamble(file):
    data = pydicom.dcmread(file, force=True)
    data.preamble = None
    data.save_as(file, enforce_file_format=False)


def under_one_uid(file):
    data = pydicom.dcmread(file)
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    data.save_as(file)


@pytest.mark.parametrize(
    "faults", [(without_preamble,), (under_one_uid,), (under_one_uid, without_preamble)]
)
def test_a_series_without_preamble_or_with_one_uid_through_the_command_line(
    tmp_path, capsys, faults
):
    """Through `convert` and `predict`; copies beside the images change nothing."""
    data = np.random.default_rng(0).integers(0, 900, (32, 28, 5)).astype(np.int16)
    series = tmp_path / "series"
    write_series(series, data, affine_of((0, 1, 2), (-1, -1, 1), (0.8, 0.9, 2.5), (10, -15, 5)))
    for file in series.iterdir():
        for fault in faults:
            fault(file)
    (series / "copy").write_bytes(min(series.iterdir()).read_bytes())
    volume = read_volume(series)
    assert len(series_of(volume)) == 5
    mask = np.zeros(volume.grid.shape, np.uint8)
    mask[:, 4:20, 5:18] = 1  # on every image
    mask[2, 8:12, 9:13] = 2
    write_mask(tmp_path / "m.nii.gz", mask, volume)
    like = ["--like", str(series)]
    assert main(["convert", str(tmp_path / "m.nii.gz"), str(tmp_path / "m.dcm"), *like]) == 0
    np.testing.assert_array_equal(read_dicom_seg(tmp_path / "m.dcm", volume).ids, mask)
    without_preamble(tmp_path / "m.dcm")  # as other programs store segmentations
    assert main(["convert", str(tmp_path / "m.dcm"), str(tmp_path / "b.nii.gz"), *like]) == 0
    np.testing.assert_array_equal(read_mask(tmp_path / "b.nii.gz", volume), mask)
    alone = np.asarray(open_dicom_seg(tmp_path / "m.dcm").array)
    assert np.count_nonzero(alone) == np.count_nonzero(mask)
    table = tmp_path / "c.csv"
    table.write_text("image,labels,slices,site,split\nseries,m.nii.gz,all,s,train\n")
    run, out = str(tmp_path / "run"), tmp_path / "out"
    assert main(["fit", str(table), "--out", run, "--steps", "1"]) == 0
    how = ["--out", str(out), "--format", "dicom-seg"]
    assert main(["predict", run, str(series), *how]) == 0
    assert main(["predict", run, str(series), "--out", str(tmp_path / "n")]) == 0
    usual = read_mask(next((tmp_path / "n").glob("*.nii.gz")), volume)
    np.testing.assert_array_equal(read_dicom_seg(next(out.glob("*.dcm")), volume).ids, usual)
    capsys.readouterr()
    assert main(["predict", run, str(nibabels_mosaic(tmp_path / "x")), *how[:1], run + "x",
                 *how[2:]]) == 2  # fmt: skip
    said = capsys.readouterr()
    assert "unfolded from Siemens mosaics" in said.err
    assert "Predicting" not in said.out + said.err  # told before the work


def test_one_uid_in_two_series_of_one_place(tmp_path):
    data = np.zeros((9, 8, 7), np.int16)
    for number in (1, 2):
        write_series(tmp_path, data + number, affine_of((0, 1, 2), (-1, -1, 1)), series=number)
    for file in tmp_path.iterdir():
        under_one_uid(file)
    for part in ("1", "2"):
        volume = read_volume(tmp_path, part=part)
        images = series_of(volume)
        assert len(images) == 7
        assert {image.SeriesInstanceUID for image in images} == {volume.header["series"]}


def test_a_scan_of_mosaics_is_refused_with_the_true_reason(tmp_path, capsys):
    path = nibabels_mosaic(tmp_path / "x")
    volume = read_volume(path)
    mask = np.ones(volume.grid.shape, np.uint8)
    with pytest.raises(InputError, match=r"unfolded from Siemens mosaics.*NIfTI") as caught:
        write_mask(tmp_path / "m.dcm", mask, volume)
    assert "did not come" not in str(caught.value)
    write_mask(tmp_path / "m.nii.gz", mask, volume)
    files = [str(tmp_path / "m.nii.gz"), str(tmp_path / "m.dcm")]
    assert main(["convert", *files, "--like", str(path)]) == 2
    assert "unfolded from Siemens mosaics" in capsys.readouterr().err
    assert not (tmp_path / "m.dcm").exists()


def test_ids_that_no_other_format_would_mind(tmp_path):
    volume = scan(tmp_path / "series")
    mask = np.resize(np.array([0, 1, 4, 255, 300, 70000]), volume.grid.shape)
    back = read_dicom_seg(write_dicom_seg(tmp_path / "m.dcm", mask, volume), volume).ids
    assert back.dtype == np.uint32
    np.testing.assert_array_equal(back, mask)
    assert [i.id for i in classes_of(tmp_path / "m.dcm")] == [1, 4, 255, 300, 70000]


def test_named_classes_without_a_voxel_are_kept(tmp_path):
    volume = scan(tmp_path / "series")
    path = write_dicom_seg(tmp_path / "m.dcm", np.zeros(volume.grid.shape, int), volume, CLASSES)
    assert not read_dicom_seg(path, volume).ids.any()
    assert [item.id for item in classes_of(path)] == [3, 300]


def test_what_cannot_be_done_is_said_in_one_line(tmp_path):
    volume = scan(tmp_path / "series")
    mask = some_mask(volume.grid.shape)
    path = tmp_path / "m.dcm"
    nowhere = Volume(volume.array, volume.grid)
    (tmp_path / "a.nii").write_bytes(bytes(400))
    nifti = Volume(volume.array, volume.grid, path=tmp_path / "a.nii")
    moved = affine_of((0, 1, 2), (-1, -1, 1), (0.8, 0.9, 2.5), (0, 0, 0))
    tilted = Volume(volume.array, Grid((9, 8, 7), moved, 2), volume.path, header=volume.header)
    cases = [
        (nowhere, mask, "did not come from DICOM"),
        (nifti, mask, "did not come from DICOM"),
        (volume, np.zeros_like(mask), "no class is named"),
        (tilted, mask, "does not lie"),
    ]
    for on, array, text in cases:
        with pytest.raises(InputError, match=text) as caught:
            write_dicom_seg(path, array, on)
        assert "\n" not in str(caught.value)
        assert not path.exists()
    with pytest.raises(InputError, match="not a DICOM-SEG"):
        read_dicom_seg(next((tmp_path / "series").iterdir()), volume)
    with pytest.raises(InputError, match="not a DICOM-SEG"):
        read_dicom_seg(tmp_path / "a.nii", volume)
    missing = tmp_path / "gap"
    data = np.zeros((9, 8, 7), np.int16)
    write_series(missing, data, affine_of((0, 1, 2), (-1, -1, 1)), leave_out=(3,))
    gap = read_volume(missing)
    assert gap.grid.shape == (7, 8, 9)
    with pytest.raises(InputError, match="slice 3 is labelled"):
        write_dicom_seg(path, mask, gap)
    for file in (tmp_path / "series").iterdir():
        file.unlink()
    with pytest.raises(InputError, match="no longer there"):
        write_dicom_seg(path, mask, volume)
