"""``python -m tests.gates``: run the gates in full, print their figures, write the table."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tests.gates.harness import FILES, find_gates, run_gate
from tests.gates.report import line, write


def main(arguments: list[str]) -> int:
    """Run the gates that are named, or all; 0 only if every promise was kept."""
    gates = find_gates()
    parser = argparse.ArgumentParser(prog="python -m tests.gates", description=main.__doc__)
    parser.add_argument("name", nargs="*", help=f"one of {', '.join(gates)}; all by default")
    parser.add_argument("--quick", action="store_true", help="the small counts of a test run")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there")
    parser.add_argument(
        "--files", type=Path, metavar="FOLDER", help="corrupt_files damages the files of a folder"
    )
    parser.add_argument(
        "--shared", action="store_true", help="other work runs on the machine: say so of the times"
    )
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.name) - set(gates))
    if unknown:
        parser.error(f"there is no gate {unknown[0]}")
    if options.files and options.name != ["corrupt_files"]:
        parser.error("--files is for corrupt_files alone")
    if options.files and options.markdown:
        parser.error("the table is of what every machine has; run without --files")
    if options.files:
        os.environ[FILES] = str(options.files.resolve())
    outcomes = []
    for name in options.name or gates:
        outcomes.append(run_gate(gates[name], quick=options.quick))
        print(line(outcomes[-1]), flush=True)
        if options.markdown:  # after each: a run that is cut off has told what it saw
            promises = {n: g.promise for n, g in gates.items()}
            write(options.markdown, outcomes, promises, shared=options.shared)
    failed = [outcome.name for outcome in outcomes if not outcome.good]
    print(f"{len(outcomes)} gates, {len(failed)} failed{': ' if failed else ''}{', '.join(failed)}")
    return 1 if failed or not outcomes else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
