"""The table of all promises with their figures, for the terminal and for docs/results."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.gates.harness import Outcome

COMMAND = "python -m tests.gates --markdown docs/results/reliability.md"
THREATS: dict[str, tuple[str, ...]] = {
    "crash or kill -9 while painting": ("killed_strokes",),
    "journal and screen differ": ("random_strokes",),
    "prediction over labels; layer renamed, deleted, moved": ("one_mask",),
    "out of memory, device lost, missing operator, child killed": ("ends",),
    "closing while training": ("closes",),
    "torn checkpoint, full disk": ("checkpoint_kills", "killed_saves", "full_disk"),
    "NaN": ("nan",),
    "wrong geometry": ("geometry",),
    "label ids": ("label_ids",),
    "corrupt files": ("corrupt_files",),
    "size bombs": ("size_bombs",),
    "odd data": ("odd_data",),
    "hostile checkpoint": ("hostile_checkpoint",),
    "hostile project folder": ("hostile_paths",),
    "two windows on one project": ("lock_races",),
    "patient data leaks": ("patient_data",),
}
"""What each gate is there for, in the order of the table."""
STALL = """| GUI stall | | The 99th percentile of a 5 ms heartbeat is at most 50 ms above idle's
    while it trains | 3 | `benchmarks/gui_stall.py`, figures in [stall.md](stall.md) | | |"""
LIBRARIES = ("napari", "torch", "nibabel", "numpy")

Record = dict[str, Any]


def line(outcome: Outcome) -> str:
    """One outcome as a line of the terminal."""
    verdict = "ok" if outcome.good else "FAILED"
    return (
        f"{outcome.name:<18}{outcome.count:>7}  {outcome.seconds:>7.1f} s  {verdict:<6}  "
        f"{outcome.figure}"
    )


def write(
    path: Path, outcomes: Iterable[Outcome], promises: Mapping[str, str], *, shared: bool = False
) -> None:
    """Write the table, and beside it the same as JSON: gates not run now keep their last figure.

    Parameters
    ----------
    path
        The Markdown file; the JSON lies beside it.
    outcomes
        Those of this run.
    promises
        All gates that there are: name -> promise.
    shared
        Whether other work ran on the machine meanwhile: the times say little then.
    """
    store = path.with_suffix(".json")
    known: dict[str, Record] = json.loads(store.read_text()) if store.is_file() else {}
    now = datetime.now(UTC).strftime("%Y-%m-%d")
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    machine = f"{platform.system()}, Python {platform.python_version()}, {libraries}"
    for outcome in outcomes:
        record = {**asdict(outcome), "seconds": round(outcome.seconds, 1), "day": now}
        known[outcome.name] = {**record, "machine": machine, "shared": shared}
    known = {name: known[name] for name in sorted(known) if name in promises}
    store.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    path.write_text(_markdown(known, promises), encoding="utf-8")


def _markdown(known: Mapping[str, Record], promises: Mapping[str, str]) -> str:
    order = [(threat, name) for threat, names in THREATS.items() for name in names]
    order += [("", name) for name in sorted(promises) if name not in dict(map(reversed, order))]
    rows = []
    for threat, name in order:
        record = known.get(name)
        start = f"| {threat} | `{name}` | {promises.get(name, '')} |"
        if record is None:
            rows.append(f"{start} | **not run** | | |")
            continue
        figure = record["figure"].replace("|", "\\|")
        verdict = "ok" if record["good"] else "**failed**"
        took = f"{record['seconds']:.0f} s" + (", shared machine" if record.get("shared") else "")
        rows.append(f"{start} {record['count']:,} | {figure} | {took} | {verdict} |")
    rows.append(" ".join(STALL.split()))
    machines = sorted({f"{r['machine']} ({r['day']})" for r in known.values()})
    failed = [name for name in promises if name in known and not known[name]["good"]]
    missing = [name for _, name in order if name not in known]
    short = [
        *(f"- `{name}` failed: {known[name]['figure']}" for name in failed),
        *(f"- `{name}` was not run." for name in missing),
    ]
    return "\n".join(
        [
            "# Reliability",
            "",
            "Each row is a promise, and the figure that shows it. All of them again:",
            "",
            "```sh",
            COMMAND,
            "```",
            "",
            "One of them by its name (`python -m tests.gates corrupt_files`), all with small "
            "counts by `--quick`, as every run of the tests does. `tests/gates` has a file for "
            "each.",
            "",
            "| threat | gate | promise | trials | figure | time | |",
            "|---|---|---|---|---|---|---|",
            *rows,
            "",
            *(["Shortfalls:", "", *short, ""] if short else []),
            f"Run on {'; '.join(machines)}." if machines else "Not run yet.",
            "",
        ]
    )
