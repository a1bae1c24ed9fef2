"""Classes that stay while another one is drawn."""

from __future__ import annotations

import numpy as np

from napari_dim.editing.kept_classes import free, kept

BEFORE = np.array([0, 0, 1, 1, 2, 2, 3], np.uint8)
AFTER = np.array([1, 2, 0, 2, 0, 1, 3], np.uint16)


def test_background_and_the_class_that_is_drawn_change_all_others_stay():
    made = kept(BEFORE, AFTER, 1)
    assert made.tolist() == [1, 2, 0, 2, 2, 2, 3]
    assert made.dtype == np.uint16
    assert free(BEFORE, 1).tolist() == [True] * 4 + [False] * 3


def test_all_may_change_where_none_is_drawn_alone():
    np.testing.assert_array_equal(kept(BEFORE, AFTER, None), AFTER)
    assert free(BEFORE, None).all()
