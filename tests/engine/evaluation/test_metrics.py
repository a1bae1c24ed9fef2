from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_dim.engine.evaluation.metrics import parse_merges, relabel, score, score_binary
from napari_dim.errors import InputError


def brute_force(first, second, spacing):
    """Distances between all pairs of surface voxels, a surface voxel at a time."""

    def surface(mask):
        points = []
        for index in np.argwhere(mask):
            for axis in range(mask.ndim):
                for step in (-1, 1):
                    near = index.copy()
                    near[axis] += step
                    outside = (near < 0).any() or (near >= mask.shape).any()
                    if outside or not mask[tuple(near)]:
                        points.append(index * spacing)
        return np.unique(points, axis=0)

    a, b = surface(first), surface(second)
    apart = np.linalg.norm(a[:, None] - b[None], axis=-1)
    there, back = apart.min(axis=1), apart.min(axis=0)
    hd95 = max(np.percentile(there, 95), np.percentile(back, 95))
    return hd95, np.concatenate([there, back]).mean()


def random_masks(shape, seed, smooth=1.0):
    rng = np.random.default_rng(seed)
    return [ndimage.gaussian_filter(rng.random(shape), smooth) > 0.5 for _ in range(2)]


SHAPES = [((11, 14), (1.0, 1.0)), ((13, 9), (0.4, 2.5)), ((7, 9, 8), (1, 1, 1)),
          ((6, 10, 9), (3.5, 0.9, 1.2))]  # fmt: skip


@pytest.mark.parametrize(("shape", "spacing"), SHAPES)
@pytest.mark.parametrize("seed", range(4))
def test_against_brute_force(shape, spacing, seed):
    first, second = random_masks(shape, seed)
    found = score_binary(first, second, spacing)
    hd95, asd = brute_force(first, second, np.array(spacing))
    assert found.hd95 == pytest.approx(hd95, abs=1e-9)
    assert found.asd == pytest.approx(asd, abs=1e-9)
    both, either = (first & second).sum(), (first | second).sum()
    assert found.jaccard == pytest.approx(both / either)
    assert found.dice == pytest.approx(2 * both / (first.sum() + second.sum()))


@pytest.mark.parametrize(("shape", "spacing"), SHAPES)
def test_against_monai(shape, spacing):
    import torch
    from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance

    first, second = random_masks(shape, 9)
    tensors = [torch.tensor(mask)[None, None].float() for mask in (first, second)]
    options = {"include_background": True, "spacing": list(map(float, spacing))}
    found = score_binary(first, second, spacing)
    hd95 = compute_hausdorff_distance(*tensors, percentile=95, **options).item()
    asd = compute_average_surface_distance(*tensors, symmetric=True, **options).item()
    assert found.hd95 == pytest.approx(hd95, rel=1e-5)
    assert found.asd == pytest.approx(asd, rel=1e-5)


def test_numbers_worked_out_by_hand():
    first, second = np.zeros((2, 1, 12), np.uint8)
    first[0, 2:6], second[0, 3:7] = 1, 1
    # Surfaces in one row: the ends alone, 2 and 5 against 3 and 6, at 0.5 mm a pixel.
    found = score(first, second, (9.0, 0.5), [1])[1]
    assert found.dice == pytest.approx(6 / 8)
    assert found.jaccard == pytest.approx(3 / 5)
    assert found.hd95 == pytest.approx(0.5)
    assert found.asd == pytest.approx(0.5)


def test_one_slice_is_scored_in_two_dimensions():
    first, second = (mask[None] for mask in random_masks((12, 15), 3))
    flat = score_binary(first[0], second[0], (0.5, 0.7))
    assert score(first * 2, second * 2, (5.0, 0.5, 0.7), [2])[2] == flat


def test_empty_masks():
    empty, full = np.zeros((3, 4, 4), np.uint8), np.ones((3, 4, 4), np.uint8)
    both = score(empty, empty, (1, 1, 1), [1])[1]
    assert (both.dice, both.jaccard, both.hd95, both.asd) == (1, 1, None, None)
    for pair in ((empty, full), (full, empty)):
        one = score(*pair, (1, 1, 1), [1])[1]
        assert (one.dice, one.jaccard, one.hd95, one.asd) == (0, 0, None, None)
    same = score(full, full, (1, 1, 1), [1])[1]
    assert (same.dice, same.jaccard, same.hd95, same.asd) == (1, 1, 0, 0)


def test_a_single_voxel_and_a_volume_of_one_voxel():
    first, second = np.zeros((2, 3, 5, 5), np.uint8)
    first[1, 1, 1], second[1, 1, 4] = 1, 1
    found = score(first, second, (1.0, 1.0, 2.0), [1])[1]
    assert (found.dice, found.hd95, found.asd) == (0, 6, 6)
    one = np.ones((1, 1, 1), np.uint8)
    assert score(one, one, (1.0, 1.0, 1.0), [1])[1].hd95 == 0


def test_shapes_must_agree():
    with pytest.raises(InputError, match="can't be compared"):
        score(np.zeros((2, 3, 4)), np.zeros((2, 3, 5)), (1, 1, 1), [1])


@given(st.integers(0, 10**6), st.floats(0.1, 10))
@settings(max_examples=30, deadline=None)
def test_laws(seed, factor):
    first, second = random_masks((5, 8, 7), seed)
    if not first.any() or not second.any():
        return
    here = score_binary(first, second, (3.0, 1.0, 0.5))
    there = score_binary(second, first, (3.0, 1.0, 0.5))
    assert here.dice == there.dice
    assert here.hd95 == there.hd95
    assert here.asd == pytest.approx(there.asd)
    assert here.jaccard == pytest.approx(here.dice / (2 - here.dice))
    scaled = score_binary(first, second, (3 * factor, factor, 0.5 * factor))
    assert scaled.hd95 == pytest.approx(factor * here.hd95)
    assert scaled.asd == pytest.approx(factor * here.asd)


def test_merges():
    assert parse_merges([]) == {}
    assert parse_merges(["1,2=1", "5, 6 =3"]) == {1: 1, 2: 1, 5: 3, 6: 3}
    mask = np.array([[0, 1, 2], [3, 5, 70000]])
    merged = relabel(mask, {1: 1, 2: 1, 3: 0, 70000: 4})
    np.testing.assert_array_equal(merged, [[0, 1, 1], [0, 5, 4]])
    # All at once: 1 -> 2 and 2 -> 1 swap.
    np.testing.assert_array_equal(relabel(np.array([1, 2]), {1: 2, 2: 1}), [2, 1])


@pytest.mark.parametrize("text", ["1,2", "=1", "1=", "a=1", "1,2=x", "-1=2", "1=2=3", ""])
def test_bad_merges_are_one_line(text):
    with pytest.raises(InputError, match="no merge"):
        parse_merges([text])
    with pytest.raises(InputError, match="merged into two"):
        parse_merges(["1=2", "1=3"])
