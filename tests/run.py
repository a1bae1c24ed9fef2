"""All checks in one go: lint, types, import contracts, manifest, then the tests.

Runs where only Python was: on Debian and Ubuntu as root it installs the system libraries
that Qt needs and Xvfb; otherwise it names them. Arguments go to pytest.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from napari_dim.cli.system import apt_line, has_display, missing_qt_packages
from napari_dim.engine.precision import available_cpus

ROOT = Path(__file__).resolve().parent.parent
CHECKS = {
    "ruff check": ["ruff", "check"],
    "ruff format": ["ruff", "format", "--check"],
    "mypy": ["mypy"],
    "import contracts": ["lint-imports", "--no-logo"],
    "manifest": ["npe2", "validate", "napari-dim"],
}
# xvfb-run needs xauth; Mesa draws where there is no graphics card; Qt needs a font.
SCREEN = {"xvfb-run": "xvfb", "xauth": "xauth"}
SCREEN_EXTRAS = ["libgl1-mesa-dri", "fonts-dejavu-core"]


def main(pytest_arguments: list[str]) -> int:
    """Run everything and return the exit code: 0 only if all is well."""
    wanted = missing_packages()
    if wanted and not install(wanted):
        print(
            f"The tests of the window need system packages. Install them with\n  {apt_line(wanted)}"
        )
        return 1
    results = [check(name, command) for name, command in CHECKS.items()]
    tests = run_pytest(pytest_arguments)
    return 0 if all(results) and tests == 0 else 1


def missing_packages() -> list[str]:
    """Debian packages that the tests of the window need and that are not here."""
    if not sys.platform.startswith("linux"):
        return []
    packages = missing_qt_packages()
    if not has_display():
        packages += [name for program, name in SCREEN.items() if not shutil.which(program)]
    return packages + SCREEN_EXTRAS if packages else []


def install(packages: list[str]) -> bool:
    """Install Debian packages if we may; say what is done."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    print(f"Installing {' '.join(packages)}", flush=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-qq"], ["install", "-qq", "-y", *packages]):
        if subprocess.run(["apt-get", *command], env=quiet, stdout=subprocess.DEVNULL).returncode:
            return False
    return not missing_packages()


def check(name: str, command: list[str]) -> bool:
    """Run one tool; show what it says only if it complains."""
    start = time.monotonic()
    program = Path(sys.executable).with_name(command[0])
    done = subprocess.run([program, *command[1:]], cwd=ROOT, capture_output=True, text=True)
    good = done.returncode == 0
    print(f"{name:<18}{'ok' if good else 'FAILED'}  {time.monotonic() - start:.1f} s", flush=True)
    if not good:
        print(done.stdout + done.stderr, flush=True)
    return good


def run_pytest(arguments: list[str]) -> int:
    """Run the tests, on a virtual screen if there is no real one."""
    # Tests wait for windows, processes and clocks for half of their time, so a core serves two
    # workers; more than four need much memory. Whoever asks for certain tests gets one process,
    # and can debug in it.
    workers = min(2 * available_cpus(), 4)
    arguments = arguments or ["-n", str(workers), "--dist", "worksteal"]
    command = [sys.executable, "-m", "pytest", *arguments]
    if sys.platform.startswith("linux") and not has_display():
        command = ["xvfb-run", "-a", "-s", "-screen 0 1600x1000x24", *command]
    # A test that trains is no test of how many cores there are; nor is one that draws.
    environment = {"OMP_NUM_THREADS": "1", "LP_NUM_THREADS": "0", **os.environ}
    return subprocess.run(command, cwd=ROOT, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
