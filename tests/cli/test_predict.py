"""`napari-dim predict`: names, geometry, what it refuses; then evaluate and info on the result."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import nrrd
import numpy as np
import pytest
from PIL import Image

from napari_dim.engine.inference import out_of_core as engine
from tests.cli.conftest import AFFINE, SHAPE


@pytest.fixture
def run(cli, cohort, small, tmp_path) -> Path:
    """A run trained just long enough to exist."""
    folder = tmp_path / "run"
    done = cli("fit", cohort, "--out", folder, "--steps", 2, "--config", small)
    assert done.code == 0, done.err
    return folder


def test_the_chain_from_cohort_to_scores(cli, cohort, run, tmp_path):
    out = tmp_path / "masks"
    done = cli("predict", run, cohort, "--out", out)
    assert done.code == 0, done.err
    assert {path.name for path in out.iterdir()} == {"three_dim.nii.gz", "predictions.json"}
    mask, image = nib.load(out / "three_dim.nii.gz"), nib.load(cohort.parent / "three.nii.gz")
    assert mask.shape == image.shape == SHAPE
    np.testing.assert_array_equal(mask.affine, image.affine)
    np.testing.assert_allclose(mask.affine, AFFINE, atol=1e-5)
    assert mask.get_data_dtype() == np.uint8
    assert set(np.unique(mask.dataobj)) <= {0, 1, 2}
    case = json.loads((out / "predictions.json").read_text())["cases"][0]
    assert (case["image"], case["mask"]) == ("three.nii.gz", "three_dim.nii.gz")
    assert len(case["entropy"]) == SHAPE[2]

    scores = tmp_path / "scores.json"
    done = cli("evaluate", cohort, out, "--json", scores)
    assert done.code == 0, done.err
    report = json.loads(scores.read_text())
    assert report["cases"][0]["case"] == "three"
    assert set(report["cases"][0]["classes"]["1"]) == {"dice", "jaccard", "hd95_mm", "asd_mm"}
    assert set(report["by_site"]) == {"south"}

    described = cli("info", out / "three_dim.nii.gz")
    assert described.code == 0
    assert "28 x 24 x 6" in described.out


def test_splits_and_files(cli, cohort, run, tmp_path):
    folder = cohort.parent
    for split, names in (("train", {"one", "two"}), ("all", {"one", "two", "three"})):
        done = cli("predict", run, cohort, "--out", tmp_path / split, "--split", split)
        assert done.code == 0, done.err
        assert {p.name for p in (tmp_path / split).glob("*_dim.nii.gz")} == {
            f"{name}_dim.nii.gz" for name in names
        }
    done = cli(
        "predict", run, folder / "one.nii.gz", folder / "three.nii.gz", "--out", tmp_path / "files",
        "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    events = [json.loads(line) for line in done.out.splitlines()]
    assert [event["event"] for event in events] == ["predicted", "predicted", "finished"]
    for name in ("one", "three"):
        # The way there makes no difference.
        left, right = (
            nib.load(tmp_path / way / f"{name}_dim.nii.gz").dataobj for way in ("all", "files")
        )
        np.testing.assert_array_equal(left, right)


def test_pictures_give_pictures(cli, small, tmp_path):
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:40, :48]
    disc = ((rows - 20) ** 2 + (columns - 24) ** 2 < 100).astype(np.uint8)
    for name in ("a", "b"):
        colours = random.integers(0, 60, (40, 48, 3)) + 120 * disc[..., None]
        Image.fromarray(colours.astype(np.uint8)).save(tmp_path / f"{name}.jpg")
    Image.fromarray(disc * 255).save(tmp_path / "a_mask.png")
    cohort = tmp_path / "cohort.csv"
    cohort.write_text(
        "image,labels,slices,site,split\na.jpg,a_mask.png,all,here,train\nb.jpg,,,there,test\n"
    )
    done = cli("fit", cohort, "--out", tmp_path / "run", "--steps", 2, "--config", small)
    assert done.code == 0, done.err
    done = cli("predict", tmp_path / "run", cohort, "--out", tmp_path / "masks")
    assert done.code == 0, done.err
    mask = np.asarray(Image.open(tmp_path / "masks" / "b_dim.png"))
    assert mask.shape == (40, 48)
    assert set(np.unique(mask)) <= {0, 255}

    # A folder of photographs gives a folder of masks, each as large as its photograph.
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.open(tmp_path / "a.jpg").save(photos / "a.jpg")
    Image.open(tmp_path / "b.jpg").crop((0, 0, 30, 25)).save(photos / "b.jpg")
    done = cli("predict", tmp_path / "run", photos, "--out", tmp_path / "of folder")
    assert done.code == 0, done.err
    out = tmp_path / "of folder" / "photos_dim_masks"
    sizes = {path.name: Image.open(path).size for path in out.iterdir()}
    assert sizes == {"a.png": (48, 40), "b.png": (30, 25)}
    shutil.copytree(out, tmp_path / "reference")
    cohort.write_text("image,labels,slices,site,split\nphotos,reference,,here,test\n")
    scored = cli("evaluate", cohort, tmp_path / "of folder", "--json", tmp_path / "scores.json")
    assert scored.code == 0, scored.err
    assert json.loads((tmp_path / "scores.json").read_text())["mean"]["dice"] == 1


def _damaged_second(cohort: Path) -> list[Path]:
    (cohort.parent / "two.nii.gz").write_bytes(b"damaged")
    return [cohort.parent / "one.nii.gz", cohort.parent / "two.nii.gz"]


def _damaged_both(cohort: Path) -> list[Path]:
    (cohort.parent / "one.nii.gz").write_bytes(b"damaged")
    return [*_damaged_second(cohort), cohort.parent / "three.nii.gz"]


def _channels(cohort: Path) -> list[Path]:
    path = cohort.parent / "two.nii.gz"
    nib.save(nib.Nifti1Image(np.zeros((*SHAPE, 2), np.int16), AFFINE), path)
    return [path]


BAD_INPUTS = {
    "one image twice": (lambda c: [c.parent / "one.nii.gz"] * 2, "is given twice"),
    "second unreadable": (_damaged_second, "two.nii.gz"),
    "two unreadable": (_damaged_both, "2 of 3 images can't be used: one.nii.gz: "),
    "both are named": (_damaged_both, "; two.nii.gz: "),
    "missing": (lambda c: [c.parent / "absent.nii.gz"], "there is no such file"),
    "unknown kind": (lambda c: [c.parent / "notes.docx"], "can't be read"),
    "other channels": (_channels, "2 channels"),
    "cohort and image": (lambda c: [c, c.parent / "one.nii.gz"], "one of them a cohort"),
    "split of files": (lambda c: [c.parent / "one.nii.gz", "--split", "all"], "needs a cohort"),
    "split without cases": (
        lambda c: (c.write_text(c.read_text().replace(",test", ",train")), [c])[1],
        "no test case",
    ),
}


@pytest.mark.parametrize("fault", BAD_INPUTS)
def test_bad_input_gets_one_line_and_leaves_nothing(cli, cohort, run, tmp_path, fault):
    inputs, words = BAD_INPUTS[fault]
    refused = cli("predict", run, *inputs(cohort), "--out", tmp_path / "masks")
    assert refused.code == 2, refused.err
    assert words in refused.complaint
    assert not (tmp_path / "masks").exists()


def test_what_is_no_run(cli, cohort, run, tmp_path):
    image = cohort.parent / "one.nii.gz"
    refused = cli("predict", tmp_path / "nowhere", image, "--out", tmp_path / "masks")
    assert refused.code == 2
    assert "there is no such folder" in refused.complaint
    refused = cli("predict", image, image, "--out", tmp_path / "masks")
    assert "this is a file, not a run folder" in refused.complaint
    weights = run / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    refused = cli("predict", run, image, "--out", tmp_path / "masks")
    assert refused.code == 2
    assert "the file is damaged" in refused.complaint
    assert not (tmp_path / "masks").exists()


def test_an_input_is_never_overwritten(cli, cohort, run):
    folder = cohort.parent
    shutil.move(folder / "three_mask.nii.gz", folder / "three_dim.nii.gz")
    cohort.write_text(cohort.read_text().replace("three_mask", "three_dim"))
    before = (folder / "three_dim.nii.gz").read_bytes()
    refused = cli("predict", run, cohort, "--out", folder)
    assert refused.code == 2
    assert "is an input itself" in refused.complaint
    assert (folder / "three_dim.nii.gz").read_bytes() == before


def test_an_interrupt_keeps_whole_masks(cli, cohort, run, tmp_path, monkeypatch):

    segment, seen = engine.predict, []

    def second_is_interrupted(model, volume, **options):
        seen.append(volume.path.name)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return segment(model, volume, **options)

    monkeypatch.setattr(engine, "predict", second_is_interrupted)
    stopped = cli("predict", run, cohort, "--out", tmp_path / "masks", "--split", "all")
    assert stopped.code == 1
    assert "1 of 3 masks" in stopped.err
    there = sorted(path.name for path in (tmp_path / "masks").iterdir())
    assert there == ["one_dim.nii.gz", "predictions.json"]
    record = json.loads((tmp_path / "masks" / "predictions.json").read_text())
    assert [case["case"] for case in record["cases"]] == ["one"]
    assert nib.load(tmp_path / "masks" / "one_dim.nii.gz").shape == SHAPE


@pytest.mark.parametrize("fault", ["no prediction", "no folder"])
def test_evaluate_refuses_in_one_line(cli, cohort, tmp_path, fault):
    folder = tmp_path / "masks"
    if fault == "no prediction":
        folder.mkdir()
    refused = cli("evaluate", cohort, folder, "--json", tmp_path / "scores.json")
    assert refused.code == 2
    assert "there is no" in refused.complaint
    assert not (tmp_path / "scores.json").exists()


def test_images_of_one_name_are_told_apart_by_their_folders(cli, cohort, run, tmp_path):
    """The names are those of the cohort, whatever split is predicted, and of evaluate."""
    folder, rows = cohort.parent, []
    for number, name in enumerate(("one", "two", "three"), start=1):
        (folder / f"sub-{number:02}").mkdir()
        for suffix in ("", "_mask"):
            source = folder / f"{name}{suffix}.nii.gz"
            source.rename(folder / f"sub-{number:02}" / f"T1w{suffix}.nii.gz")
        split = "train" if number == 1 else "test"
        rows.append(f"sub-{number:02}/T1w.nii.gz,sub-{number:02}/T1w_mask.nii.gz,,A,{split}\n")
    cohort.write_text("image,labels,slices,site,split\n" + "".join(rows))
    out = tmp_path / "masks"
    done = cli("predict", run, cohort, "--out", out)
    assert done.code == 0, done.err
    masks = sorted(path.name for path in out.glob("*.nii.gz"))
    assert masks == ["sub-02_T1w_dim.nii.gz", "sub-03_T1w_dim.nii.gz"]
    done = cli("evaluate", cohort, out, "--json", tmp_path / "scores.json")
    assert done.code == 0, done.err
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert [case["case"] for case in scores["cases"]] == ["sub-02_T1w", "sub-03_T1w"]
    files = [folder / f"sub-{number:02}" / "T1w.nii.gz" for number in (1, 2)]
    done = cli("predict", run, *files, "--out", tmp_path / "files")
    assert done.code == 0, done.err
    masks = sorted(path.name for path in (tmp_path / "files").glob("*.nii.gz"))
    assert masks == ["sub-01_T1w_dim.nii.gz", "sub-02_T1w_dim.nii.gz"]


@pytest.mark.parametrize("form", ["nrrd"])
def test_masks_of_any_format_are_evaluated(cli, cohort, run, tmp_path, form):
    scores = {}
    for name in ("nifti", form):
        out = tmp_path / name
        done = cli("predict", run, cohort, "--out", out, "--format", name)
        assert done.code == 0, done.err
        for left in (True, False):  # without the record, names do
            if not left:
                (out / "predictions.json").unlink()
            done = cli("evaluate", cohort, out, "--json", tmp_path / "scores.json")
            assert done.code == 0, done.err
            scores[name, left] = json.loads((tmp_path / "scores.json").read_text())
    assert len({json.dumps(one["cases"][0]["classes"]) for one in scores.values()}) == 1


def test_masks_without_voxels_are_not_evaluated(cli, cohort, run, tmp_path):
    assert cli("predict", run, cohort, "--out", tmp_path / "m", "--format", "csv").code == 0
    refused = cli("evaluate", cohort, tmp_path / "m")
    assert refused.code == 2
    assert "holds no voxels to compare. Run predict again with --format" in refused.complaint


def test_other_formats(cli, cohort, run, tmp_path):
    image = cohort.parent / "three.nii.gz"
    plain = tmp_path / "plain"
    assert cli("predict", run, image, "--out", plain).code == 0
    expected = np.asanyarray(nib.load(plain / "three_dim.nii.gz").dataobj)
    names = {"nrrd": "three_dim.seg.nrrd", "csv": "three_dim.csv", "tiff": "three_dim.tif"}
    for form, name in names.items():
        done = cli("predict", run, image, "--out", tmp_path / form, "--format", form)
        assert done.code == 0, done.err
        assert (tmp_path / form / name).is_file()
    data, _ = nrrd.read(str(tmp_path / "nrrd" / "three_dim.seg.nrrd"))
    np.testing.assert_array_equal(data, expected)
    done = cli("predict", run, image, "--out", tmp_path / "x", "--format", "docx")
    assert done.code == 2
    assert "can't be written as docx" in done.complaint


def test_labels_into_an_ome_zarr_image(cli, cohort, run, tmp_path):
    """Block by block, and by way of a file: the same as in memory."""
    from napari_dim.io import read_mask, read_volume, write_image
    from napari_dim.volume import Grid, Volume

    grid = Grid((24, 28, 6), np.diag([-1.2, -1.2, 3.0, 1.0]), 2)
    array = np.asanyarray(nib.load(cohort.parent / "three.nii.gz").dataobj)
    volume = Volume(np.ascontiguousarray(array.transpose(2, 0, 1)), grid)
    store = write_image(tmp_path / "scan.zarr", volume)
    lying = write_image(tmp_path / "scan.nii.gz", volume)
    done = cli("predict", run, lying, "--out", tmp_path / "n")
    assert done.code == 0, done.err
    done = cli("predict", run, store, "--out", store / "labels", "--format", "zarr")
    assert done.code == 0, done.err
    expected = read_mask(tmp_path / "n" / "scan_dim.nii.gz", read_volume(lying))
    np.testing.assert_array_equal(read_mask(store / "labels" / "dim", read_volume(store)), expected)
    assert expected.any()
    done = cli("predict", run, store, "--out", tmp_path / "o", "--format", "nifti")
    assert done.code == 0, done.err
    found = read_mask(tmp_path / "o" / "scan_dim.nii.gz", read_volume(lying))
    np.testing.assert_array_equal(found, expected)


@pytest.fixture
def other(cli, cohort, small, tmp_path) -> Path:
    """A run of other weights."""
    folder = tmp_path / "other"
    done = cli("fit", cohort, "--out", folder, "--steps", 1, "--config", small, "--seed", 5)
    assert done.code == 0, done.err
    return folder


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _models(folder: Path) -> dict[str, str]:
    """The model of each mask that the folder tells of."""
    summary = json.loads((folder / "predictions.json").read_text())
    assert {one["model"] for one in summary["cases"]} <= set(summary["models"])
    return {one["case"]: one["model"] for one in summary["cases"]}


def test_masks_of_another_model_are_replaced_only_where_that_is_asked_for(
    cli, cohort, run, other, tmp_path, monkeypatch
):

    out = tmp_path / "masks"
    assert cli("predict", run, cohort, "--out", out, "--split", "all").code == 0
    before, (first,) = _files(out), set(_models(out).values())
    refused = cli("predict", other, cohort, "--out", out)
    assert refused.code == 2
    assert f"3 masks of model {first[:8]} (dim, seed 0, trained 20" in refused.complaint
    assert "--overwrite" in refused.complaint
    assert _files(out) == before

    segment, seen = engine.predict, []

    def second_is_interrupted(model, volume, **options):
        seen.append(volume.path.name)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return segment(model, volume, **options)

    command = ("predict", other, cohort, "--out", out, "--split", "all", "--overwrite")
    with monkeypatch.context() as patch:
        patch.setattr(engine, "predict", second_is_interrupted)
        assert cli(*command).code == 1
    models = _models(out)
    assert models["one"] != models["two"] == models["three"] == first
    scored = cli("evaluate", cohort, out, "--split", "all")
    assert scored.code == 0, scored.err
    assert "not all of one model: 1 of model" in scored.err
    assert cli("evaluate", cohort, out, "--split", "all", "--json", tmp_path / "s.json").code == 0
    report = json.loads((tmp_path / "s.json").read_text())
    assert {case["case"]: case["model"] for case in report["cases"]} == {
        name: models[name]
        for name in ("one", "three")  # there is no reference of two
    }
    assert {*report["models"]} == {*models.values()}
    assert all(about["system"] == "dim" for about in report["models"].values())
    assert f"1 of model {first[:8]}" in scored.err

    done = cli(*command)
    assert "Wrote 2 masks" in done.out
    assert "1 had been written by this model before" in done.out
    assert len(set(_models(out).values())) == 1
    assert first not in _models(out).values()
    assert "model" not in cli("evaluate", cohort, out, "--split", "all").err
    done = cli("predict", run, cohort, "--out", out, "--overwrite")
    assert done.code == 0
    assert f"2 masks of other models stay in {out}" in done.err


def test_the_same_model_goes_on_in_its_folder(cli, cohort, run, tmp_path, monkeypatch):
    from napari_dim.engine.inference.prediction_summary import Predictions

    out = tmp_path / "masks"
    with monkeypatch.context() as patch:  # as if it were killed before it could tell of a mask
        patch.setattr(Predictions, "add", lambda self, entry: None)
        patch.setattr(Predictions, "end", lambda self: None)
        assert cli("predict", run, cohort, "--out", out).code == 0
    assert _models(out) == {}
    assert cli("predict", run, cohort, "--out", out).code == 0
    assert list(_models(out)) == ["three"]
    (out / "three_dim.nii.gz").write_bytes(b"corrected by hand")
    done = cli("predict", run, cohort, "--out", out, "--split", "all")
    assert "Wrote 2 masks" in done.out
    assert "1 had been written by this model before" in done.out
    assert "three_dim.nii.gz changed since this model wrote it, and left as it is" in done.err
    cases = json.loads((out / "predictions.json").read_text())["cases"]
    assert [one["case"] for one in cases if one.get("changed_since")] == ["three"]
    assert sorted(_models(out)) == ["one", "three", "two"]
    nib.save(nib.load(out / "one_dim.nii.gz"), out / "three_dim.nii.gz")  # a mask, but another
    scored = cli("evaluate", cohort, out, "--json", tmp_path / "s.json")
    assert "the mask of three is not as the model wrote it" in scored.err
    (case,) = json.loads((tmp_path / "s.json").read_text())["cases"]
    assert case["changed_since"]
    (out / "three_dim.nii.gz").write_bytes(b"corrected by hand")
    assert (out / "three_dim.nii.gz").read_bytes() == b"corrected by hand"
    assert "Wrote 1 mask" in cli("predict", run, cohort, "--out", out, "--overwrite").out
    assert (out / "three_dim.nii.gz").read_bytes() != b"corrected by hand"
    (out / "three_dim.nii.gz").write_bytes(b"corrected by hand")
    shutil.copy(cohort.parent / "two.nii.gz", cohort.parent / "three.nii.gz")  # another image
    refused = cli("predict", run, cohort, "--out", out)
    assert refused.code == 2
    assert "three_dim.nii.gz is here already, from another three.nii.gz than" in refused.complaint
    assert (out / "three_dim.nii.gz").read_bytes() == b"corrected by hand"
    assert "Wrote 1 mask" in cli("predict", run, cohort, "--out", out, "--overwrite").out
    assert (out / "three_dim.nii.gz").read_bytes() != b"corrected by hand"


def test_surfaces_are_a_file_a_class_and_of_nothing_none(cli, cohort, run, tmp_path, monkeypatch):
    segment, out = engine.predict, tmp_path / "masks"

    def by_case(model, volume, **options):
        found = segment(model, volume, **options)
        mask = np.zeros_like(found.mask)
        if volume.path.name != "two.nii.gz":
            mask[2:4, 4:9, 4:9] = 1
        if volume.path.name == lost[-1]:
            mask[3:5, 12:16, 4:9] = 2
        return replace(found, mask=mask)

    monkeypatch.setattr(engine, "predict", by_case)
    lost = ["one.nii.gz"]
    command = ("predict", run, cohort, "--out", out, "--split", "all", "--format", "stl")
    done = cli(*command)
    assert done.code == 0, done.err
    assert "two_dim.stl is empty" in done.err
    surfaces = {"one_dim_class-1.stl", "one_dim_class-2.stl", "three_dim.stl"}
    assert {path.name for path in out.glob("*.stl")} == surfaces
    told = {one["case"]: one for one in json.loads((out / "predictions.json").read_text())["cases"]}
    assert told["one"]["files"] == ["one_dim_class-1.stl", "one_dim_class-2.stl"]
    assert told["two"]["files"] == []
    assert "files" not in told["three"]
    assert "3 had been written by this model before" in cli(*command).out
    (out / "one_dim_class-2.stl").write_bytes(b"smoothed by hand")
    assert "one_dim.stl changed since" in cli(*command).err
    lost.append("")
    assert "Wrote 1 mask" in cli(*command, "--overwrite").out
    assert {path.name for path in out.glob("*.stl")} == {"one_dim.stl", "three_dim.stl"}


def test_an_interrupt_before_the_first_mask_leaves_no_folder(
    cli, cohort, run, tmp_path, monkeypatch
):
    def interrupted(model, volume, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(engine, "predict", interrupted)
    done = cli("predict", run, cohort, "--out", tmp_path / "masks")
    assert done.code == 1
    assert "0 of 1 mask written" in done.err
    assert not (tmp_path / "masks").exists()
    (tmp_path / "mine").mkdir()
    assert cli("predict", run, cohort, "--out", tmp_path / "mine").code == 1
    assert (tmp_path / "mine").is_dir()


def test_masks_that_show_nothing_are_named(cli, cohort, run, tmp_path, monkeypatch):
    segment = engine.predict

    def nothing_in_two(model, volume, **options):
        found = segment(model, volume, **options)
        mask = found.mask * 0 if volume.path.name == "two.nii.gz" else found.mask * 0 + 1
        return replace(found, mask=mask)

    monkeypatch.setattr(engine, "predict", nothing_in_two)
    done = cli("predict", run, cohort, "--out", tmp_path / "masks", "--split", "all")
    assert done.code == 0, done.err
    assert "Note      two_dim.nii.gz is empty: no class was found anywhere" in done.err
    cases = json.loads((tmp_path / "masks" / "predictions.json").read_text())["cases"]
    assert [one["case"] for one in cases if one["empty"]] == ["two"]


@pytest.mark.parametrize(
    ("end", "words"),
    [("", "has not come to its end after 2 steps"), ("stopped", "was stopped after 2 steps"),
     ("failed", "failed after 2 steps"), ("steps", "")],
)  # fmt: skip
def test_a_run_that_did_not_come_to_its_end_is_told(cli, cohort, run, tmp_path, end, words):
    record = json.loads((run / "run.json").read_text()) | {"end": end}
    (run / "run.json").write_text(json.dumps(record))
    done = cli("predict", run, cohort, "--out", tmp_path / "masks")
    assert done.code == 0, done.err
    assert ("the training of this run" in done.err) == bool(words)
    assert words in done.err


def test_masks_that_nothing_tells_of_are_not_replaced_unasked(cli, cohort, run, tmp_path):
    out = tmp_path / "masks"
    out.mkdir()
    (out / "three_dim.nii.gz").write_bytes(b"of somebody")
    refused = cli("predict", run, cohort, "--out", out)
    assert refused.code == 2
    assert "three_dim.nii.gz is here already, and nothing tells which model" in refused.complaint
    assert _files(out) == {"three_dim.nii.gz": b"of somebody"}
    assert cli("predict", run, cohort, "--out", out, "--overwrite").code == 0
    assert list(_models(out)) == ["three"]
