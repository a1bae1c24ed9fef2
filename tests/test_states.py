"""The states of slices: which are labels, and how old ones are read."""

from __future__ import annotations

import numpy as np
import pytest

from napari_dim.data.case import Case
from napari_dim.states import BY_HAND, FREE, LABELLED, OPEN, WHOLE, SliceState, known_states
from tests.cases import ellipsoid


def test_old_numbers_mean_what_they_meant():
    old = np.array([0, 1, 1, 2, 3], np.uint8)
    now = known_states(old, np.array([0, 5, 0, 2, 7]))
    assert [SliceState(int(s)).name for s in now] == [
        "UNTOUCHED", "PAINTED", "EMPTY", "PARTIAL", "MACHINE",
    ]  # fmt: skip


@pytest.mark.parametrize("state", SliceState)
def test_training_takes_what_a_person_stands_behind_and_nothing_else(state):
    stands = state.name in ("PAINTED", "PARTIAL", "ACCEPTED", "ACCEPTED_PART", "CORRECTED", "EMPTY")
    states = np.array([0, state, 0], np.uint8)
    volume, mask = ellipsoid((3, 8, 8))
    case = Case(volume, mask, states, painted=mask > 0)
    assert (1 in case.labelled) == stands == (1 not in case.unlabelled)
    assert (state in LABELLED) == stands
    assert not (state in FREE and stands)
    assert set(BY_HAND) < set(LABELLED)
    assert set(LABELLED) - set(WHOLE) == set(OPEN)
    assert not set(BY_HAND) & {SliceState.ACCEPTED, SliceState.ACCEPTED_PART}
