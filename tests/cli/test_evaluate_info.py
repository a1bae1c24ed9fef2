from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from napari_dim.cli import main

HEADER = "image,labels,slices,site,split\n"


@pytest.fixture
def folder(tmp_path):
    affine = np.diag([-0.5, 0.5, 3, 1])
    mask = np.zeros((10, 12, 6), np.uint8)
    mask[2:7, 3:9, 1:4] = 1
    mask[3:5, 4:6, 2] = 2
    (tmp_path / "p").mkdir()
    for name in ("a.nii.gz", "m.nii.gz", "p/a_dim.nii.gz"):
        nib.Nifti1Image(mask, affine).to_filename(tmp_path / name)
    (tmp_path / "cohort.csv").write_text(HEADER + "a.nii.gz,m.nii.gz,,A,test\n")
    return tmp_path


def test_evaluate_prints_a_table_and_writes_json(folder, capsys):
    out = folder / "scores.json"
    assert main(["evaluate", f"{folder}/cohort.csv", f"{folder}/p", "--json", str(out)]) == 0
    text = capsys.readouterr().out
    assert "HD95 (mm)" in text
    assert "1.000" in text
    report = json.loads(out.read_text())
    assert list(report["cases"][0]["classes"]) == ["1", "2"]
    assert report["mean"]["dice"] == 1


def test_of_pictures_what_was_told_before_is_not_told_again(tmp_path, capsys):
    """That it is turned is no news of a prediction, which lies on what viewers show."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((6, 8, 4), np.uint8)).save(tmp_path / "a.png", exif=exif)
    (tmp_path / "p").mkdir()
    for name in ("m.png", "p/a_dim.png"):
        Image.fromarray(np.eye(8, 6, dtype=np.uint8)).save(tmp_path / name)
    (tmp_path / "c.csv").write_text(HEADER + "a.png,m.png,,A,test\n")
    assert main(["evaluate", f"{tmp_path}/c.csv", f"{tmp_path}/p"]) == 0
    err = capsys.readouterr().err
    (note,) = [line for line in err.splitlines() if "Note" in line]
    assert "m.png: the picture is turned by 90 degrees" in note


def test_evaluate_merges(folder):
    out = folder / "scores.json"
    arguments = ["evaluate", f"{folder}/cohort.csv", f"{folder}/p", "--merge", "1,2=1"]
    assert main([*arguments, "--json", str(out)]) == 0
    assert list(json.loads(out.read_text())["mean"]["classes"]) == ["1"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["none.csv", "p"], "none.csv"),
        (["cohort.csv", "none"], "no such folder"),
        (["cohort.csv", "p", "--split", "train"], "no train case"),
        (["cohort.csv", "p", "--merge", "1-2"], "no merge"),
        (["cohort.csv", "p", "--merge", "1,2=0"], "0 is the background"),
        (["cohort.csv", "p", "--json", "p"], "this is a folder"),
        (["cohort.csv", "."], "no prediction a_dim.nii.gz"),
        (["cohort.csv", "p", "--json", "none/s.json"], "folder does not exist"),
    ],
)
def test_evaluate_refuses_in_one_line(folder, monkeypatch, capsys, arguments, text):
    monkeypatch.chdir(folder)
    before = sorted(folder.rglob("*"))
    assert main(["evaluate", *arguments]) == 2
    error = capsys.readouterr().err
    assert text in error
    assert error.count("\n") == 1
    assert sorted(folder.rglob("*")) == before


def test_info_of_a_volume(folder, capsys):
    assert main(["info", f"{folder}/m.nii.gz"]) == 0
    lines = {line[:12].strip(): line[12:].strip() for line in capsys.readouterr().out.splitlines()}
    assert lines["orientation"] == "LAS, axial slices along axis 2"
    assert lines["slices"] == "6 of 12 x 10 (rows x columns)"
    assert lines["handedness"] == "left"
    assert lines["spacing"] == "3 x 0.5 x 0.5 mm (slice x row x column)"
    assert lines["type"] == "uint8"
    assert lines["values"] == "0 1 2"


def test_info_of_a_picture(tmp_path, capsys):
    Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(tmp_path / "a.png")
    assert main(["info", f"{tmp_path}/a.png"]) == 0
    text = capsys.readouterr().out
    assert "picture, 3 channels" in text
    assert "1 x 1 pixel (row x column)" in text
    assert main(["info", f"{tmp_path}/none.png"]) == 2
