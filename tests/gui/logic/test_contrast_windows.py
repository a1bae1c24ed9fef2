"""Windows for CT, the automatic one, and what a drag makes of them."""

from __future__ import annotations

import pytest

from napari_dim.gui.logic.contrast_windows import CT, dragged, following, limits_words

HOUNSFIELD = (-1000.0, 1800.0)


def test_the_windows_take_turns_and_end_in_the_automatic_one():
    seen, limits = [], (-700.0, 900.0)  # whatever is shown at first
    for _ in range(len(CT) + 1):
        window = following(limits, HOUNSFIELD)
        seen.append(None if window is None else window.name)
        limits = (-700.0, 900.0) if window is None else window.limits
    assert seen == ["soft tissue", "lung", "bone", "brain", "liver", None]


def test_windows_that_show_nothing_of_a_scan_are_left_out():
    names = [w.name for w in CT if following((0, 0.5), (-2000.0, -1340.0)) == w]
    assert names == ["lung"]


@pytest.mark.parametrize("values", [(0.0, 1.0), (0.0, 2847.0), (-3.0, 900.0), (5000.0, 9000.0)])
def test_a_scan_that_is_not_ct_has_the_automatic_one_alone(values):
    assert following(values, values) is None  # soft tissue would show an MRI all white


def test_a_drag_to_the_right_widens_and_one_up_brightens():
    start = (0.0, 100.0)
    low, high = dragged(start, 200, 0)
    assert high - low == pytest.approx(200)
    assert (low + high) / 2 == pytest.approx(50)
    low, high = dragged(start, 0, 30)
    assert high - low == pytest.approx(100)
    assert (low + high) / 2 < 50  # lower: the same values are brighter
    assert dragged(start, 0, 0) == start
    low, high = dragged(start, -5000, 900)
    assert low < high  # never turned round


def test_words():
    assert limits_words((-160, 240)) == "level 40, width 400"
    assert limits_words((0.0, 0.25)) == "level 0.125, width 0.25"
