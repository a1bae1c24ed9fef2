"""What labelled slices tell of those between them, beside a network that knows more or less."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_dim.data.case import Case
from napari_dim.engine.inference.between_labels import BetweenLabels, agreement
from napari_dim.engine.inference.predictor import Prediction
from napari_dim.states import SliceState
from napari_dim.volume import Grid, Volume

ENDS = (3, 8)


def _case(states: dict[int, SliceState] | None = None, **changes) -> Case:
    """A ball in noise, 12 x 48 x 40, of which some slices are labelled."""
    z, y, x = np.mgrid[:12, :48, :40]
    ball = ((z - 6) / 5) ** 2 + ((y - 24) / 12) ** 2 + ((x - 20) / 10) ** 2 < 1
    noise = np.random.default_rng(0).normal(0, 20, ball.shape)
    grid = Grid((40, 48, 12), np.diag([0.8, 0.9, 3.0, 1.0]), 2)
    volume = Volume((100 + 200 * ball + noise).astype(np.int16), grid)
    volume = replace(volume, **changes)
    labels = np.full(12, SliceState.UNTOUCHED, np.uint8)
    for number, state in (states or dict.fromkeys(ENDS, SliceState.PAINTED)).items():
        labels[number] = state
    return Case(volume, ball.astype(np.uint8), labels)


def _said(mask: np.ndarray, sure: int = 255) -> Prediction:
    """What a network says of all slices, on a grid of half the pixels."""
    confidence = np.full((12, 24, 20), sure, np.uint8)
    return Prediction(mask.copy(), np.arange(12), np.zeros(12, np.float32), confidence)


def _nothing(share: float) -> None:
    assert 0 <= share <= 1


def test_where_the_network_knows_nothing_the_labelled_slices_tell():
    case = _case()
    found = BetweenLabels(case, (1,)).lean(_said(np.zeros((12, 48, 40), np.uint8)), _nothing)
    assert agreement(found.mask[4:8], case.mask[4:8]) > 0.9
    assert not found.mask[[*range(4), *range(8, 12)]].any()  # the ends and beyond: the network's
    assert found.confidence[4:8].min() < 255  # no walk is sure of a border


def test_a_network_that_is_right_on_the_labelled_slices_is_heard():
    case = _case()
    case.volume.array[:] = 100  # the image tells nothing
    said = np.roll(case.mask, 5, axis=1)  # between the ends the ball lies elsewhere
    said[list(ENDS)] = case.mask[list(ENDS)]
    heard = BetweenLabels(case, (1,)).lean(_said(said), _nothing).mask
    wrong = said.copy()
    wrong[list(ENDS)] = 0
    unheard = BetweenLabels(case, (1,)).lean(_said(wrong), _nothing).mask
    assert agreement(heard[4:8], said[4:8]) > agreement(unheard[4:8], said[4:8]) + 0.05


def test_a_class_that_no_end_shows_is_the_network_s_to_find():
    case = _case()
    said = np.zeros((12, 48, 40), np.uint8)
    said[5:7, 2:8, 2:8] = 2
    found = BetweenLabels(case, (1, 2)).lean(_said(said, 200), _nothing)
    assert (found.mask[5:7, 2:8, 2:8] == 2).all()
    assert (found.confidence[5:7, 2, 2] == 200).all()
    assert agreement(found.mask[4:8], np.where(case.mask[4:8] == 1, 1, 0)) > 0.9


def test_labels_of_what_the_network_has_not_learnt_are_background_to_it():
    case = _case()
    case = replace(case, mask=np.where(case.mask, 300, 0).astype(np.uint16))
    said = _said(np.zeros((12, 48, 40), np.uint8))
    assert BetweenLabels(case, (1,)).slabs == []
    assert not BetweenLabels(case, (1,)).lean(said, _nothing).mask.any()


@pytest.mark.parametrize(
    "case",
    [
        _case({0: SliceState.EMPTY, 11: SliceState.EMPTY}),
        _case({3: SliceState.PAINTED}),
        _case({3: SliceState.PAINTED, 4: SliceState.PAINTED}),
        _case(kind="picture"),
        replace(_case(), searched={3: (), 8: (1,)}),
    ],
    ids=["empty ends", "one slice", "neighbours", "pictures", "not looked for"],
)
def test_there_is_nothing_to_lean_on(case):
    between = BetweenLabels(case, (1, 2))
    assert between.slabs == []
    said = _said(case.mask)
    np.testing.assert_array_equal(between.lean(said, _nothing).mask, said.mask)


def test_some_slices_of_a_slab_are_left_alone():
    case = _case()
    part = Prediction(
        np.zeros((4, 48, 40), np.uint8), np.arange(2, 6), np.zeros(4, np.float32),
        np.full((4, 24, 20), 255, np.uint8),
    )  # fmt: skip
    assert not BetweenLabels(case, (1,)).lean(part, _nothing).mask.any()


def test_it_ends_when_it_is_told_to():
    def stop(share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        BetweenLabels(_case(), (1,)).lean(_said(np.zeros((12, 48, 40), np.uint8)), stop)
