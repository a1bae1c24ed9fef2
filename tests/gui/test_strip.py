"""The strip of slices by itself: colours, letters and places; no viewer needed."""

from __future__ import annotations

import numpy as np
import pytest

from napari_dim.gui.widgets.slice_strip import COLOURS, Slices, SliceStrip
from napari_dim.states import SliceState


@pytest.fixture
def strip(qtbot):
    made = SliceStrip()
    qtbot.addWidget(made)
    return made


@pytest.mark.parametrize("count", [20, 900])
def test_it_is_readable_for_few_and_many_slices(strip, count):
    strip.show_slices(
        Slices(
            np.arange(count) % len(SliceState),
            np.ones(count) * 5,
            np.full(count, np.nan),
            {0: "why"},
        )
    )
    strip.show()
    strip.resize(300, 62)
    image = strip.grab().toImage()
    places = [(x, y) for x in range(image.width()) for y in range(image.height())]
    seen = {image.pixelColor(x, y).name().upper() for x, y in places}
    drawn = set(COLOURS) - {SliceState.UNTOUCHED}  # a faint cell without a bar
    painted = SliceState.PAINTED
    wanted = {COLOURS[painted]} if count > 300 else {COLOURS[state] for state in drawn}
    assert not {c.upper() for c in wanted} - seen
    assert strip.slice_at(0) == 0
    assert strip.slice_at(strip.width()) == count - 1


def test_letters_become_smaller_before_they_go(strip):
    font = strip.font()
    font.setPointSize(15)
    strip.setFont(font)
    whole = strip._fitting(60)
    assert whole is not None
    assert whole.pointSize() == 15
    small = strip._fitting(370 / 24)  # 24 slices in the narrowest dock
    assert small is not None
    assert 8 <= small.pixelSize() < 20
    assert strip._fitting(4) is None
