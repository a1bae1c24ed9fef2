"""In order, whoever is ready first; and errors where they belong."""

from __future__ import annotations

import threading
import time

import pytest

from napari_dim.data.ahead import made_ahead


def test_results_come_in_order_and_are_made_before_they_are_asked_for():
    begun = threading.Event()

    def make(number):
        if number == 1:
            begun.set()
        if number == 0:
            begun.wait(20)  # the second is made while the first still is
        return number * 10

    made = made_ahead(make, [0, 1, 2, 3], 2)
    assert next(made) == 0
    assert begun.is_set()
    assert list(made) == [10, 20, 30]


def test_no_more_than_asked_for_are_made_ahead():
    made: list[int] = []

    def make(number):
        made.append(number)
        return number

    asked = made_ahead(make, list(range(9)), 2)
    next(asked)
    time.sleep(0.2)
    assert max(made) <= 2
    asked.close()
    assert max(made) <= 2


def test_an_error_is_raised_at_its_turn_and_ends_it():
    seen = []

    def make(number):
        seen.append(number)
        if number == 2:
            raise ValueError("two")
        return number

    made = made_ahead(make, list(range(100)), 3)
    assert [next(made), next(made)] == [0, 1]
    with pytest.raises(ValueError, match="two"):
        next(made)
    assert len(seen) < 10
    assert not [t for t in threading.enumerate() if t.name.startswith("ahead")]
