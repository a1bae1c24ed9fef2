"""A batch dealt to two processes: the outputs, gradients and steps of one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from napari_dim.nets.ranks import Ranks

ROOT = Path(__file__).resolve().parents[2]


def test_one_process_passes_the_batch_as_it_is():
    ranks = Ranks()
    x = torch.rand(3, 2, requires_grad=True)
    assert ranks.passed(lambda y: y, x) is x
    assert ranks.own(x) is x
    assert ranks.told(1.5, 2.0) == [[1.5, 2.0]]
    x.sum().backward()
    before = x.grad.clone()
    ranks.average([x])
    assert torch.equal(x.grad, before)


def two(module: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run a module of the tests in two processes, as a user launches them."""
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone",
        "-m", module, str(folder), *arguments,
    ]  # fmt: skip
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)


@pytest.mark.slow
def test_two_processes_take_the_steps_of_one(tmp_path):
    """Sharp steps, dropout and batch norm among them: `two_ranks`, which takes --all."""
    done = two("tests.nets.two_ranks", tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "the systems agree" in done.stdout
