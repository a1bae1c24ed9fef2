"""One process that runs the child programs of the SimpleITK readers, one after another.

To start Python and import SimpleITK takes most of a second; a reader does it for every file, so
that a crash harms nobody. The tests of what is read share one process. Those of damage, crashes,
hangs and of the start itself, in `test_itk.py`, don't.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from napari_dim.io.itk import itk_reader

_SERVER = """
import contextlib, io, json, runpy, sys
for line in sys.stdin:
    sys.argv = json.loads(line)
    said, code = io.StringIO(), 0
    try:
        with contextlib.redirect_stdout(said):
            runpy.run_path(sys.argv[0], run_name="__main__")
    except BaseException:
        code = 1
    print(json.dumps([code, said.getvalue()]), flush=True)
"""
Ask = Callable[[list[str], float], tuple[int, bytes]]


@contextmanager
def served() -> Iterator[Ask]:
    """Such a process, and what asks it in place of `itk_reader.run_child`."""
    with subprocess.Popen(
        [sys.executable, "-P", "-c", _SERVER], text=True, encoding="utf-8",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as server:  # fmt: skip

        def ask(command: list[str], patience: float) -> tuple[int, bytes]:
            assert command[:2] == [sys.executable, "-P"]
            server.stdin.write(json.dumps(command[2:]) + "\n")
            server.stdin.flush()
            code, said = json.loads(server.stdout.readline())
            return code, said.encode()

        yield ask


@pytest.fixture(scope="module")
def child_server() -> Iterator[Ask]:
    """The process of a module."""
    with served() as ask:
        yield ask


@pytest.fixture
def one_child(child_server, monkeypatch) -> None:
    """Let the SimpleITK readers ask it in a test."""
    monkeypatch.setattr(itk_reader, "run_child", child_server)
