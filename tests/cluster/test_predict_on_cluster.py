"""`napari-dim predict --cluster`: real workers, and files by URL."""

from __future__ import annotations

import json
import shutil

import nibabel as nib
import numpy as np
import pytest

from tests.cluster.conftest import SCANS

NAMES = {f"s{number}_dim.nii.gz" for number in range(SCANS)}


def entries(text: str) -> list[dict]:
    """What `predictions.json` says of each case, but for what differs between two runs."""
    return [{**one, "seconds": None} for one in json.loads(text)["cases"]]


@pytest.fixture(scope="module")
def alone(home):
    """The masks of one process."""
    from napari_dim.cli import main

    out = home / "alone"
    arguments = ("predict", home / "run", home / "data" / "scans.csv", "--out", out)
    assert main([str(argument) for argument in arguments]) == 0
    return out


def test_workers_give_what_one_process_gives(cli, home, alone, scheduler, tmp_path):
    out = tmp_path / "masks"
    command = ("predict", home / "run", home / "data" / "scans.csv", "--out", out,
               "--cluster", scheduler)  # fmt: skip
    done = cli(*command)
    assert done.code == 0, done.err
    assert "2 workers, at most 1.50 GiB of memory each" in done.err
    assert {path.name for path in out.glob("*.nii.gz")} == NAMES
    assert entries((out / "predictions.json").read_text()) == entries(
        (alone / "predictions.json").read_text()
    )
    for name in NAMES:
        mine, theirs = nib.load(out / name), nib.load(alone / name)
        np.testing.assert_array_equal(mine.dataobj, theirs.dataobj)
        np.testing.assert_array_equal(mine.affine, theirs.affine)

    # The same command does what is missing alone, and keeps what a person changed.
    (out / "s1_dim.nii.gz").unlink()
    (out / "s2_dim.nii.gz").write_bytes(b"mine")
    done = cli(*command)
    assert done.code == 0, done.err
    assert f"{SCANS - 1} cases had been done before" in done.err
    assert "Wrote 1 mask to" in done.out
    assert "s2_dim.nii.gz changed since this model wrote it, and left as it is" in done.err
    told = json.loads((out / "predictions.json").read_text())["cases"]
    assert [one["case"] for one in told if one.get("changed_since")] == ["s2"]
    assert (out / "s1_dim.nii.gz").exists()
    assert (out / "s2_dim.nii.gz").read_bytes() == b"mine"
    assert len(entries((out / "predictions.json").read_text())) == SCANS

    # Another model's masks don't come among them unasked, nor do they pass for this one's.
    other = tmp_path / "other"
    shutil.copytree(home / "run", other)
    from napari_dim.engine.inference.trained_model import Model

    Model.new(*(getattr(Model.load(other), name) for name in (
        "settings", "classes", "channels", "context", "grid", "record"
    ))).save(other)  # fmt: skip
    refused = cli("predict", other, *command[2:])
    assert refused.code == 2
    assert f"{SCANS} masks of model" in refused.err
    assert "--overwrite" in refused.err
    one = ("predict", other, home / "data" / "s2.nii.gz", "--out", out, "--overwrite")
    assert cli(*one).code == 0
    done = cli(*command, "--overwrite")
    assert done.code == 0, done.err
    assert f"{SCANS - 1} cases had been done before" in done.err
    assert (out / "s2_dim.nii.gz").read_bytes() == (alone / "s2_dim.nii.gz").read_bytes()


def test_a_scan_that_cannot_be_used_is_told_and_ends_no_other(cli, home, scheduler, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(home / "data", data)
    (data / "s1.nii.gz").write_bytes((data / "s1.nii.gz").read_bytes()[:300])
    out = tmp_path / "masks"
    command = ("predict", home / "run", data / "scans.csv", "--out", out, "--cluster", scheduler)
    done = cli(*command)
    assert done.code == 1
    assert "1 case could not be predicted: s1: " in done.err.splitlines()[-1]
    assert {path.name for path in out.glob("*.nii.gz")} == NAMES - {"s1_dim.nii.gz"}

    shutil.copy(home / "data" / "s1.nii.gz", data)  # mended, it is done
    done = cli(*command)
    assert done.code == 0, done.err
    assert {path.name for path in out.glob("*.nii.gz")} == NAMES


def test_files_in_an_s3_store(cli, home, alone, scheduler, s3):
    for path in [*(home / "data").iterdir(), *(home / "run").glob("*.*")]:
        if path.is_file():
            key = f"{path.parent.name}/{path.name}"
            s3.upload_file(str(path), "scans", key)
    done = cli("predict", "s3://scans/run", "s3://scans/data/scans.csv", "--out",
               "s3://scans/masks", "--cluster", scheduler)  # fmt: skip
    assert done.code == 0, done.err
    listed = s3.list_objects_v2(Bucket="scans", Prefix="masks/")["Contents"]
    names = {one["Key"].removeprefix("masks/") for one in listed}
    assert {name for name in names if not name.startswith(".done/")} == NAMES | {"predictions.json"}
    summary = s3.get_object(Bucket="scans", Key="masks/predictions.json")["Body"].read()
    assert entries(summary) == entries((alone / "predictions.json").read_text())
    mask = s3.get_object(Bucket="scans", Key="masks/s0_dim.nii.gz")["Body"].read()
    assert mask == (alone / "s0_dim.nii.gz").read_bytes()

    done = cli("predict", "s3://scans/run", "s3://scans/data/s0.nii.gz", "--out",
               "s3://scans/masks", "--cluster", scheduler)  # fmt: skip
    assert done.code == 0, done.err
    assert "1 case had been done before" in done.err


def test_files_in_memory_and_by_file_url(cli, home, alone):
    import fsspec

    memory = fsspec.filesystem("memory")
    for path in (home / "data").iterdir():
        memory.pipe_file(f"/data/{path.name}", path.read_bytes())
    done = cli("predict", f"file://{home / 'run'}", "memory://data/scans.csv", "--out",
               "memory://masks", "--cluster", "local:1")  # fmt: skip
    assert done.code == 0, done.err
    assert "1 worker, memory not bounded" in done.err
    names = {name.rsplit("/", 1)[-1] for name in memory.ls("/masks", detail=False)}
    assert names == NAMES | {"predictions.json", ".done"}
    mask = memory.cat_file("/masks/s3_dim.nii.gz")
    assert mask == (alone / "s3_dim.nii.gz").read_bytes()


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("tcp://192.0.2.7:8786", "would not be encrypted. Use tls://192.0.2.7:8786"),
        ("nowhere", "this is no scheduler's address"),
        ("tcp://127.0.0.1:9", "no scheduler answers there"),
    ],
)
def test_addresses_that_cannot_be_used(cli, home, tmp_path, monkeypatch, address, words):
    monkeypatch.setattr("napari_dim.cluster.connection.ANSWERS_WITHIN", 1.0)
    out = tmp_path / "masks"
    done = cli("predict", home / "run", home / "data" / "s0.nii.gz", "--out", out,
               "--cluster", address)  # fmt: skip
    assert done.code == 2
    assert words in done.complaint
    assert not out.exists()


def test_urls_need_a_cluster_and_memory_needs_this_process(cli, home, tmp_path, scheduler):
    run = home / "run"
    done = cli("predict", run, "s3://scans/data/s0.nii.gz", "--out", tmp_path / "masks")
    assert (done.code, "Add --cluster local" in done.complaint) == (2, True)
    done = cli("predict", run, home / "data" / "s0.nii.gz", "--out", "memory://masks2",
               "--cluster", scheduler)  # fmt: skip
    assert done.code == 2
    assert "memory:// lies in this process" in done.complaint


def test_other_versions_are_refused(cli, home, tmp_path, scheduler, monkeypatch):
    monkeypatch.setattr("napari_dim.cluster.versions.__version__", "0.0.1")
    done = cli("predict", home / "run", home / "data" / "s0.nii.gz", "--out", tmp_path / "masks",
               "--cluster", scheduler)  # fmt: skip
    assert done.code == 2
    assert "and 0.0.1 here. Install the same version at both ends" in done.complaint
