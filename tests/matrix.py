"""The tests by hand on every napari that is supported, and on both Qt bindings.

    python tests/matrix.py              # all rows; writes docs/results/napari_matrix.md
    python tests/matrix.py 0.6.6        # the rows whose name holds this; writes nothing

Each row has an environment of its own in `.matrix/`, made once: napari and Qt of its versions,
all else (torch above all) from the environment that runs this. It is made anew with --fresh.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from napari_dim.cli.system import has_display

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".matrix"
REPORT = ROOT / "docs" / "results" / "napari_matrix.md"
ASK = (
    "import json, napari, qtpy, vispy, numpy;"
    "print(json.dumps([napari.__version__, f'{qtpy.API_NAME} {qtpy.PYQT_VERSION or "
    "qtpy.PYSIDE_VERSION}', vispy.__version__, numpy.__version__]))"
)


@dataclass(frozen=True)
class Row:
    """A napari and a Qt binding."""

    napari: str
    binding: str

    @property
    def name(self) -> str:
        """What its environment is called."""
        return f"napari-{self.napari}-{self.binding}"

    @property
    def python(self) -> Path:
        """Its interpreter."""
        scripts = "Scripts" if os.name == "nt" else "bin"
        return FOLDER / self.name / scripts / "python"

    @property
    def environment(self) -> dict[str, str]:
        """What its programs are told: the binding, and settings that touch nobody's own."""
        path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
        return {
            "OMP_NUM_THREADS": "1",
            **os.environ,
            "PYTHONPATH": path,
            "QT_API": self.binding,
            "PYTEST_QT_API": self.binding,
            "NAPARI_CONFIG": "",
        }


ROWS = (
    Row("0.6.6", "pyqt6"),
    Row("0.7.1", "pyqt6"),
    Row("0.8.0", "pyqt6"),
    Row("0.9.2", "pyqt6"),
    Row("0.9.2", "pyside6"),
)


def build(row: Row) -> None:
    """Make a row's environment: its own napari and Qt before all else of this one."""
    place = FOLDER / row.name
    subprocess.run([sys.executable, "-m", "venv", place], check=True)
    own = subprocess.run(
        [row.python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    Path(own, "host.pth").write_text(sysconfig.get_path("purelib") + "\n")
    qt = {"pyqt6": "PyQt6", "pyside6": "PySide6!=6.12.0"}[row.binding]
    subprocess.run(
        [row.python, "-m", "pip", "install", "-q", f"napari=={row.napari}", qt], check=True
    )


def run(row: Row, tests: list[str]) -> list[str]:
    """Run the tests in a row's environment; returns its line of the table."""
    asked = subprocess.run(
        [row.python, "-c", ASK], env=row.environment, capture_output=True, text=True
    )
    if asked.returncode:
        return [row.napari, row.binding, "", "", f"does not start: {asked.stderr[-200:]}", ""]
    versions = json.loads(asked.stdout.splitlines()[-1])
    counts: Counter[str] = Counter()
    failed: list[str] = []
    start = time.monotonic()
    for file in files(tests):  # a process each: old naparis don't take fifty windows in one
        command = [str(row.python), "-m", "pytest", "-q", "-p", "no:cacheprovider", file]
        if sys.platform.startswith("linux") and not has_display():
            command = ["xvfb-run", "-a", "-s", "-screen 0 1600x1000x24", *command]
        done = subprocess.run(
            command, cwd=ROOT, env=row.environment, capture_output=True, text=True
        )
        print(done.stdout[-6000:], done.stderr[-2000:], flush=True)
        last = next((x for x in reversed(done.stdout.splitlines()) if " in " in x), "")
        found = re.findall(r"(\d+) (passed|failed|skipped|errors?)", last)
        counts.update({what: int(number) for number, what in found})
        failed += re.findall(r"^(?:FAILED|ERROR) (?:\S*/)?(\S+)", done.stdout, re.M)
        if not found:
            failed.append(f"{Path(file).name} broke off")
    said = ", ".join(f"{number} {what}" for what, number in counts.items())
    lines = "".join(f"<br>{name}" for name in failed)
    return [*versions, said + lines, f"{time.monotonic() - start:.0f} s"]


def files(tests: list[str]) -> list[str]:
    """The files of tests in folders, and those that are named."""
    return [
        str(file)
        for test in tests
        for file in (sorted((ROOT / test).glob("test_*.py")) if (ROOT / test).is_dir() else [test])
    ]


def report(lines: list[list[str]]) -> str:
    """The table as Markdown."""
    head = ["napari", "Qt", "vispy", "numpy", "tests/hands", "time"]
    rows = [head, ["---"] * len(head), *lines]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return (
        "# The window on each napari\n\n"
        "A real window, real keys, mouse, dialogs and drops, on every napari that is supported "
        f"and both Qt bindings. Python {sys.version.split()[0]}, {sys.platform}; made by\n\n"
        f"```sh\npython tests/matrix.py\n```\n\n{table}\n"
    )


def main() -> int:
    """Build what is missing, run, and write the table if all rows ran."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", help="parts of the names of rows; all without")
    parser.add_argument("--fresh", action="store_true", help="make the environments anew")
    parser.add_argument("--build", action="store_true", help="only make the environments")
    parser.add_argument("--tests", nargs="+", default=["tests/hands"])
    asked = parser.parse_args()
    rows = [r for r in ROWS if not asked.rows or any(part in r.name for part in asked.rows)]
    lines = []
    for row in rows:
        print(row.name, flush=True)
        if asked.fresh:
            shutil.rmtree(FOLDER / row.name, ignore_errors=True)
        if not row.python.exists():
            build(row)
        if not asked.build:
            lines.append(run(row, asked.tests))
            print(lines[-1], flush=True)
    if not asked.build and len(rows) == len(ROWS):
        REPORT.write_text(report(lines), "utf8")
    bad = ("failed", "error", "not", "broke off")
    return int(any(word in line[4] for line in lines for word in bad))


if __name__ == "__main__":
    sys.exit(main())
