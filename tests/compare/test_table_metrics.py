"""The tables' metrics against hand-made masks."""

from __future__ import annotations

import numpy as np
import pytest

from napari_dim.compare.table_metrics import table_scores
from napari_dim.engine.evaluation.metrics import score_binary


def square(top: int, left: int, rows: int = 6, columns: int = 6) -> np.ndarray:
    mask = np.zeros((24, 24), dtype=bool)
    mask[top : top + rows, left : left + columns] = True
    return mask


def test_empty_masks():
    none, some = np.zeros((24, 24), bool), square(3, 3)
    assert table_scores(none, none) == (1, 1, 0, 0)
    assert table_scores(none, some) == table_scores(some, none) == (0, 0, 100, 100)
    assert table_scores(some, some) == (1, 1, 0, 0)


def test_a_shifted_square_by_hand():
    found = table_scores(square(5, 7), square(5, 5))
    assert (found.dc, found.jc) == pytest.approx((2 / 3, 1 / 2))
    # Surfaces of 20 pixels. To the other's outline: 6 at the far side 2, 6 at the near
    # one 1 (its corners 0), and the rest of both edges 0, 1 or 2 away.
    edge = {(r, c) for r in range(5, 11) for c in range(7, 13) if r in (5, 10) or c in (7, 12)}
    other = {(r, c - 2) for r, c in edge}
    way = [min(np.hypot(r - a, c - b) for a, b in other) for r, c in edge]
    back = [min(np.hypot(r - a, c - b) for a, b in edge) for r, c in other]
    assert found.asd == pytest.approx(np.mean(way))
    assert found.hd == pytest.approx(np.percentile(way + back, 95))


def test_asd_is_directed_and_hd_pools_both_ways():
    small, large = square(8, 8, 2, 2), square(2, 2, 18, 18)
    one, other = table_scores(small, large), table_scores(large, small)
    assert one.asd != pytest.approx(other.asd)
    assert one.hd == other.hd
    spur = square(4, 4)
    spur[20, 4:6] = True  # 2 of 22 surface pixels one way, 2 of 42 in all
    found = table_scores(spur, square(4, 4))
    ours = score_binary(spur, square(4, 4), (1.0, 1.0))
    assert ours.dice == found.dc
    assert ours.hd95 == pytest.approx(10.45)  # the larger of both percentiles
    assert found.hd < 1


def test_a_mask_at_the_edge_has_its_surface_there():
    whole = np.ones((8, 8), dtype=bool)
    inner = np.zeros((8, 8), dtype=bool)
    inner[1:-1, 1:-1] = True
    assert table_scores(inner, whole).asd == pytest.approx(1.0)
