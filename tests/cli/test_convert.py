"""Images and masks from format to format: ids, place, names and colours kept."""

from __future__ import annotations

import numpy as np
import pytest

from napari_dim.cli import main
from napari_dim.io import (
    LabelClass,
    read_classes,
    read_mask,
    read_volume,
    write_image,
    write_mask,
)
from napari_dim.volume import Grid, Volume
from tests.dicoms import write_series
from tests.test_volume import affine_of

CLASSES = (LabelClass(1, "left atrium", "#FF8000"), LabelClass(4, "wall", "#0040C0"))


def scan(tilt=(0, 0, 0)):
    grid = Grid((9, 8, 7), affine_of((0, 1, 2), (-1, -1, 1), (0.8, 0.9, 2.5), tilt), 2)
    array = np.random.default_rng(0).integers(0, 900, grid.shape).astype(np.int16)
    mask = np.zeros(grid.shape, np.uint8)
    mask[2:5, 1:4, 2:6] = 1
    mask[3, 3:5, 4:7] = 4
    return Volume(array, grid), mask


def test_a_mask_goes_round_all_formats_that_hold_its_place(tmp_path, capsys):
    volume, mask = scan()
    series = np.ascontiguousarray(np.transpose(volume.array, (2, 1, 0)))
    write_series(tmp_path / "series", series, volume.grid.file_affine)
    start = write_mask(tmp_path / "m.seg.nrrd", mask, volume, classes=CLASSES)
    names = ["a.dcm", "b.zarr", "c.seg.nrrd"]
    for name in names:
        # A DICOM-SEG is laid on its series; by itself it leaves out empty slices.
        seg = "a.dcm" in (name, start.name)
        more = ["--like", str(tmp_path / "series")] if seg else []
        assert main(["convert", str(start), str(tmp_path / name), *more]) == 0, capsys.readouterr()
        start = tmp_path / name
        named = read_classes(start)
        assert [(item.id, item.name) for item in named] == [(1, "left atrium"), (4, "wall")]
        for got, given in zip(named, CLASSES, strict=True):
            assert np.abs(np.subtract(got.rgb, given.rgb)).max() <= 3
    assert main(["convert", str(start), str(tmp_path / "z.nii.gz")]) == 0
    np.testing.assert_array_equal(read_mask(tmp_path / "z.nii.gz", volume), mask)


def test_images_keep_values_and_place(tmp_path):
    volume, _ = scan((10, -20, 5))
    start = write_image(tmp_path / "a.nii.gz", volume)
    for name in ("b.nrrd", "c.nii"):
        assert main(["convert", str(start), str(tmp_path / name)]) == 0
        start = tmp_path / name
        again = read_volume(start)
        assert again.array.dtype == np.int16
        np.testing.assert_array_equal(again.array, volume.array)
        assert again.grid.matches(volume.grid)


def test_a_mask_becomes_surfaces_and_a_table(tmp_path, capsys):
    volume, mask = scan()
    start = write_mask(tmp_path / "m.nii.gz", mask, volume)
    assert main(["convert", str(start), str(tmp_path / "m.csv")]) == 0
    assert (tmp_path / "m.csv").read_text(encoding="utf-8").startswith("id,class,slice")
    assert main(["convert", str(start), str(tmp_path / "m.stl"), "--format", "stl-smooth"]) == 0
    assert sorted(p.name for p in tmp_path.glob("*.stl")) == ["m_class-1.stl", "m_class-4.stl"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["m.nii.gz", "m.docx"], "files called .docx are not written"),
        (["m.nii.gz", "m.dcm"], "did not come from DICOM"),
        (["m.nii.gz", "m.nii.gz"], "the same"),
        (["no.nii.gz", "m.nrrd"], "no such file"),
        (["m.nii.gz", "m.nrrd", "--format", "word"], "can't be written as word"),
        (["m.nii.gz", "m.png"], "one slice"),
    ],
)
def test_what_cannot_be_converted_is_said_in_one_line(
    tmp_path, capsys, monkeypatch, arguments, text
):
    volume, mask = scan()
    write_mask(tmp_path / "m.nii.gz", mask, volume)
    monkeypatch.chdir(tmp_path)
    assert main(["convert", *arguments]) == 2
    said = capsys.readouterr().err
    assert text in said
    assert said.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["m.nii.gz"]


@pytest.mark.parametrize("name", ["a.stl", "a.csv"])
def test_an_image_becomes_no_surface_or_table(tmp_path, capsys, name):
    volume, mask = scan()
    image = write_image(tmp_path / "i.nii.gz", volume)
    assert main(["convert", str(image), str(tmp_path / name)]) == 2
    assert "this is an image, and only masks become" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["i.nii.gz"]
    assert main(["convert", str(image), str(tmp_path / name), "--image"]) == 2
    assert "An image can become .nii.gz" in capsys.readouterr().err
    plain = write_image(tmp_path / "m.nii.gz", Volume(mask, volume.grid))
    assert main(["convert", str(plain), str(tmp_path / name)]) == 0


@pytest.mark.parametrize("name", ["a.mha", "a.jpg", "a"])
def test_what_is_not_written_is_told_with_what_is(tmp_path, capsys, name):
    image = write_image(tmp_path / "i.nii.gz", scan()[0])
    assert main(["convert", str(image), str(tmp_path / name)]) == 2
    complaint = capsys.readouterr().err
    assert "are not written. An image can become .nii.gz" in complaint
    assert "a mask also" in complaint
    assert ".stl" in complaint


def test_a_scan_by_way_of_tiff_comes_back_in_its_place(tmp_path):
    volume, _ = scan((10, -20, 5))
    start = write_image(tmp_path / "a.nii.gz", volume)
    for name in ("b.tif", "c.nii.gz"):
        assert main(["convert", str(start), str(tmp_path / name)]) == 0
        start = tmp_path / name
    back = read_volume(start)
    np.testing.assert_allclose(back.grid.affine, volume.grid.affine, atol=1e-5)
    np.testing.assert_array_equal(back.array, volume.array)


def test_nothing_is_replaced_unasked(tmp_path, capsys):
    volume, _ = scan()
    for name in ("a.nrrd", "b.nrrd"):
        write_image(tmp_path / name, volume)
    goal = tmp_path / "a.nii.gz"
    goal.write_bytes(b"mine")
    for command in (("a.nrrd", "a.nii.gz"), ("*.nrrd", "*.nii.gz")):
        arguments = ["convert", *(str(tmp_path / one) for one in command)]
        assert main(arguments) == 2
        err = capsys.readouterr().err
        assert "a.nii.gz is here already. Give another name, or replace by --overwrite" in err
        assert goal.read_bytes() == b"mine"
        assert not (tmp_path / "b.nii.gz").exists()
    assert main([*arguments, "--overwrite"]) == 0
    assert read_volume(goal).array.shape == volume.array.shape
    assert (tmp_path / "b.nii.gz").exists()


def test_a_file_that_cannot_be_read_ends_no_other(tmp_path, capsys):
    volume, mask = scan()
    for name in ("a.nrrd", "c.nrrd"):
        write_image(tmp_path / name, volume)
    (tmp_path / "b.nrrd").write_bytes(b"")
    assert main(["convert", str(tmp_path / "*.nrrd"), str(tmp_path / "*.nii.gz")]) == 1
    err = capsys.readouterr().err
    assert "Failed    b.nrrd: " in err
    assert "1 of 3 files could not be converted" in err
    assert sorted(path.name for path in tmp_path.glob("*.nii.gz")) == ["a.nii.gz", "c.nii.gz"]
    write_mask(tmp_path / "m.nii.gz", mask, volume)
    assert main(["convert", str(tmp_path / "m.nii.gz"), str(tmp_path / "m.stl")]) == 0
    told = capsys.readouterr().out
    assert all(path.name in told for path in tmp_path.glob("m_*.stl"))
    assert len(list(tmp_path.glob("m_*.stl"))) == 2
