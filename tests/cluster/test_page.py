"""The page for a lab's administrator: its lines are run as they are written."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

CLIENT = """
import sys
from napari_dim.cluster.elsewhere.server import Server
from napari_dim.cluster.elsewhere.training_elsewhere import train_elsewhere
from tests.cluster.test_training_elsewhere import job
for event in train_elsewhere(job(steps=int(sys.argv[2])), None, Server(sys.argv[1]), print):
    print(type(event).__name__, getattr(event, "problem", ""))
"""
PAGE = Path(__file__).resolve().parents[2] / "docs" / "cluster.md"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("openssl") or os.name == "nt", reason="needs a Unix shell")
def test_a_server_is_set_up_secured_and_used_as_the_page_says(home, tmp_path):
    section = PAGE.read_text(encoding="utf-8").split("## A server for a lab", 1)[1]
    (lines,) = re.findall(r"^```sh\n(.*?)^```", section, flags=re.MULTILINE | re.DOTALL)
    assert len(lines.splitlines()) == 10
    install, path, *rest = lines.splitlines()
    assert install.startswith("python3 -m venv")  # the environment of the tests stands for it
    assert path.startswith("export PATH")
    port, watch = str(free_port()), str(free_port())
    script = "\n".join(rest).replace("SERVER", "127.0.0.1").replace("8786", port)
    script = script.replace("8787", watch).replace("16GB", "1.5GB")
    script = script.replace("predict run cohort.csv", "predict run data/scans.csv")
    # A window on a computer with the key trains there.
    script += f"\n{sys.executable} -c '{CLIENT}' tls://127.0.0.1:{port} 20"
    # Whoever has no key, and whoever does without encryption, is refused.
    stranger = f"HOME=$HOME/stranger {sys.executable} -m napari_dim.cli predict run data/scans.csv"
    script += f"\n{stranger} --out none --cluster tls://127.0.0.1:{port} || echo refused $?"
    for word in ("run", "data"):
        shutil.copytree(home / word, tmp_path / word)
    (tmp_path / "stranger").mkdir()
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    for name, module in (("dask", "dask"), ("napari-dim", "napari_dim.cli")):
        program = bin_folder / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m {module} "$@"\n')
        program.chmod(0o755)
    environment = {
        **os.environ, "HOME": str(tmp_path), "PATH": f"{bin_folder}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(part for part in sys.path if part),
    }  # fmt: skip
    environment.pop("DASK_CONFIG", None)
    whole = f"set -e; trap 'kill $(jobs -p)' EXIT\ncd {tmp_path}\n{script}\n"
    done = subprocess.run(["bash", "-c", whole], env=environment, capture_output=True, text=True,
                          timeout=400)  # fmt: skip
    assert "Finished" in done.stdout, done.stdout + done.stderr
    assert "Wrote 4 masks" in done.stdout, done.stdout + done.stderr
    assert len(list((tmp_path / "masks").glob("*_dim.nii.gz"))) == 4
    assert "at most 1.40 GiB of memory each" in done.stderr
    assert done.stdout.rstrip().endswith("refused 2"), done.stderr[-2000:]
    assert "docs/cluster.md says which keys" in done.stderr
    key = tmp_path / ".config" / "dask" / "lab.key"
    assert key.stat().st_mode & 0o077 == 0
