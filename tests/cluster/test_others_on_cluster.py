"""`evaluate`, `convert` and `compare` with ``--cluster``: what one process gives, and by URL."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from tests.cluster.conftest import SCANS
from tests.compare import folders


@pytest.fixture(scope="module")
def masks(home) -> Path:
    """Masks that are the references, but for one row of each."""
    folder = home / "drawn"
    folder.mkdir()
    for number in range(SCANS):
        mask = nib.load(home / "data" / f"s{number}_mask.nii.gz")
        ids = np.asarray(mask.dataobj).copy()
        ids[:, 12 + number] = 0
        nib.save(nib.Nifti1Image(ids, mask.affine), folder / f"s{number}_dim.nii.gz")
    return folder


def test_scores_of_workers_are_those_of_one_process(cli, home, masks, scheduler, tmp_path):
    cohort = home / "data" / "scans.csv"
    options = (cohort, masks, "--merge", "1,2=1")
    alone, many = tmp_path / "alone.json", tmp_path / "many.json"
    assert cli("evaluate", *options, "--json", alone).code == 0
    command = ("evaluate", *options, "--json", many, "--cluster", scheduler, "--batch", 2)
    first = cli(*command)
    assert first.code == 0, first.err
    assert json.loads(many.read_text()) == json.loads(alone.read_text())

    # A case whose mask has changed is scored again, the others are not.
    shutil.copytree(masks, tmp_path / "masks")
    options = (cohort, tmp_path / "masks", "--merge", "1,2=1")
    command = ("evaluate", *options, "--json", many, "--cluster", scheduler)
    reference = home / "data" / "s2_mask.nii.gz"
    shutil.copy(reference, tmp_path / "masks" / "s2_dim.nii.gz")
    done = cli(*command)
    assert done.code == 0, done.err
    assert f"{SCANS - 1} cases had been done before" in done.err
    assert json.loads(many.read_text())["cases"][2]["classes"]["1"]["dice"] == 1.0


def test_a_case_without_a_mask_ends_in_no_report(cli, home, masks, scheduler, tmp_path):
    shutil.copytree(masks, tmp_path / "masks")
    (tmp_path / "masks" / "s1_dim.nii.gz").unlink()
    target = tmp_path / "scores.json"
    done = cli("evaluate", home / "data" / "scans.csv", tmp_path / "masks", "--json", target,
               "--cluster", scheduler)  # fmt: skip
    assert done.code == 1
    assert "1 case could not be compared: s1: " in done.err.splitlines()[-1]
    assert not target.exists()


@pytest.mark.slow
def test_masks_and_reports_in_a_store(cli, home, masks, scheduler, s3, tmp_path):
    for path in [*(home / "data").iterdir(), *masks.iterdir()]:
        s3.upload_file(str(path), "scans", f"study/{path.parent.name}/{path.name}")
    done = cli("evaluate", "s3://scans/study/data/scans.csv", "s3://scans/study/drawn",
               "--json", "s3://scans/study/scores.json", "--cluster", scheduler)  # fmt: skip
    assert done.code == 0, done.err
    found = s3.get_object(Bucket="scans", Key="study/scores.json")["Body"].read()
    alone = tmp_path / "alone.json"
    assert cli("evaluate", home / "data" / "scans.csv", masks, "--json", alone).code == 0
    assert json.loads(found) == json.loads(alone.read_text())


def test_many_files_are_converted(cli, home, masks, scheduler, s3, tmp_path):
    source, out = f"{masks}/*_dim.nii.gz", tmp_path / "out"
    done = cli("convert", source, f"{out}/*.seg.nrrd", "--cluster", scheduler)
    assert done.code == 0, done.err
    assert {path.name for path in out.iterdir() if path.is_file()} == {
        f"s{number}.seg.nrrd" for number in range(SCANS)
    }
    done = cli("convert", out / "s1.seg.nrrd", tmp_path / "back.nii.gz")
    assert done.code == 0, done.err
    back, mask = nib.load(tmp_path / "back.nii.gz"), nib.load(masks / "s1_dim.nii.gz")
    np.testing.assert_array_equal(np.asarray(back.dataobj), np.asarray(mask.dataobj))

    again = cli("convert", source, f"{out}/*.seg.nrrd", "--cluster", scheduler)
    assert f"{SCANS} cases had been done before" in again.err

    for path in masks.iterdir():
        s3.upload_file(str(path), "scans", f"drawn/{path.name}")
    done = cli("convert", "s3://scans/drawn/*_dim.nii.gz", "s3://scans/nrrd/*.nrrd",
               "--mask", "--cluster", scheduler)  # fmt: skip
    assert done.code == 0, done.err
    listed = s3.list_objects_v2(Bucket="scans", Prefix="nrrd/s")["Contents"]
    assert len(listed) == SCANS
    s3.put_object(Bucket="scans", Key="other/s1.nrrd", Body=b"mine")
    refused = cli("convert", "s3://scans/drawn/*_dim.nii.gz", "s3://scans/other/*.nrrd",
                  "--mask", "--cluster", scheduler)  # fmt: skip
    assert refused.code == 2
    assert "s1.nrrd is here already" in refused.err
    listed = s3.list_objects_v2(Bucket="scans", Prefix="other/")["Contents"]
    assert [one["Key"] for one in listed] == ["other/s1.nrrd"]


def test_stars_that_fit_nothing_are_refused(cli, masks, tmp_path):
    done = cli("convert", f"{masks}/*.nii.gz", tmp_path / "one.nrrd")
    assert (done.code, "SRC and DST need one * each" in done.complaint) == (2, True)
    done = cli("convert", f"{masks}/*.mha", f"{tmp_path}/*.nrrd")
    assert (done.code, "nothing is called so" in done.complaint) == (2, True)


@pytest.mark.slow
def test_runs_are_compared_and_made_once(cli, scheduler, tmp_path, monkeypatch):
    data, out = folders.centres(tmp_path / "data"), tmp_path / "out"
    # Figures are drawn here, not by workers, and have tests of their own.
    monkeypatch.setattr("napari_dim.compare.figures.write_figures", lambda *given: [])
    command = ("compare", data, "--out", out, "--scale", "smoke", "--count", 2, "--seeds", 0,
               "--device", "cpu", "--systems", "supervised", "--cluster", scheduler)  # fmt: skip
    done = cli(*command)
    assert done.code == 0, done.err
    records = {path.name: path.read_bytes() for path in (out / "trainings").iterdir()}
    assert set(records) == {
        "supervised--north--seed0.json", "supervised--south--seed0.json",
    }  # fmt: skip
    table = (out / "tables" / "table2.md").read_text()
    assert re.search(r"\| 2 \| \d", table), table  # of two labelled slices, a number
    record = json.loads(records["supervised--south--seed0.json"])
    assert record["labelled"] == ["south-train-0", "south-train-1"]

    (out / "trainings" / "supervised--south--seed0.json").unlink()
    done = cli(*command)
    assert done.code == 0, done.err
    assert "1 run of 6 steps to make, 1 are there" in done.err
    assert json.loads((out / "trainings" / "supervised--south--seed0.json").read_text())["spec"]
    north = out / "trainings" / "supervised--north--seed0.json"
    assert north.read_bytes() == records[north.name]


@pytest.mark.slow
def test_a_comparison_lies_in_a_store_and_goes_on_there(cli, scheduler, s3, tmp_path, monkeypatch):
    monkeypatch.setattr("napari_dim.compare.figures.write_figures", lambda *given: [])
    data = folders.centres(tmp_path / "data")
    for path in sorted(path for path in data.parent.rglob("*") if path.is_file()):
        s3.upload_file(str(path), "scans", f"compared/{path.relative_to(data.parent).as_posix()}")
    there = f"s3://scans/compared/{data.name}"
    command = ("compare", there, "--out", "s3://scans/out", "--scale", "smoke", "--count", 2,
               "--seeds", 0, "--device", "cpu", "--systems", "supervised",
               "--cluster", scheduler)  # fmt: skip
    done = cli(*command)
    assert done.code == 0, done.err
    kept = {each["Key"] for each in s3.list_objects_v2(Bucket="scans", Prefix="out/")["Contents"]}
    runs = {f"out/trainings/supervised--{site}--seed0.json" for site in ("north", "south")}
    assert runs <= kept
    table = s3.get_object(Bucket="scans", Key="out/tables/table2.md")["Body"].read().decode()
    assert re.search(r"\| 2 \| \d", table), table

    s3.delete_object(Bucket="scans", Key="out/trainings/supervised--south--seed0.json")
    done = cli(*command)
    assert done.code == 0, done.err
    assert "1 run of 6 steps to make, 1 are there" in done.err
    assert s3.get_object(Bucket="scans", Key="out/trainings/supervised--south--seed0.json")
