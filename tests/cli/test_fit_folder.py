"""What a training overwrites, inherits, refuses and prints to go on with."""

from __future__ import annotations

import json
import multiprocessing
import re
import shlex
import signal

import pytest

from napari_dim.engine.training.run_folder import held
from napari_dim.errors import InputError


@pytest.fixture
def fit(cli, cohort, small):
    """A training of a step."""

    def run(*arguments, config=small):
        return cli("fit", cohort, "--steps", 1, "--config", config, *arguments)

    return run


def test_a_run_is_overwritten_only_where_that_is_asked_for(fit, tmp_path):
    out = tmp_path / "run"
    assert fit("--out", out).code == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    refused = fit("--out", out)
    assert refused.code == 2
    assert "--resume" in refused.complaint
    assert "--overwrite" in refused.complaint
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    (out / "mine.txt").write_text("kept")
    done = fit("--out", out, "--overwrite", "--seed", 5)
    assert done.code == 0, done.err
    assert json.loads((out / "run.json").read_text())["seed"] == 5
    assert (out / "mine.txt").read_text() == "kept"


def test_a_broken_off_run_keeps_its_checkpoint(fit, tmp_path):
    out = tmp_path / "run"
    out.mkdir()
    (out / "latest.safetensors").write_bytes(b"hours of work")
    refused = fit("--out", out)
    assert refused.code == 2
    assert "a run is here already" in refused.complaint
    assert (out / "latest.safetensors").read_bytes() == b"hours of work"


def test_bad_input_overwrites_nothing(cli, fit, cohort, tmp_path):
    out = tmp_path / "run"
    assert fit("--out", out).code == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    (cohort.parent / "two.nii.gz").write_bytes(b"damaged")
    assert fit("--out", out, "--overwrite").code == 2
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def _hold(run, ready, done):
    with held(run):
        ready.set()
        done.wait(60)


def test_two_fits_never_write_one_folder(fit, tmp_path):
    out = tmp_path / "run"
    start = multiprocessing.get_context("spawn")
    ready, done = start.Event(), start.Event()
    other = start.Process(target=_hold, args=(out, ready, done))
    other.start()
    try:
        assert ready.wait(60)
        refused = fit("--out", out)
        assert refused.code == 2
        assert "another fit is writing this run" in refused.complaint
        assert not out.exists()
    finally:
        done.set()
        other.join()
    assert fit("--out", out).code == 0


def test_from_inherits_the_settings(fit, cli, cohort, tmp_path):
    first = tmp_path / "first"
    assert fit("--out", first, "--seed", 7).code == 0
    done = cli("fit", cohort, "--out", tmp_path / "second", "--from", first, "--steps", 2)
    assert done.code == 0, done.err
    old, new = (
        json.loads((tmp_path / name / "settings.json").read_text()) for name in ("first", "second")
    )
    assert new.pop("steps") == 2
    assert old.pop("steps") == 1
    assert new == old
    assert old["seed"] == 7


@pytest.mark.parametrize(
    ("text", "words"),
    [("width = 8\n", "width 4, this one is to have 8"), ("context = 0\n", "context 1")],
)
def test_weights_that_do_not_fit_are_an_error(fit, tmp_path, text, words):
    first, other = tmp_path / "first", tmp_path / "other.toml"
    assert fit("--out", first).code == 0
    other.write_text(text)
    refused = fit("--out", tmp_path / "second", "--from", first, config=other)
    assert refused.code == 2
    assert words in refused.complaint
    assert not (tmp_path / "second").exists()


def test_every_fault_of_a_settings_file_is_told_at_once(fit, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('bugdet = 3\nseed = -1\nwidth = "wide"\nconfidence = 0.2\nnetwork = "vnet"\n')
    refused = fit("--out", tmp_path / "run", config=path)
    assert refused.code == 2
    for words in (
        "mine.toml", "did you mean budget?", "seed is -1, it must be at least 0",
        "width is 'wide', it must be a whole number", "confidence is 0.2, it must be at least 0.5",
        "network is 'vnet', it can be 'resunet-wide', 'resunet', 'unet' or "
        "'published-unet'",
    ):  # fmt: skip
        assert words in refused.complaint
    assert "validation" not in refused.complaint.lower()


def test_lengths_in_a_settings_file(cli, cohort, small, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(small.read_text() + 'budget = "0.2s"\n')
    done = cli("fit", cohort, "--out", tmp_path / "run", "--config", path)
    assert done.code == 0, done.err
    assert "too few to learn from" in done.err
    assert json.loads((tmp_path / "run" / "settings.json").read_text())["budget"] == 0.2
    for text, words in (("budget = 3\nsteps = 5\n", "exclude"), ('budget = "3x"\n', "'3x' is no")):
        path.write_text(text)
        refused = cli("fit", cohort, "--out", tmp_path / "other", "--config", path)
        assert refused.code == 2
        assert words in refused.complaint


def test_the_command_to_go_on_with_can_be_pasted(cli, cohort, small, tmp_path, monkeypatch):
    """Paths with blanks and of other folders included."""
    from napari_dim.engine.training import run_log as watch
    from napari_dim.engine.training.events import StepDone

    folder = tmp_path / "my data"
    cohort.parent.rename(folder)
    out = tmp_path / "my run"
    usual = watch.LogWatcher.event
    sent: list[int] = []

    def interrupted(self, event):
        usual(self, event)
        if isinstance(event, StepDone) and event.step >= 3 and not sent:
            sent.append(event.step)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(watch.LogWatcher, "event", interrupted)
    stopped = cli("fit", folder / "cohort.csv", "--out", out, "--steps", 90, "--config", small)
    monkeypatch.undo()
    assert stopped.code == 1
    (command,) = re.findall(r"go on with `(.*?)`", stopped.err)
    program, *arguments = shlex.split(command)
    assert program == "napari-dim"
    done = cli(*arguments)
    assert done.code == 0, done.err
    assert "Trained 90 steps" in done.err


def test_the_papers_preset_says_what_it_takes_on_a_processor():
    from napari_dim.config import Settings
    from napari_dim.engine.training.training_run import duration as _duration

    (note,) = _duration(Settings.make(preset="paper", device="cpu"))
    assert "30,000 steps take about 17 days on two CPU cores" in note
    assert _duration(Settings.make(preset="paper", device="cpu", steps=2)) == ()
    assert _duration(Settings.make(device="cpu")) == ()


def test_debug_shows_where_bad_input_was_found(cli, tmp_path):
    refused = cli("--debug", "fit", tmp_path / "none.csv", "--out", tmp_path / "run")
    assert refused.code == 2
    assert "Traceback" in refused.err
    assert refused.err.strip().splitlines()[-1].startswith("napari-dim: ")


def test_holding_a_folder_twice_is_refused(tmp_path):
    with held(tmp_path / "a"):
        with held(tmp_path / "b"):
            pass
        with pytest.raises(InputError, match="another fit"), held(tmp_path / "a"):
            pass
    with held(tmp_path / "a"):
        pass
