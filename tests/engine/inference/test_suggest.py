"""Which slice to label next."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_dim.engine.inference.suggest import Doubts, suggest


def doubts(entropy, disagreement=None, labelled=()):
    entropy = np.asarray(entropy, dtype=float)
    apart = np.zeros_like(entropy) if disagreement is None else np.asarray(disagreement, float)
    return Doubts(entropy, apart, labelled)


def test_the_least_sure_slices_come_first_and_the_next_lies_apart():
    entropy = np.zeros(40)
    entropy[[10, 11, 12]] = 0.5, 0.6, 0.5
    entropy[30] = 0.4
    found = suggest([doubts(entropy, labelled=[20])], 2)
    assert [s.number for s in found] == [11, 30]
    assert found[0].need > found[1].need


def test_the_middle_of_what_is_unsure_comes_before_its_end():
    entropy = np.zeros(60)
    entropy[40:] = 0.5  # up to the end of the scan
    first, second = suggest([doubts(entropy, labelled=[20])], 2)
    assert 45 <= first.number <= 55
    assert second.number != 59


def test_where_nothing_is_known_they_are_laid_out_evenly():
    numbers = sorted(s.number for s in suggest([doubts(np.ones(80))], 4))
    assert min(np.diff(numbers)) >= 12


def test_pictures_say_nothing_of_their_neighbours():
    entropy = np.full(9, 0.1)
    entropy[[3, 4]] = 0.9, 0.8
    stack = doubts(entropy)
    assert [s.number for s in suggest([replace(stack, separate=True)], 2)] == [3, 4]
    assert abs(np.diff([s.number for s in suggest([stack], 2)])) > 1


def test_a_labelled_slice_is_never_suggested():
    entropy = np.zeros(10)
    entropy[4] = 1
    assert suggest([doubts(entropy, labelled=[4])]) == []


def test_disagreement_counts_and_is_told():
    apart = np.zeros(20)
    apart[15] = 0.2
    entropy = np.full(20, 0.01)
    entropy[2] = 0.1
    (first,) = suggest([doubts(entropy, apart, labelled=[2])], 1)
    assert first.number == 15
    assert "changing its mind" in first.reason
    assert "13 slices" in first.reason


def test_suggestions_spread_over_cases():
    entropy = np.linspace(0.5, 1, 12)
    found = suggest([doubts(entropy), doubts(0.9 * entropy)], 4)
    assert {s.case for s in found} == {0, 1}
    assert len({(s.case, s.number) for s in found}) == 4


def test_nothing_to_say_gives_nothing():
    assert suggest([]) == []
    assert suggest([doubts(np.zeros(0))]) == []
