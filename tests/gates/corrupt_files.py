"""Damaged files are refused in one line, or opened: nothing else happens.

Mutants are made from their number alone, of files that are the same everywhere:
``python -m tests.gates.corrupt_files 1234`` opens that one in this process and shows all that it
says. ``python -m tests.gates corrupt_files --files FOLDER`` makes them of the files of a folder.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

PROMISE = """Whatever is wrong with a file, opening it gives one exception type with one line
    that says what, soon, and never ends the process"""
FULL, QUICK = 10_000, 150
LIMIT = 5400

_APART = 125
_BATCH = 2500
_HANG = 60
"""Seconds that one mutant may take before its process is ended and the mutant counted a hang."""
_LONGEST_LINE = 1000
_SOON = 1.0


def run(count: int) -> str:
    """Open `count` mutants, in processes of their own, and judge what came of each."""
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report"
        while len(results) < count:
            first = len(results)
            results += _batch(first, min(first + _BATCH, count), report)
    bad = [r for r in results if r["end"] not in ("opened", "refused")]
    kinds = Counter(r["end"] for r in results)
    seconds = sorted(r["seconds"] for r in results)
    late = seconds[int(0.99 * (len(seconds) - 1))]
    lines = "\n".join(f"{r['number']} {r['seed']}: {r['end']}: {r['line'][:300]}" for r in bad[:20])
    assert not bad, f"{len(bad)} of {count} mutants\n{lines}\n{dict(kinds)}"
    assert late < _SOON, f"99th percentile {late:.2f} s"
    return (
        f"{count:,} mutants of {len({r['seed'] for r in results})} files: 0 crashes, 0 hangs, "
        f"0 other exceptions; {kinds['refused']:,} refused in one line, "
        f"{kinds['opened']:,} opened; 99th percentile of processor time {late * 1000:.0f} ms, "
        f"slowest {seconds[-1]:.2f} s"
    )


def _batch(first: int, last: int, report: Path) -> list[dict[str, Any]]:
    """What came of mutants `first` to `last`; after a crash or a hang, those up to it."""
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "tests.gates.corrupt_files", str(first), str(last)]
    words = report.with_suffix(".said")
    with words.open("w") as said:  # no pipe: libraries warn more than one can hold
        child = subprocess.Popen([*command, str(report)], stderr=said)
    size, changed = 0, time.monotonic()
    hung = False
    while child.poll() is None:
        try:
            child.wait(0.5)
        except subprocess.TimeoutExpired:
            now = report.stat().st_size if report.is_file() else 0
            if now != size:
                size, changed = now, time.monotonic()
            # The first lines wait for the seeds: imports, and a training of two steps.
            elif time.monotonic() - changed > (_HANG if size else 20 * _HANG):
                hung = True
                child.kill()
    complaint = words.read_text(errors="replace")
    results: list[dict[str, Any]] = []
    started: dict[str, Any] | None = None
    for text in report.read_text().splitlines() if report.is_file() else ():
        entry = json.loads(text)
        if "end" in entry:
            results.append(entry)
            started = None
        else:
            started = entry
    if started is not None:
        end = "hang" if hung else f"crash ({child.returncode})"
        results.append({**started, "end": end, "line": complaint[-300:], "seconds": _HANG})
    elif child.returncode:
        raise AssertionError(f"the process ended with {child.returncode}: {complaint[-2000:]}")
    assert results, "no mutant was opened"
    return results


def _open(first: int, last: int, report: Path) -> None:
    """What a child does: each mutant in turn, a line before it and a line after it."""
    from napari_dim.errors import InputError

    os.environ["XDG_DATA_HOME"] = tempfile.mkdtemp()
    known, others = _seeds()
    with tempfile.TemporaryDirectory() as folder, report.open("w", buffering=1) as out:
        for number in range(first, last):
            seed = _chosen(number, known, others)
            entry = {"number": number, "seed": seed.name}
            out.write(json.dumps(entry) + "\n")
            place = _write(number, seed, Path(folder))
            start = time.process_time()  # what else runs here says nothing about a file
            line = ""
            try:
                seed.open(place)
                end = "opened"
            except InputError as error:
                line, end = str(error), "refused"
                if "\n" in line or len(line) > _LONGEST_LINE + len(str(place)):
                    end = "not one line"
            except BaseException as error:
                line, end = str(error), type(error).__name__
            seconds = time.process_time() - start
            out.write(json.dumps({**entry, "end": end, "line": line, "seconds": seconds}) + "\n")


def _seeds() -> tuple[list[Any], list[Any]]:
    """What is damaged: opened in this process, and in ones of their own."""
    from tests.gates.harness import FILES
    from tests.gates.seeds import apart, from_elsewhere, seeds

    folder = os.environ.get(FILES)
    return (from_elsewhere(Path(folder)), []) if folder else (seeds(), apart())


def _chosen(number: int, known: list[Any], others: list[Any]) -> Any:
    """The seed of a mutant; one in `_APART` is read in a process of its own."""
    if others and number % _APART == _APART - 1:
        return others[number // _APART % len(others)]
    return known[number % len(known)]


def _write(number: int, seed: Any, folder: Path) -> Path:
    """The files of a mutant, in a folder of their own."""
    from tests.gates.mutants import damage

    rng = Random(number)
    place = folder / str(number)
    chosen = rng.choice(seed.damaged)
    for name, data in seed.files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(damage(name, data, rng) if name == chosen else data)
    return place


def _show(number: int) -> None:
    seed = _chosen(number, *_seeds())
    place = _write(number, seed, Path(tempfile.mkdtemp()))
    print(seed.name, "in", place)
    seed.open(place)


if __name__ == "__main__":
    if len(sys.argv) == 2:
        _show(int(sys.argv[1]))
    else:
        _open(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
