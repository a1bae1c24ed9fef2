"""How long a user waits before anything happens: imports and the quick commands.

Each is timed in fresh Python processes; the best of several is given, less Python's own
start. Run it with the Python that napari-dim is installed in.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time

BASE = "nothing (python's own start)"
CASES = {
    BASE: ["-c", "pass"],
    "import napari_dim": ["-c", "import napari_dim"],
    "napari-dim --version": ["-m", "napari_dim.cli", "--version"],
    "napari-dim --help": ["-m", "napari_dim.cli", "--help"],
    "napari-dim fit --help": ["-m", "napari_dim.cli", "fit", "--help"],
    "import napari_dim.volume": ["-c", "import napari_dim.volume"],
    "import torch": ["-c", "import torch"],
    "import napari_dim.engine.training.loop": ["-c", "import napari_dim.engine.training.loop"],
}
HEAVY = ("torch", "napari", "scipy", "nibabel", "qtpy")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    rows = [measure(name, arguments, options.repeats) for name, arguments in CASES.items()]
    base = rows[0]["seconds"]
    for row in rows[1:]:
        row["seconds"] = max(0.0, row["seconds"] - base)
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    print(f"{'what':<34}{'seconds':>8}  heavy imports")
    for row in rows:
        print(f"{row['what']:<34}{row['seconds']:>8.2f}  {' '.join(row['heavy']) or '-'}")


def measure(name: str, arguments: list[str], repeats: int) -> dict:
    best = min(seconds(arguments) for _ in range(repeats))
    return {"what": name, "seconds": best, "heavy": heavy_imports(arguments)}


def seconds(arguments: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def heavy_imports(arguments: list[str]) -> list[str]:
    """Which heavy packages the process imported, from Python's own account of imports."""
    command = [sys.executable, "-X", "importtime", *arguments]
    account = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    names = {line.rpartition("|")[2].strip() for line in account.splitlines() if "|" in line}
    return [package for package in HEAVY if package in names]


if __name__ == "__main__":
    main()
