"""napari's polygon in the hand: corners in one line, and the slice that it fills."""

from __future__ import annotations

import numpy as np
import pytest

from napari_dim.gui.commands import slice_commands as slices
from tests.gui.conftest import tiny_image

FLAT = {
    "down": [(10, 20), (14, 20), (18, 20)],
    "up": [(18, 24), (14, 24), (10, 24)],
    "across": [(24, 20), (24, 24), (24, 28)],
    "there and back": [(10, 28), (16, 28), (10, 28), (16, 28)],
    "aslant": [(30, 20), (34, 24), (38, 28)],
}


@pytest.mark.parametrize("background", [False, True], ids=["class", "background"])
def test_corners_in_one_line_are_an_outline_as_any(hand, session, background):
    layer = session.labels
    if background:
        places = np.mgrid[6:7, 6:42, 14:34].reshape(3, -1)
        layer.data_setitem(tuple(places), 1)
    hand.press("3")
    for corners in FLAT.values():
        if background:
            hand.press("X")
        for corner in corners:
            hand.sweep(hand.at(*corner, layer))
        hand.double_click(hand.at(*corners[-1], layer))
        line = np.asarray(layer.data[6])[tuple(np.transpose(corners))]
        assert (line == (0 if background else 1)).all()
        if background:
            hand.press("X")  # napari draws its last outline anew, in the other colour
        layer.opacity = 0.5


def test_an_outline_and_a_stroke_stay_in_the_slice_that_is_shown(hand, viewer, workspace):
    """Slice 4 of 7.9 mm each is found at 3.9999: cut off, it would be slice 3."""
    scale = (7.9, 0.7, 0.7)
    viewer.add_image(tiny_image()[0], name="ball", scale=scale)
    hand.rest()
    hand.click(workspace.annotate.new)
    layer, session = workspace.session.labels, workspace.session
    cut = [n for n in range(12) if int(layer.world_to_data((n * scale[0], 0, 0))[0]) < n]
    assert len(cut) > 3  # the spacing is one of those
    for number in (*cut[:3], 11):
        for key in ("2", "3", "4"):  # brush, polygon, bucket
            slices.go_to(session, number)
            hand.rest()
            hand.press(key)
            for corner in [(10, 20), (14, 24), (18, 20)] if key == "3" else [(14, 21)]:
                hand.sweep(hand.at(*corner, layer))
            if key == "3":
                hand.double_click(hand.at(18, 20, layer))
            assert layer.data[number, 14, 21] == 1, (number, key)
            assert np.flatnonzero(layer.data.any((1, 2))).tolist() == [number], (number, key)
            hand.press("Ctrl-Z")
            assert not layer.data.any()
