"""Find the gates, and run each in a process of its own: a crash or a hang is a result too."""

from __future__ import annotations

import ast
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_dim.cli.system import has_display

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent.parent
QUICK_LIMIT = 420
FULL_LIMIT = 3600
"""Seconds that a gate may take, unless it says otherwise (``LIMIT``)."""
FILES = "NAPARI_DIM_GATE_FILES"
"""Names a folder of files from elsewhere, for gates that damage files."""

_FIGURE = "figure: "
_CONSTANTS = ("PROMISE", "FULL", "QUICK", "LIMIT")


@dataclass(frozen=True)
class Gate:
    """A promise and how it is shown; read from the module's text, which is not imported."""

    name: str
    promise: str
    full: int
    quick: int
    limit: int = FULL_LIMIT
    package: str = "tests.gates"


@dataclass(frozen=True)
class Outcome:
    """What one run of a gate gave."""

    name: str
    promise: str
    count: int
    figure: str
    seconds: float
    good: bool


def find_gates(folder: Path = FOLDER) -> dict[str, Gate]:
    """All gates of a folder, by name."""
    gates = (_read(path) for path in sorted(folder.glob("*.py")))
    return {gate.name: gate for gate in gates if gate is not None}


def run_gate(gate: Gate, *, quick: bool = False) -> Outcome:
    """Run a gate; what it prints goes to standard error, its last words into the outcome."""
    count = gate.quick if quick else gate.full
    limit = QUICK_LIMIT if quick else gate.limit
    module = f"{gate.package}.{gate.name}"
    command = [sys.executable, "-m", "tests.gates.harness", module, str(count)]
    if sys.platform.startswith("linux") and not has_display() and shutil.which("xvfb-run"):
        command = ["xvfb-run", "-a", "-s", "-screen 0 1366x768x24", *command]
    environment = {"OMP_NUM_THREADS": "1", **os.environ}
    start = time.monotonic()
    child = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        said, complaint = child.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        _end(child)
        said, complaint = child.communicate()
        complaint += f"\nstill running after {limit} s"
    seconds = time.monotonic() - start
    good = child.returncode == 0 and _FIGURE in said
    lines = (said if good else complaint or said).strip().splitlines()
    words = lines[-1].removeprefix(_FIGURE) if lines else f"ended with {child.returncode}"
    if not good:
        print(complaint[-6000:], file=sys.stderr)
        if child.returncode < 0:
            words = f"ended by {signal.Signals(-child.returncode).name}: {words}"
    return Outcome(gate.name, gate.promise, count, words, seconds, good)


def _end(child: subprocess.Popen[str]) -> None:
    """End a gate and whatever it started."""
    if hasattr(os, "killpg"):
        os.killpg(child.pid, signal.SIGKILL)
    else:
        child.kill()


def _read(path: Path) -> Gate | None:
    values: dict[str, Any] = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        match node:
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=given)):
                pairs = list(zip(names, given, strict=False))
            case ast.Assign(targets=[target], value=value):
                pairs = [(target, value)]
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                pairs = [(target, value)]
            case _:
                continue
        for target, value in pairs:
            if isinstance(target, ast.Name) and target.id in _CONSTANTS:
                values[target.id] = ast.literal_eval(value)
    if not {"PROMISE", "FULL", "QUICK"} <= set(values):
        return None
    return Gate(
        path.stem,
        " ".join(values["PROMISE"].split()),
        values["FULL"],
        values["QUICK"],
        values.get("LIMIT", FULL_LIMIT),
    )


def _main(module: str, count: str) -> None:
    """What the process of a gate does."""
    from importlib import import_module

    figure = import_module(module).run(int(count))
    print(f"{_FIGURE}{' '.join(str(figure).split())}")


if __name__ == "__main__":
    _main(*sys.argv[1:])
