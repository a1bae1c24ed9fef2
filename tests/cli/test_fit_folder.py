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
    assert "--resume" not in refused.complaint  # which a finished run refuses
    assert "--from goes on from this run" in refused.complaint
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


def files_in(folder):
    """Names and contents."""
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


def _interrupt_in_set_up(patch):
    """Ctrl-C while slices are prepared."""
    from napari_dim.engine.training import trainer

    usual = trainer.class_ids
    patch.setattr(
        trainer, "class_ids", lambda cases: (signal.raise_signal(signal.SIGINT), usual(cases))[1]
    )


def _twice_in_a_step(patch):
    """Ctrl-C twice before anything is saved."""

    def at_once(self, progress):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job has none
    patch.setattr("napari_dim.engine.training.trainer.Trainer.learn", at_once)


def _interrupt_before_the_first_step(patch):
    from napari_dim.engine.training import trainer

    usual = trainer.Trainer.started
    patch.setattr(
        trainer.Trainer,
        "started",
        lambda self: (signal.raise_signal(signal.SIGINT), usual(self))[1],
    )


def _fault_in_a_step(patch):
    def broken(self, progress):
        raise RuntimeError("the card fell off")

    patch.setattr("napari_dim.engine.training.trainer.Trainer.learn", broken)


ENDS = {
    "stopped in set-up": (_interrupt_in_set_up, "Stopped before anything was learnt"),
    "stopped before a step": (_interrupt_before_the_first_step, "Stopped before anything"),
    "ended in a step": (_twice_in_a_step, "interrupted"),
    "failed": (_fault_in_a_step, "the card fell off"),
}


@pytest.mark.parametrize("end", ENDS)
def test_what_ends_before_its_first_save_leaves_the_folder_as_it_was(
    fit, tmp_path, monkeypatch, end
):
    damage, words = ENDS[end]
    new, earlier = tmp_path / "new", tmp_path / "earlier"
    assert fit("--out", earlier).code == 0
    before = files_in(earlier)
    for out, options in ((new, ()), (earlier, ("--overwrite",))):
        with monkeypatch.context() as patch:
            damage(patch)
            ended = fit("--out", out, "--seed", 9, *options)
        assert ended.code == 1
        assert words in ended.err.splitlines()[-1]
        assert "--resume" not in ended.err
        left = {name: data for name, data in files_in(out).items() if name not in before}
        if end == "failed":  # its log is not the earlier run's
            log = new / "train.log" if out == new else out / "failed.log"
            assert str(log) in ended.err
            assert "RuntimeError" in log.read_text()
        else:
            assert not left
            kept = "nothing is kept" if out == new else f"the earlier run in {out} is as it was"
            assert kept in ended.err.splitlines()[-1]
            assert out.exists() == (out == earlier)
    assert {name: files_in(earlier)[name] for name in before} == before
    assert fit("--out", new).code == 0
    assert fit("--out", earlier, "--overwrite").code == 0
    assert not (earlier / "failed.log").exists()


def test_nothing_is_written_before_the_first_save(fit, tmp_path, monkeypatch):
    """So a process that is killed in between has taken nothing away, and left no half a run."""
    from napari_dim.engine.training.checkpoint import Checkpoint

    new, earlier = tmp_path / "new", tmp_path / "earlier"
    assert fit("--out", earlier).code == 0
    before, usual, seen = files_in(earlier), Checkpoint.save, []

    def first(self, run, **how):
        seen.append(files_in(run))
        usual(self, run, **how)

    monkeypatch.setattr(Checkpoint, "save", first)
    assert fit("--out", new).code == 0
    assert fit("--out", earlier, "--overwrite", "--seed", 9).code == 0
    assert seen == [{}, before]
    assert files_in(earlier)["weights.safetensors"] != before["weights.safetensors"]


@pytest.mark.parametrize("end", ["stopped in set-up", "ended in a step"])
def test_a_run_that_was_to_go_on_stays_and_the_command_is_told(
    fit, cli, cohort, tmp_path, monkeypatch, end
):
    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr("napari_dim.engine.training.loop.forget_checkpoints", lambda run: None)
        assert fit("--out", out).code == 0
    before = files_in(out)
    with monkeypatch.context() as patch:
        ENDS[end][0](patch)
        ended = cli("fit", cohort, "--resume", out, "--steps", 3)
    assert ended.code == 1
    assert f"the run in {out} is as it was" in ended.err
    assert f"--resume {out}" in ended.err
    assert "nothing is kept" not in ended.err
    assert files_in(out) == before
    (cohort.parent / "two.nii.gz").write_bytes((cohort.parent / "three.nii.gz").read_bytes())
    done = cli("fit", cohort, "--resume", out, "--steps", 3)
    assert done.code == 0, done.err
    assert "(1 of 2 images new or changed, 1 of 2 gone)" in done.err
    assert "--from RUN --out NEW" in done.err


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


def test_true_is_no_number(fit, tmp_path):
    path = tmp_path / "mine.json"
    for text, words in (
        ('{"steps": true}', "steps is True, it must be a whole number"),
        ('{"smooth": false}', "smooth is False, it must be a number"),
        ('{"least_steps": true}', "least_steps is True, it must be a whole number"),
    ):
        path.write_text(text)
        refused = fit("--out", tmp_path / "run", "--config", path)
        assert refused.code == 2
        assert words in refused.complaint


def test_the_shortest_budget_holds_a_step(cli, cohort, small, tmp_path):
    done = cli("fit", cohort, "--out", tmp_path / "run", "--config", small, "--budget", "0.0001s")
    assert done.code == 0, done.err
    assert "the budget held 1 step, too few to learn from" in done.err


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [("bad.json", '{"seed": 1,\n "width" 4}', "no JSON: look at line 2, column 10"),
     ("bad.json", "", "no JSON: look at line 1, column 1"),
     ("bad.toml", "seed = 1\nwidth 4\n", "no TOML: look at line 2, column 7"),
     ("bad.toml", "seed = ", "no TOML: look at its end"),
     ("bad.toml", b"\xff\xfe", "no text")],
)  # fmt: skip
def test_where_a_settings_file_is_broken(fit, tmp_path, name, text, words):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    refused = fit("--out", tmp_path / "run", "--config", path)
    assert refused.code == 2
    assert words in refused.complaint


def test_what_can_not_be_resumed_is_named(cli, cohort, tmp_path):
    refused = cli("fit", cohort, "--resume", tmp_path / "nope")
    assert refused.code == 2
    assert "nope: there is no such folder" in refused.complaint
    refused = cli("fit", cohort, "--resume", cohort)
    assert "this is a file, not a run folder" in refused.complaint


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
