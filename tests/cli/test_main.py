"""Exit codes, usage errors, and errors that no one foresaw."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from napari_dim import __version__

COMMANDS = ("demo", "fit", "predict", "evaluate", "info", "doctor")


def test_help_names_every_command(cli):
    for arguments in ((), ("--help",), ("-h",)):
        shown = cli(*arguments)
        assert shown.code == 0
        assert all(command in shown.out for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(cli, command):
    shown = cli(command, "--help")
    assert shown.code == 0
    assert f"napari-dim {command}" in shown.out


def test_version(cli):
    assert cli("--version").out.strip() == f"napari-dim {__version__}"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("segment",), "No such command"),
        (("--fast",), "No such option"),
        (("fit",), "napari-dim fit --help"),
        (("fit", "a.csv"), "--out"),
        (("predict", "run"), "Missing argument"),
        (("info", "absent.nii.gz"), "absent.nii.gz: there is no such file"),
        (("info", "."), "folder"),
    ],
)
def test_wrong_use_gets_one_line(cli, arguments, words):
    refused = cli(*arguments)
    assert refused.code == 2
    assert words in refused.complaint
    assert refused.out == ""


def test_the_unforeseen_gets_one_line_and_a_traceback_on_request(cli, tmp_path, monkeypatch):
    def broken(path, part=""):
        raise ZeroDivisionError("a bug\nof two lines")

    image = tmp_path / "image.nii.gz"
    monkeypatch.setattr("napari_dim.io.list_parts", broken)
    failed = cli("info", image)
    assert failed.code == 1
    assert "ZeroDivisionError: a bug of two lines" in failed.complaint
    assert "--debug" in failed.complaint
    failed = cli("--debug", "info", image)
    assert failed.code == 1
    assert "Traceback" in failed.err
    assert 'raise ZeroDivisionError("a bug' in failed.err


def test_ctrl_c_while_it_is_loaded_ends_in_one_line(tmp_path):
    (tmp_path / "typer.py").write_text("raise KeyboardInterrupt\n")
    done = subprocess.run(
        [sys.executable, "-m", "napari_dim", "info"], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "napari-dim: interrupted\n")
