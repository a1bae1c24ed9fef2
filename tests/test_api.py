"""`import napari_dim`: the whole way from images to scores, and that nothing fails in silence."""

from __future__ import annotations

import csv
import json
import signal
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import napari_dim
from napari_dim.engine.training.events import StepDone
from napari_dim.io import read_mask, read_volume
from tests.cli.conftest import AFFINE, SHAPE, write_cohort

SMALL = {"width": 4, "min_size": 32, "labelled_batch": 2, "unlabelled_batch": 2, "device": "cpu"}
RUN_FILES = {"weights.safetensors", "settings.json", "run.json", "losses.csv", "train.log"}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Path:
    return write_cohort(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def run(cohort, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    napari_dim.fit(cohort, run=folder, steps=3, seed=7, **SMALL)
    return folder


def test_from_a_cohort_to_scores(cohort, run, tmp_path, capfd):
    model = napari_dim.load_model(run)
    assert repr(model) == "<Model dim, resunet-wide, classes 1, 2, 3 steps>"
    image = cohort.parent / "three.nii.gz"
    mask = napari_dim.predict(model, image, out=tmp_path / "three.nii.gz")
    written = nib.load(tmp_path / "three.nii.gz")
    assert written.shape == SHAPE
    np.testing.assert_allclose(written.affine, AFFINE, atol=1e-5)
    np.testing.assert_array_equal(read_mask(tmp_path / "three.nii.gz", read_volume(image)), mask)
    assert mask.spacing == read_volume(image).spacing
    np.testing.assert_array_equal(mask.affine, read_volume(image).grid.affine)
    assert mask.entropy.shape == (SHAPE[2],)
    assert "6 x 24 x 28" in repr(mask)
    kept = napari_dim.predict_cohort(run, cohort)
    files = napari_dim.predict_cohort(run, str(cohort), out=tmp_path / "masks")
    np.testing.assert_array_equal(kept["three"], mask)
    other = napari_dim.fit(cohort, steps=1, seed=3, **SMALL)
    before = files["three"].read_bytes()
    with pytest.raises(napari_dim.InputError, match=r"1 mask of model .* by overwrite"):
        napari_dim.predict_cohort(other, cohort, out=tmp_path / "masks")
    assert files["three"].read_bytes() == before
    napari_dim.predict_cohort(other, cohort, out=tmp_path / "masks", overwrite=True)
    napari_dim.predict_cohort(run, cohort, out=tmp_path / "masks", overwrite=True)
    assert files == {"three": tmp_path / "masks" / "three_dim.nii.gz"}
    tables = [
        napari_dim.evaluate(cohort, given)
        for given in (tmp_path / "masks", files, kept, [mask], {"three": np.asarray(mask)})
    ]
    for table in tables[1:]:
        assert table.report["mean"] == tables[0].report["mean"]
        assert table.report["by_site"] == tables[0].report["by_site"]
    (case,) = tables[0].report["cases"]
    assert case["model"] in tables[0].report["models"]  # a folder tells who made its masks
    table = tables[0]
    assert [row["class"] for row in table] == [1, 2]
    assert set(table.mean) == {"dice", "jaccard", "hd95_mm", "asd_mm"}
    assert table.by_site["south"] == table.mean
    assert repr(table).splitlines()[0].split()[:4] == ["case", "site", "class", "dice"]
    assert table._repr_html_().count("<tr>") == 1 + len(table) + 1
    table.save(tmp_path / "scores.json")
    assert json.loads((tmp_path / "scores.json").read_text()) == table.report
    merged = napari_dim.evaluate(cohort, kept, merge={1: 1, 2: 1})
    assert merged.report["merged"] == {"1": 1, "2": 1}
    assert capfd.readouterr().out == ""


def test_a_run_from_python_is_that_of_the_command_line(cohort, run, tmp_path):
    from napari_dim.cli import main

    config = tmp_path / "small.json"
    config.write_text(json.dumps(SMALL))
    other = tmp_path / "other"
    line = ["fit", cohort, "--out", other, "--steps", 3, "--seed", 7, "--config", config]
    assert main([str(word) for word in line]) == 0
    assert {path.name for path in run.iterdir()} == RUN_FILES
    for name in RUN_FILES - {"train.log", "losses.csv", "run.json"}:
        assert (run / name).read_bytes() == (other / name).read_bytes(), name
    records = [json.loads((folder / "run.json").read_text()) for folder in (run, other)]
    for record in records:
        assert (record["steps"], record["end"]) == (3, "steps")
        assert record.pop("seconds") > 0
        assert record.pop("seconds_after") > 0
        assert record.pop("date").endswith("+00:00")
    assert records[0] == records[1]
    losses = [list(csv.DictReader((folder / "losses.csv").open())) for folder in (run, other)]
    assert list(losses[0][0]) == list(losses[1][0])
    assert losses[0][-1]["total"] == losses[1][-1]["total"]
    assert "Trained 3 steps" in (run / "train.log").read_text()


def test_arrays_with_a_spacing(cohort, tmp_path):
    volume = read_volume(cohort.parent / "one.nii.gz")
    ids = read_mask(cohort.parent / "one_mask.nii.gz", volume)
    few = np.zeros_like(ids)
    few[2:4] = ids[2:4]
    before = few.copy()
    two = volume.array.astype(float)[::-1] * 2
    events = []
    how = {"spacing": volume.spacing, "steps": 2, "run": tmp_path / "run", **SMALL}
    model = napari_dim.fit(
        [volume.array, two], [few, None], sites=["a", "b"], on_event=events.append, **how
    )
    np.testing.assert_array_equal(few, before)
    assert any(isinstance(event, StepDone) for event in events)
    assert events[0].labelled == {"a": 2, "b": 0}  # empty slices may not have been looked at
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert [sorted(entry) for entry in record["inputs"]] == [
        ["image", "labels", "labels_sha256", "sha256"], ["image", "sha256"],
    ]  # fmt: skip
    mask = napari_dim.predict(model, two, spacing=volume.spacing)
    assert mask.array.shape == two.shape
    np.testing.assert_allclose(mask.spacing, volume.spacing)
    how = {"slices": "all", "budget": 0.05, "progress": False}
    with pytest.warns(UserWarning, match="too few to learn from"):
        again = napari_dim.fit(volume.array, ids, start=model, **how)
    assert again.settings.width == 4  # the earlier model's settings
    assert again.settings.steps is None
    flat = napari_dim.fit([volume.array[3]], [ids[3]], steps=1, **SMALL)
    assert napari_dim.predict(flat, volume.array[4]).array.shape == (1, *volume.array.shape[1:])


BAD = {
    "no mask": (lambda a, m: {"data": a}, "no slice is labelled"),
    "another shape": (lambda a, m: {"data": a, "masks": m[1:]}, "the mask is"),
    "an empty mask": (lambda a, m: {"data": a, "masks": m * 0}, "the mask is empty"),
    "no class": (lambda a, m: {"data": a, "masks": m * 0, "slices": "all"}, "background alone"),
    "halves": (lambda a, m: {"data": a, "masks": m + 0.5}, "whole"),
    "outside": (lambda a, m: {"data": a, "masks": m, "slices": [99]}, "there is no slice 99"),
    "one axis": (lambda a, m: {"data": a[0, 0], "masks": m}, "the array is"),
    "words": (lambda a, m: {"data": a.astype(str), "masks": m}, "no numbers"),
    "spacing": (lambda a, m: {"data": a, "masks": m, "spacing": (1, 0, 1)}, "the spacing is"),
    "two masks": (lambda a, m: {"data": [a], "masks": [m, m]}, "2 masks for 1 images"),
    "both lengths": (lambda a, m: {"data": a, "masks": m, "budget": 3, "steps": 3}, "exclude"),
    "a typing error": (lambda a, m: {"data": a, "masks": m, "bugdet": 3}, "bugdet"),
}


@pytest.mark.parametrize("fault", BAD)
def test_what_cannot_be_used_is_raised_and_leaves_nothing(cohort, tmp_path, fault):
    volume = read_volume(cohort.parent / "one.nii.gz")
    ids = read_mask(cohort.parent / "one_mask.nii.gz", volume)
    given, words = BAD[fault]
    length = {} if "budget" in given(volume.array, ids) else {"steps": 1}
    with pytest.raises(napari_dim.InputError, match=words):
        napari_dim.fit(**SMALL, **length, run=tmp_path / "run", **given(volume.array, ids))
    assert not (tmp_path / "run").exists()


def test_a_run_is_not_replaced_unasked(cohort, run):
    before = (run / "weights.safetensors").read_bytes()
    with pytest.raises(
        napari_dim.InputError, match=r"start goes on from this run there.*by overwrite"
    ):
        napari_dim.fit(cohort, run=run, steps=1, **SMALL)
    with pytest.raises(napari_dim.InputError, match="Call predict_cohort"):
        napari_dim.predict(run, cohort)
    with pytest.raises(napari_dim.InputError, match="there is no mask called three"):
        napari_dim.evaluate(cohort, {})
    assert (run / "weights.safetensors").read_bytes() == before


def test_a_failed_training_raises(cohort, tmp_path, monkeypatch):
    from napari_dim.engine.training.trainer import Trainer

    monkeypatch.setattr(Trainer, "learn", lambda self, progress: 1 / 0)
    with pytest.raises(napari_dim.TrainingError, match="division by zero") as raised:
        napari_dim.fit(cohort, run=tmp_path / "run", steps=3, **SMALL)
    assert "1 / 0" in raised.value.details
    assert "ZeroDivisionError" in raised.value.log.read_text()


def _interrupted_at(step: int):
    sent: list[int] = []

    def on_event(event: object) -> None:
        at = event.step if isinstance(event, StepDone) else 0
        if at >= step and not sent:
            sent.append(at)
            signal.raise_signal(signal.SIGINT)

    return on_event


def test_an_interrupt_keeps_what_was_learnt(cohort, tmp_path):
    run = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        napari_dim.fit(cohort, run=run, steps=500, on_event=_interrupted_at(2), **SMALL)
    assert json.loads((run / "run.json").read_text())["end"] == "stopped"
    assert napari_dim.load_model(run).record["steps"] < 500
    with pytest.raises(napari_dim.InputError, match="Its length alone may change"):
        napari_dim.fit(cohort, resume=run, width=8)
    model = napari_dim.fit(cohort, resume=run, steps=40)
    assert model.record["steps"] == 40
    how = {"budget": "until-stopped", "on_event": _interrupted_at(2), **SMALL}
    assert napari_dim.fit(cohort, **how).record["end"] == "stopped"


@pytest.mark.parametrize("there", [False, True])
def test_stopped_before_a_step_nothing_half_is_left(cohort, tmp_path, there):
    run = tmp_path / "run"
    if there:
        run.mkdir()
    with pytest.raises(napari_dim.TrainingError, match="nothing is kept") as raised:
        napari_dim.fit(cohort, run=run, steps=5, on_event=_interrupted_at(0), **SMALL)
    assert raised.value.stopped
    assert list(tmp_path.rglob("*")) == ([run] if there else [])
