"""The look at all sites before an export, on masks alone."""

from __future__ import annotations

import re

import numpy as np

from napari_dim.gui.logic import slice_actions as acts
from napari_dim.gui.logic.site_check import check_sites
from napari_dim.gui.state.scan_mask import ScanMask


def _mask():
    """Twelve slices: three labelled, nine the machine's."""
    made = ScanMask(np.zeros((12, 8, 8), np.uint8))
    made.planes[[3, 6, 9], 2:6, 2:6] = 1
    made.look()
    made.take(np.arange(12), np.ones((12, 8, 8), np.uint8))
    return made


def test_accepted_and_labelled_slices_are_two_numbers():
    north, south = _mask(), _mask()
    acts.confirm(north, 4)
    acts.confirm(north, 5)
    told = check_sites([("north", north), ("south", south)])
    assert told.split("<br>")[:2] == [
        "<b>north</b>: 7 the machine's, 2 accepted, 3 labelled, Dice 1.00 (2)",
        "<b>south</b>: 9 the machine's, 0 accepted, 3 labelled",
    ]


def test_doubts_of_one_model_are_compared_and_no_others():
    north, south = _mask(), _mask()
    north.answer.entropy[:], south.answer.entropy[:] = 0.1, 0.4
    assert "less sure at south" in check_sites([("north", north), ("south", south)])
    north.answer.model, south.answer.model = object(), object()
    assert "less sure" not in check_sites([("north", north), ("south", south)])
    south.answer.model = north.answer.model
    assert "less sure at south" in check_sites([("north", north), ("south", south)])


def test_a_long_name_shows_both_its_ends():
    told = check_sites([("a" * 40 + "1", _mask()), ("a" * 40 + "2", _mask())])
    assert "a1</b>" in told
    assert "a2</b>" in told
    assert all(len(word) <= 40 for word in re.sub("<[^>]*>", " ", told).split())
