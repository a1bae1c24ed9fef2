"""`torchrun -m napari_dim fit`: two real processes, the weights of one; what ends them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from safetensors.torch import load_file

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the launcher needs gloo and fork")

LAUNCH = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
OURS = "napari-dim: "


def started(count: int, *arguments: object) -> subprocess.Popen:
    """Launch `napari-dim` in so many processes."""
    command = [*LAUNCH, str(count), "-m", "napari_dim", *map(str, arguments)]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def ended(child: subprocess.Popen) -> tuple[int, str, list[str]]:
    """Exit code, output, and the program's own lines of error."""
    out, err = child.communicate(timeout=240)
    return child.returncode, out, [line for line in err.splitlines() if line.startswith(OURS)]


def workers(child: subprocess.Popen) -> dict[int, psutil.Process]:
    """The processes that train, by their rank."""
    found = {}
    for process in psutil.Process(child.pid).children(recursive=True):
        rank = process.environ().get("RANK")
        if rank is not None:
            found[int(rank)] = process
    return found


def step_seen(child: subprocess.Popen, number: int) -> None:
    """Read events until a step of this number."""
    assert child.stdout is not None
    for line in child.stdout:
        event = json.loads(line)
        if event["event"] == "step" and event["step"] >= number:
            return
    raise AssertionError(child.communicate()[1][-3000:])


@pytest.fixture
def plain(small: Path) -> Path:
    """Settings with which rounding does not grow: small steps, in proportion to the gradients."""
    small.write_text(
        small.read_text() + 'optimiser = "sgd"\nlearning_rate = 0.0001\nsharpness_every = 2\n'
        'sharpness_from = 0.0\nmixed_precision = false\ndevice = "cpu"\nthreads = 1\n'
    )
    return small


@pytest.mark.slow
def test_two_processes_give_the_weights_of_one(cli, cohort, plain, tmp_path):
    """After 50 steps, sharp ones and the teacher among them; and one folder is written."""
    options = ("--steps", 50, "--config", plain)
    assert (
        cli("fit", cohort, "--out", tmp_path / "begun", "--steps", 1, "--config", plain).code == 0
    )
    assert cli("fit", cohort, "--out", tmp_path / "one", *options).code == 0
    child = started(2, "fit", cohort, "--out", tmp_path / "two", *options, "--json")
    code, out, complaints = ended(child)
    assert (code, complaints) == (0, [])
    events = [json.loads(line)["event"] for line in out.splitlines()]
    assert events.count("started") == events.count("finished") == 1
    files = [{p.name for p in (tmp_path / run).iterdir()} for run in ("one", "two")]
    assert files[0] == files[1]
    assert (tmp_path / "two" / "train.log").read_text().count("Trained 50 steps") == 1
    begun, one, two = (
        load_file(tmp_path / run / "weights.safetensors") for run in ("begun", "one", "two")
    )
    assert set(one) == set(two)
    moved = sum(float((one[k] - begun[k]).square().sum()) for k in one)
    apart = sum(float((one[k] - two[k]).square().sum()) for k in one)
    assert moved > 0
    assert (apart / moved) ** 0.5 < 2e-2, (apart / moved) ** 0.5  # 5e-3 where it was written


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_process_ends_all_with_a_line(cli, cohort, small, tmp_path, killed):
    """What is left is the checkpoint, from which one process goes on."""
    run = tmp_path / "run"
    child = started(2, "fit", cohort, "--out", run, "--budget", "10m", "--config", small, "--json")
    try:
        step_seen(child, 1)
        deadline = time.monotonic() + 60
        while not (run / "latest.safetensors").exists() and time.monotonic() < deadline:
            step_seen(child, 1)
        both = workers(child)
        both[killed].kill()
        code, _, complaints = ended(child)
    finally:
        child.kill()
    assert code != 0
    assert len(complaints) == 1, complaints
    assert "another of its processes ended" in complaints[0]
    assert f"--resume {run}" in complaints[0]
    assert not any(process.is_running() for process in both.values())
    assert {p.name for p in run.iterdir()} <= {
        "weights.safetensors", "settings.json", "run.json", "losses.csv", "train.log",
        "latest.safetensors", "previous.safetensors",
    }  # fmt: skip
    from napari_dim.engine.training.checkpoint import Checkpoint

    done = cli("fit", cohort, "--resume", run, "--steps", Checkpoint.load(run).step + 1)
    assert done.code == 0, done.err


@pytest.mark.slow
def test_a_kill_before_the_first_checkpoint_leaves_nothing(cohort, small, tmp_path):
    run = tmp_path / "run"
    child = started(
        2, "fit", cohort, "--out", run, "--budget", "10m", "--config", small, "--json"
    )  # fmt: skip
    try:
        step_seen(child, 1)
        workers(child)[0].kill()
        code, _, complaints = ended(child)
    finally:
        child.kill()
    assert code != 0
    assert len(complaints) == 1, complaints
    assert not run.exists() or (run / "latest.safetensors").exists()


@pytest.mark.slow
def test_a_stop_reaches_all(cohort, small, tmp_path):
    run = tmp_path / "run"
    child = started(
        2, "fit", cohort, "--out", run, "--budget", "until-stopped", "--config", small, "--json"
    )  # fmt: skip
    try:
        step_seen(child, 2)
        workers(child)[1].send_signal(signal.SIGINT)
        code, out, complaints = ended(child)
    finally:
        child.kill()
    assert (code, complaints) == (0, [])
    assert json.loads(out.splitlines()[-1])["event"] == "finished"
    assert (run / "weights.safetensors").exists()


@pytest.mark.slow
def test_faults_are_one_line_and_leave_nothing(cohort, small, tmp_path):
    run = tmp_path / "run"
    for count, options, words in (
        (3, ("--steps", 2, "--config", small), "can't be dealt to 3 processes"),
        (2, ("--steps", 0), "steps"),
    ):
        code, _, complaints = ended(started(count, "fit", cohort, "--out", run, *options))
        assert code != 0
        assert len(complaints) == 1, complaints
        assert words in complaints[0]
        assert not run.exists()
