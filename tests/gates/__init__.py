"""Gates: the promises of reliability, each shown by a count of trials and one figure.

A gate is a module here with

- ``PROMISE``: what is promised, one sentence,
- ``FULL`` and ``QUICK``: how many trials make the figure, and how many every test run makes,
- ``run(count)``: makes that many trials, raises AssertionError at the first violation, and
  returns one line with the figure;

and, where the default doesn't do, ``LIMIT``: seconds that a full run may take.

``python -m tests.gates`` runs all in full, each in a process of its own; `test_gates.py` runs
all at their quick counts.
"""
