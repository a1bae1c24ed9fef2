"""`napari-dim fit`: what it writes, what it refuses, how it stops."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_dim.cli.console import parse_budget
from napari_dim.cli.fit import fit_settings, length_options
from napari_dim.errors import InputError
from tests.cli.conftest import AFFINE, SHAPE, write_case

RUN_FILES = {"weights.safetensors", "settings.json", "run.json", "losses.csv", "train.log"}


@pytest.mark.parametrize("method", ["dim", "supervised"])
def test_a_run_holds_what_reproduces_it(cli, cohort, small, tmp_path, method):
    run = tmp_path / "new" / "run"
    done = cli(
        "fit", cohort, "--out", run, "--steps", 3, "--config", small, "--method", method,
        "--seed", 7, *(["--divergence", "pearson"] if method == "dim" else []),
    )  # fmt: skip
    assert done.code == 0, done.err
    assert {path.name for path in run.iterdir()} == RUN_FILES
    settings = json.loads((run / "settings.json").read_text())
    system = settings["system"]
    assert (system["name"], settings["seed"], settings["width"]) == (method, 7, 4)
    assert (system.get("divergence", "none"), settings["steps"]) == (
        "pearson" if method == "dim" else "none", 3,
    )  # fmt: skip
    record = json.loads((run / "run.json").read_text())
    assert record["seed"] == 7
    assert set(record["versions"]) >= {"napari-dim", "torch", "numpy"}
    hashes = {entry["image"]: entry["sha256"] for entry in record["inputs"]}
    assert set(hashes) == {"one.nii.gz", "two.nii.gz"}
    assert all(len(value) == 64 for value in hashes.values())
    assert str(cohort.parent) not in (run / "run.json").read_text()
    rows = list(csv.DictReader((run / "losses.csv").open()))
    assert int(rows[-1]["step"]) == 3
    assert np.isfinite([float(row["total"]) for row in rows]).all()
    assert "Trained 3 steps" in done.err
    assert "Trained 3 steps" in (run / "train.log").read_text()


def test_same_seed_same_weights(cli, cohort, small, tmp_path):
    weights = {}
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        done = cli(
            "fit", cohort, "--out", tmp_path / name, "--steps", 3, "--config", small,
            "--seed", seed, "--device", "cpu",
        )  # fmt: skip
        assert done.code == 0, done.err
        weights[name] = (tmp_path / name / "weights.safetensors").read_bytes()
    assert weights["a"] == weights["b"]
    assert weights["a"] != weights["c"]


def test_a_run_goes_on_from_another(cli, cohort, small, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    assert cli("fit", cohort, "--out", first, "--steps", 2, "--config", small).code == 0
    done = cli(
        "fit", cohort, "--out", second, "--steps", 2, "--config", small, "--from", first, "--json"
    )
    assert done.code == 0, done.err
    steps = [json.loads(line) for line in done.out.splitlines()]
    assert next(e for e in steps if e["event"] == "step")["progress"] >= 0.4
    record = json.loads((second / "run.json").read_text())
    assert len(record["start"]) == 64  # the hash of the weights it went on from


def test_going_on_from_nothing_writes_nothing(cli, cohort, small, tmp_path):
    done = cli("fit", cohort, "--out", tmp_path / "run", "--config", small, "--from", tmp_path)
    assert done.code == 2
    assert "not a run folder" in done.err
    assert not (tmp_path / "run").exists()


def test_json_lines_tell_the_whole_story(cli, cohort, small, tmp_path):
    done = cli("fit", cohort, "--out", tmp_path / "run", "--steps", 2, "--config", small, "--json")
    assert done.code == 0, done.err
    events = [json.loads(line) for line in done.out.splitlines()]
    assert events[0]["event"] == "started"
    assert events[0]["labelled"] == {"north": 2, "south": 0}
    assert events[0]["unlabelled"] == {"north": 2, "south": 6}
    assert events[-1]["event"] == "finished"
    assert events[-1]["reason"] == "steps"
    assert {event["event"] for event in events} >= {"step", "checkpoint"}


def test_a_run_may_be_replaced_but_nothing_foreign(cli, cohort, small, tmp_path):
    run, foreign = tmp_path / "run", tmp_path / "thesis"
    options = ("--steps", 1, "--config", small)
    assert cli("fit", cohort, "--out", run, *options).code == 0
    before = (run / "weights.safetensors").read_bytes()
    assert cli("fit", cohort, "--out", run, *options, "--seed", 5, "--overwrite").code == 0
    assert (run / "weights.safetensors").read_bytes() != before
    foreign.mkdir()
    (foreign / "chapter.tex").write_text("precious")
    refused = cli("fit", cohort, "--out", foreign, *options)
    assert refused.code == 2
    assert "holds other files" in refused.complaint
    assert [path.name for path in foreign.iterdir()] == ["chapter.tex"]


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def _mask_shape(folder: Path) -> None:
    mask = nib.Nifti1Image(np.ones((SHAPE[0], SHAPE[1], SHAPE[2] + 1), np.uint8), None)
    nib.save(mask, folder / "one_mask.nii.gz")  # and no place of its own


def _mask_affine(folder: Path) -> None:
    moved = AFFINE.copy()
    moved[:3, 3] += 5
    nib.save(nib.Nifti1Image(np.ones(SHAPE, np.uint8), moved), folder / "one_mask.nii.gz")


def _blank_mask(folder: Path) -> None:
    nib.save(nib.Nifti1Image(np.zeros(SHAPE, np.uint8), AFFINE), folder / "one_mask.nii.gz")


def _unreadable(folder: Path) -> None:
    (folder / "two.nii.gz").write_bytes(b"\x1f\x8b not a gzip file")


def _both_unreadable(folder: Path) -> None:
    _unreadable(folder)
    (folder / "one.nii.gz").write_bytes(b"nor this one")


def _truncated(folder: Path) -> None:
    path = folder / "one.nii.gz"
    path.write_bytes(path.read_bytes()[:2000])


BAD_COHORTS = {
    "mask of another shape": (
        _mask_shape,
        "one_mask.nii.gz: the mask does not say where",
    ),
    "mask of another place": (_mask_affine, "off its image (5 mm to the right"),
    "mask without a class": (_blank_mask, "background alone"),
    "image missing": (lambda f: (f / "two.nii.gz").unlink(), "row 3: there is no file two.nii.gz"),
    "mask missing": (
        lambda f: (f / "one_mask.nii.gz").unlink(),
        "row 2: there is no file one_mask",
    ),
    "image unreadable": (_unreadable, "two.nii.gz"),
    "two unreadable": (_both_unreadable, "2 of 2 images can't be used: one.nii.gz: "),
    "image cut off": (_truncated, "one.nii.gz"),
    "no rows": (
        lambda f: (f / "cohort.csv").write_text("image,labels,slices,site,split\n"),
        "has no cases",
    ),
    "empty file": (lambda f: (f / "cohort.csv").write_text(""), "is empty"),
    "no labelled slice": (lambda f: _replace(f / "cohort.csv", "2;3", ""), "no slice is labelled"),
    "slice outside": (lambda f: _replace(f / "cohort.csv", "2;3", "2;6"), "there is no slice 6"),
    "slice no number": (lambda f: _replace(f / "cohort.csv", "2;3", "two"), "no slice numbers"),
    "unknown split": (lambda f: _replace(f / "cohort.csv", "north,train", "north,tarin"), "tarin"),
    "no training case": (lambda f: _replace(f / "cohort.csv", ",train", ",test"), "no train case"),
    "cohort missing": (lambda f: (f / "cohort.csv").unlink(), "can't be read"),
}


@pytest.mark.parametrize("fault", BAD_COHORTS)
def test_bad_cohorts_get_one_line_and_leave_nothing(cli, cohort, small, tmp_path, fault):
    damage, words = BAD_COHORTS[fault]
    damage(cohort.parent)
    run = tmp_path / "deep" / "run"
    refused = cli("fit", cohort, "--out", run, "--steps", 1, "--config", small)
    assert refused.code == 2, refused.err
    assert words in refused.complaint
    assert not (tmp_path / "deep").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--budget", "3 weeks"), "no length of time"),
        (("--budget", "0"), "between 0 and a week"),
        (("--budget", "60s", "--steps", "3"), "exclude each other"),
        (("--steps", "0"), "steps"),
        (("--seed", "-1"), "seed"),
        (("--method", "magic"), "magic"),
        (("--divergence", "hellinger"), "hellinger"),
        (("--config", "absent.toml"), "absent.toml"),
    ],
)
def test_bad_options_get_one_line_and_leave_nothing(cli, cohort, tmp_path, options, words):
    refused = cli("fit", cohort, "--out", tmp_path / "run", *options)
    assert refused.code == 2
    assert words in refused.complaint
    assert not (tmp_path / "run").exists()


def test_unknown_setting_in_the_file(cli, cohort, tmp_path):
    config = tmp_path / "wrong.toml"
    config.write_text("widht = 4\n")
    refused = cli("fit", cohort, "--out", tmp_path / "run", "--config", config)
    assert refused.code == 2
    assert "widht" in refused.complaint


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such folder")
def test_a_folder_that_cant_be_made(cli, cohort, small):
    refused = cli("fit", cohort, "--out", "/dev/null/run", "--steps", 1, "--config", small)
    assert refused.code == 2
    assert "/dev/null/run" in refused.complaint


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("180", 180), ("60s", 60), ("3m", 180), ("1.5h", 5400), (" 2 min ", 120), (".5s", 0.5)],
)
def test_budgets(text, seconds):
    assert parse_budget(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "-3", "3x", "1e3", "inf", "nan", "8000000", "0s"])
def test_what_is_no_budget(text):
    with pytest.raises(InputError):
        parse_budget(text)


def test_options_win_over_the_file_and_the_preset(tmp_path):
    config = tmp_path / "settings.toml"
    config.write_text('preset = "paper"\nseed = 3\nsteps = 50\n')
    from_file = fit_settings(config, {})
    assert (from_file.preset, from_file.seed, from_file.steps) == ("paper", 3, 50)
    changed = fit_settings(config, length_options("90s", None), seed=4, system=None)
    assert (changed.seed, changed.steps, changed.budget) == (4, None, 90)
    assert changed.system.name == "dim"
    paper = fit_settings(None, length_options(None, None), preset="paper")
    assert (paper.steps, paper.budget) == (30_000, None)
    short = fit_settings(None, length_options(None, 10), preset="paper")
    assert (short.steps, short.budget) == (10, None)
    endless = fit_settings(None, length_options("until-stopped", None))
    assert endless.until_stopped
    assert endless.budget == 180
    config.write_text("until_stopped = true\n")
    assert not fit_settings(config, length_options("60s", None)).until_stopped


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to one child")
@pytest.mark.parametrize(
    ("budget", "code"), [("10m", 1), pytest.param("until-stopped", 0, marks=pytest.mark.slow)]
)
def test_ctrl_c_keeps_the_run(cli, cohort, small, tmp_path, budget, code):
    run = tmp_path / "run"
    command = [sys.executable, "-m", "napari_dim.cli", "fit", str(cohort), "--out", str(run),
               "--budget", budget, "--config", str(small), "--json"]  # fmt: skip
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    try:
        assert child.stdout is not None
        for line in child.stdout:
            event = json.loads(line)
            if event["event"] == "step" and event["step"] >= 2:
                break
        child.send_signal(signal.SIGINT)
        start = time.monotonic()
        rest, complaint = child.communicate(timeout=60)
    finally:
        child.kill()
    assert time.monotonic() - start < 30
    assert child.returncode == code
    assert "Stopped after" in complaint
    assert str(run) in complaint
    assert "Traceback" not in complaint
    events = [json.loads(line) for line in rest.splitlines()]
    assert events[-1]["event"] == "finished"
    assert events[-1]["reason"] == "stopped"

    from napari_dim.engine.inference.trained_model import Model

    model = Model.load(run)
    assert model.classes == (1, 2)

    assert f"--resume {run}" in complaint or code == 0
    refused = cli("fit", cohort, "--resume", run, "--seed", 3)
    assert refused.code == 2
    assert "--seed" in refused.complaint
    more = events[-1]["steps"] + 1
    done = cli("fit", cohort, "--resume", run, "--steps", more)
    assert done.code == 0
    assert "Going on from step" in done.err
    assert f"Trained {more} steps" in done.err.replace(",", "")
    assert "changed" not in done.err
    again = cli("fit", cohort, "--resume", run)
    assert again.code == 2
    assert "no checkpoint" in again.complaint


def test_an_interrupt_while_reading_writes_nothing(cli, cohort, small, tmp_path, monkeypatch):
    def interrupted(cohort):
        raise KeyboardInterrupt

    monkeypatch.setattr("napari_dim.engine.training.training_run.load_training", interrupted)
    stopped = cli("fit", cohort, "--out", tmp_path / "run", "--config", small)
    assert stopped.code == 1
    assert "interrupted" in stopped.complaint
    assert not (tmp_path / "run").exists()


def test_odd_cases_in_one_cohort(cli, cohort, small, tmp_path):
    """Another size and spacing trains along; nothing is stretched to fit."""
    wide = np.diag([0.7, 2.0, 4.0, 1.0])
    write_case(cohort.parent, "two", 9, shape=(44, 15, 4), affine=wide)
    done = cli("fit", cohort, "--out", tmp_path / "run", "--steps", 2, "--config", small)
    assert done.code == 0, done.err
