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
LIBRARIES = ("napari", "torch", "nibabel", "numpy")

Record = dict[str, Any]


def line(outcome: Outcome) -> str:
    """One outcome as a line of the terminal."""
    verdict = "ok" if outcome.good else "FAILED"
    return (
        f"{outcome.name:<18}{outcome.count:>7}  {outcome.seconds:>7.1f} s  {verdict:<6}  "
        f"{outcome.figure}"
    )


def write(path: Path, outcomes: Iterable[Outcome], promises: Mapping[str, str]) -> None:
    """Write the table, and beside it the same as JSON: gates not run now keep their last figure.

    Parameters
    ----------
    path
        The Markdown file; the JSON lies beside it.
    outcomes
        Those of this run.
    promises
        All gates that there are: name -> promise.
    """
    store = path.with_suffix(".json")
    known: dict[str, Record] = json.loads(store.read_text()) if store.is_file() else {}
    now = datetime.now(UTC).strftime("%Y-%m-%d")
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    machine = f"{platform.system()}, Python {platform.python_version()}, {libraries}"
    for outcome in outcomes:
        record = {**asdict(outcome), "seconds": round(outcome.seconds, 1), "day": now}
        known[outcome.name] = {**record, "machine": machine}
    known = {name: known[name] for name in sorted(promises) if name in known}
    store.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    path.write_text(_markdown(known, promises), encoding="utf-8")


def _markdown(known: Mapping[str, Record], promises: Mapping[str, str]) -> str:
    rows = []
    for name, promise in sorted(promises.items()):
        record = known.get(name)
        if record is None:
            rows.append(f"| `{name}` | {promise} | | not run | | |")
            continue
        figure = record["figure"].replace("|", "\\|")
        verdict = "ok" if record["good"] else "**failed**"
        rows.append(
            f"| `{name}` | {promise} | {record['count']:,} | {figure} "
            f"| {record['seconds']:.0f} s | {verdict} |"
        )
    machines = sorted({f"{r['machine']} ({r['day']})" for r in known.values()})
    failed = [name for name in promises if name in known and not known[name]["good"]]
    missing = [name for name in promises if name not in known]
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
            "| gate | promise | trials | figure | time | |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
            *(["Shortfalls:", "", *short, ""] if short else []),
            f"Run on {'; '.join(machines)}." if machines else "Not run yet.",
            "",
        ]
    )
