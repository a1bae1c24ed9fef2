"""Trainings on servers as labs have them: with keys, behind ssh; and clients that go away."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from napari_dim.cluster.elsewhere.server import Server
from napari_dim.engine.training.checkpoint import Checkpoint, has_checkpoint
from napari_dim.engine.training.control import Control
from napari_dim.engine.training.events import Failed, Finished, Started
from tests.cluster.lab import Lab, free_port, wait_until
from tests.cluster.test_training_elsewhere import elsewhere, job, lab

__all__ = ["lab"]

CLIENT = """
import sys
from napari_dim.cluster.elsewhere.server import Server
from napari_dim.cluster.elsewhere.training_elsewhere import train_elsewhere
from napari_dim.engine.training.control import Control
from napari_dim.engine.training.events import Finished, Recovered, StepDone
from tests.cluster.test_training_elsewhere import job
control, after = Control(), 0
for event in train_elsewhere(job(steps=10**6), control, Server(sys.argv[1]), print):
    if isinstance(event, StepDone) and event.step > int(sys.argv[2]):
        control.stop()
    what = [getattr(event, name, "") for name in ("step", "problem")]
    print(type(event).__name__, *what, flush=True)
"""


class Laptop:
    """A person's computer: a process of its own that trains on the lab's server."""

    def __init__(self, lab, steps):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        self.process = subprocess.Popen(
            [sys.executable, "-c", CLIENT, lab.address, str(steps)], stdout=subprocess.PIPE,
            text=True, env=environment, cwd=Path(__file__).resolve().parents[2],
        )  # fmt: skip
        self.lines = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.split())

    @property
    def step(self):
        steps = [int(line[1]) for line in list(self.lines) if line[0] == "StepDone"]
        return steps[-1] if steps else 0


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="stops a process")
def test_a_laptop_that_is_closed_and_opened_finds_its_training_farther_on(tmp_path):
    lab = Lab(tmp_path).start()
    laptop = Laptop(lab, 400)
    try:
        before = wait_until(lambda: laptop.step, 90)
        laptop.process.send_signal(signal.SIGSTOP)
        time.sleep(30)
        laptop.process.send_signal(signal.SIGCONT)
        laptop.process.wait(120)
    finally:
        laptop.process.kill()
        lab.close()
    assert laptop.lines[-1][0] == "Finished", laptop.lines[-3:]
    assert laptop.step > before
    assert [line for line in laptop.lines if line[0] == "Started"] == [["Started"]]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="kills a process")
def test_a_laptop_that_never_comes_back_does_not_hold_the_gpu(tmp_path):
    (tmp_path / "soon.py").write_text(
        "import napari_dim.cluster.elsewhere.served_training as served\nserved.DESERTED = 8.0\n"
    )
    lab = Lab(tmp_path)
    lab.start_scheduler()
    lab.start_worker("--preload", tmp_path / "soon.py")
    laptop = Laptop(lab, 10**6)
    try:
        wait_until(lambda: lab.runs and has_checkpoint(lab.runs[0]), 90)
        laptop.process.kill()
        wait_until(lambda: not lab.trainings(), 30)
        assert Checkpoint.load(lab.runs[0]).step > 0  # it stays
        assert not (lab.runs[0] / "ended.npz").exists()
        assert isinstance(list(elsewhere(job(), lab))[-1], Finished)
    finally:
        laptop.process.kill()
        lab.close()


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl")
def test_with_keys_it_trains_and_without_it_is_refused(tmp_path):
    import dask

    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         "/CN=lab", "-keyout", "lab.key", "-out", "lab.pem"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    pem, key = str(tmp_path / "lab.pem"), str(tmp_path / "lab.key")
    names = {"DASK_DISTRIBUTED__COMM__TLS__CA_FILE": pem}
    names["DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION"] = "True"
    own = {"distributed.comm.tls.ca-file": pem}
    for part in ("scheduler", "worker", "client"):
        for name, file in (("cert", pem), ("key", key)):
            names[f"DASK_DISTRIBUTED__COMM__TLS__{part.upper()}__{name.upper()}"] = file
            own[f"distributed.comm.tls.{part}.{name}"] = file
    lab = Lab(tmp_path, protocol="tls", **names).start()
    try:
        (only,) = elsewhere(job(), lab)
        assert only.bad_input
        assert "which keys a tls:// address needs" in only.problem
        with dask.config.set(own):
            assert isinstance(list(elsewhere(job(), lab))[-1], Finished)
    finally:
        lab.close()


@pytest.fixture
def sshd(tmp_path, monkeypatch):
    """A server of ssh on the loopback that lets this user in, by the name ``lab``."""
    program = shutil.which("sshd") or "/usr/sbin/sshd"
    if not Path(program).exists() or not shutil.which("ssh"):
        pytest.skip("there is no sshd (apt-get install openssh-server)")
    home = tmp_path / "ssh"
    home.mkdir(mode=0o700)
    for name in ("host", "own"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / name], check=True
        )
    (home / "authorized").write_bytes((home / "own.pub").read_bytes())
    (home / "authorized").chmod(0o600)
    port = free_port()
    (home / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {home}/host\nPidFile {home}/pid\n"
        f"AuthorizedKeysFile {home}/authorized\nStrictModes no\nUsePAM no\n"
        "PasswordAuthentication no\n"
    )
    (home / "config").write_text(
        f"Host lab\n HostName 127.0.0.1\n Port {port}\n User {getpass.getuser()}\n"
        f" IdentityFile {home}/own\n IdentitiesOnly yes\n StrictHostKeyChecking no\n"
        f" UserKnownHostsFile {home}/known\n"
    )
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "ssh").write_text(
        f'#!/bin/sh\nexec {shutil.which("ssh")} -F {home}/config "$@"\n'
    )
    (bin_folder / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_folder}:{os.environ['PATH']}")
    Path("/run/sshd").mkdir(exist_ok=True)
    process = subprocess.Popen([program, "-D", "-e", "-f", home / "sshd_config"],
                               stderr=(home / "log").open("w"))  # fmt: skip
    wait_until(lambda: "listening" in (home / "log").read_text(), 10)
    yield process
    process.kill()
    process.wait()


@pytest.mark.slow
def test_a_scheduler_on_a_servers_loopback_is_reached_by_ssh(sshd, lab, monkeypatch):
    events = list(elsewhere(job(), Server(f"ssh://lab:{lab.port}")))
    assert isinstance(events[-1], Finished), events[-1]
    (only,) = elsewhere(job(), Server("ssh://lab:9"))
    assert "no scheduler answers there" in only.problem
    (only,) = elsewhere(job(), Server("ssh://nobody@lab"))
    assert "ssh does not get through: " in only.problem
    assert "Permission denied" in only.problem
    assert "Try it once by hand: ssh nobody@lab" in only.problem
    (only,) = elsewhere(job(), Server("ssh://-oProxyCommand=x"))
    assert "this is no host" in only.problem
    monkeypatch.setenv("PATH", "/nowhere")
    (only,) = elsewhere(job(), Server("ssh://lab"))
    assert "there is no ssh on this computer" in only.problem


@pytest.mark.slow
def test_a_lost_tunnel_is_made_again(sshd, lab):
    import psutil

    control, cut = Control(), []
    for event in elsewhere(job(steps=10**6), Server(f"ssh://lab:{lab.port}"), control):
        step = getattr(event, "step", 0)
        if not cut and step > 20:
            cut.append(step)
            for one in psutil.Process().children(recursive=True):
                with suppress(psutil.Error):  # one that has just ended
                    if "-N" in one.cmdline():
                        one.kill()
        if cut and step > cut[0] + 300:
            control.stop()
    assert isinstance(event, Finished), event
    assert cut


def test_without_dask_it_is_told_in_a_line(monkeypatch):
    monkeypatch.setattr("napari_dim.cluster.connection.find_spec", lambda name: None)
    (only,) = elsewhere(job(), Server("tls://gpu1:8786"))
    assert isinstance(only, Failed)
    assert 'pip install "napari-dim[cluster]"' in only.problem


def test_who_stops_before_it_began_hears_at_once():
    control = Control()
    control.stop()
    (only,) = elsewhere(job(), Server("tls://gpu1:8786"), control)
    assert only.stopped
    assert not isinstance(only, Started)
