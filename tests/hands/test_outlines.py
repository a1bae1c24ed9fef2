"""napari's polygon in the hand: corners in one line, and what is done after them."""

from __future__ import annotations

import numpy as np
import pytest

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
