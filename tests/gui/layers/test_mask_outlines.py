"""How wide the lines of a mask are."""

from __future__ import annotations

import pytest

from napari_dim.gui.layers.mask_outlines import OUTLINED, contour_of
from napari_dim.states import SliceState


@pytest.mark.parametrize("side", [40, 256, 512, 2048])
def test_a_persons_line_is_twice_as_wide_as_the_machines(side):
    machines = contour_of(SliceState.MACHINE, side, machines=True, all_=False)
    assert machines >= 1
    for state in SliceState:
        alone = contour_of(state, side, machines=False, all_=True)
        assert alone == (machines if state in OUTLINED else 2 * machines)
        assert contour_of(state, side, machines=False, all_=False) == 0
