"""Every gate at its quick count, and the harness itself."""

from __future__ import annotations

import os
import re
from dataclasses import replace

import pytest

from tests.gates import report
from tests.gates.harness import Outcome, find_gates, run_gate

GATES = find_gates()


@pytest.mark.parametrize("gate", GATES.values(), ids=GATES.keys())
def test_the_promise_is_kept(gate):
    outcome = run_gate(gate, quick=True)
    assert outcome.good, outcome.figure


@pytest.fixture
def trial(tmp_path, monkeypatch):
    """The outcome of a gate whose function is `body`."""
    folder = tmp_path / "made"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)

    def run(body: str, limit: int = 60) -> Outcome:
        text = (
            f"PROMISE = 'kept'\nFULL = 3\nQUICK = 1\nLIMIT = {limit}\ndef run(count):\n    {body}\n"
        )
        (folder / "one.py").write_text(text)
        (gate,) = find_gates(folder).values()
        return run_gate(replace(gate, package="made"))

    return run


def test_a_kept_promise_gives_its_figure(trial):
    outcome = trial("print('working'); return f'{count} trials'")
    assert outcome.good
    assert outcome.figure == "3 trials"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("assert False, 'one was lost'", "one was lost"),
        ("import os; os.kill(os.getpid(), 11)", "SIGSEGV|Segmentation fault"),
        ("import os; os._exit(0)", "ended"),
        ("import time; time.sleep(60)", "still running after 3 s"),
    ],
)
def test_a_broken_promise_a_crash_and_a_hang_are_failures(trial, body, words):
    outcome = trial(body, limit=3 if "sleep" in body else 60)
    assert not outcome.good
    assert re.search(words, outcome.figure)


def test_the_table_keeps_what_was_not_run_again(tmp_path):
    file = tmp_path / "reliability.md"
    promises = {"one": "nothing is lost", "two": "nothing hangs", "three": "nothing leaks"}
    first = Outcome("one", promises["one"], 200, "200 kills, 0 lost", 12.3, True)
    second = Outcome("two", promises["two"], 50, "1 hang", 4.0, False)
    report.write(file, [first], promises)
    report.write(file, [second], promises, shared=True)
    text = file.read_text()
    assert "| 12 s | ok |" in text
    assert "| 4 s, shared machine | **failed** |" in text
    assert "200 kills, 0 lost" in text
    assert "`two` failed: 1 hang" in text
    assert "`three` was not run" in text
