"""Shapes between labelled slices."""

from __future__ import annotations

import numpy as np

from napari_dim.editing.shapes_between import between


def disc(radius: float, centre=(32, 32)) -> np.ndarray:
    y, x = np.mgrid[:64, :64]
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2


def test_a_cone_is_filled_with_its_discs():
    mask = np.zeros((9, 64, 64), np.uint8)
    mask[0], mask[8] = disc(6) * 3, disc(22) * 3
    filled = between(mask, [0, 8])
    assert sorted(filled) == list(range(1, 8))
    for number, plane in filled.items():
        true = disc(6 + 2 * number) * 3
        agree = 2 * np.sum((plane == 3) & (true == 3)) / (np.sum(plane == 3) + np.sum(true == 3))
        assert agree > 0.95
        assert set(np.unique(plane)) == {0, 3}
    assert not mask[1:8].any()  # The mask itself is left to the caller.


def test_classes_keep_apart_and_a_class_of_one_side_tapers_off():
    mask = np.zeros((5, 64, 64), np.uint16)
    mask[0][disc(10, (20, 20))] = 1
    mask[4][disc(10, (20, 20))] = 1
    mask[0][disc(8, (48, 48))] = 300
    filled = between(mask, [0, 4])
    sizes = [np.sum(filled[n] == 300) for n in (1, 2, 3)]
    assert sizes[0] > 0
    assert sizes[1:] == [0, 0]
    assert all(np.array_equal(filled[n] == 1, mask[0] == 1) for n in (1, 2, 3))
    assert filled[1].dtype == np.uint16


def test_neighbours_leave_nothing_to_fill_and_background_stays_background():
    mask = np.zeros((4, 8, 8), np.uint8)
    assert between(mask, [0, 1]) == {}
    assert between(mask, [2]) == {}
    assert not between(mask, [0, 3])[1].any()
