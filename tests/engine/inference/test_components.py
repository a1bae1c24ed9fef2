"""Dropping stray pieces, where the labels say that a class is one piece."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage.measure import block_reduce

from napari_dim.engine.inference.components import main_pieces, single_pieces, thinned
from tests.cases import case


def nested_with_specks():
    mask = np.zeros((4, 20, 20), np.uint16)
    mask[:, 5:15, 5:15] = 1
    mask[:, 8:12, 8:12] = 300
    clean = mask.copy()
    mask[0, 0, 0] = 1
    mask[3, 18:20, 0:2] = 300
    return mask, clean


def test_specks_go_and_a_core_stays_in_its_shell():
    mask, clean = nested_with_specks()
    before = mask.copy()
    assert np.array_equal(main_pieces(mask, (1, 300)), clean)
    assert np.array_equal(mask, before)
    assert main_pieces(mask, (1, 300)).dtype == np.uint16


def test_only_the_named_classes_are_cleaned():
    mask, _ = nested_with_specks()
    half = main_pieces(mask, (1,))
    assert half[0, 0, 0] == 0
    assert half[3, 19, 0] == 300


def test_classes_in_different_pieces_each_keep_theirs():
    mask = np.zeros((2, 10, 30), np.uint8)
    mask[:, 2:8, 2:10] = 1
    mask[:, 2:8, 20:28] = 2
    assert np.array_equal(main_pieces(mask, (1, 2)), mask)


def test_empty_and_single_masks_are_left():
    empty = np.zeros((2, 5, 5), np.uint8)
    assert np.array_equal(main_pieces(empty, (1,)), empty)


def test_the_labels_tell_an_organ_from_lesions():
    organ = case((0, 1, 2, 3, 4, 5))
    lesions = case((0, 1, 2, 3, 4, 5))
    lesions.mask[:] = 0
    lesions.mask[1, 2:6, 2:6] = lesions.mask[4, 20:24, 20:24] = 1
    assert single_pieces([organ], (1, 2), lambda c: c.mask) == (1, 2)
    assert single_pieces([lesions], (1,), lambda c: c.mask) == ()


def test_specks_that_the_annotator_did_not_paint_do_not_make_it_several():
    organ = case((0, 1, 2, 3, 4, 5))
    speckled = organ.mask.copy()
    speckled[2, 0, 0] = 1
    assert single_pieces([organ], (1, 2), lambda c: speckled) == (1, 2)


def branch_and_others(strays: int):
    """An organ with a small true side piece, and an unlabelled scan with `strays` specks."""
    organ = case((0, 1, 2, 3, 4, 5))
    organ.mask[:] = 0
    organ.mask[:, 4:20, 4:20] = 1
    organ.mask[2, 24:27, 24:27] = 1  # 0.6 % of what is painted
    other = case(())
    predicted = {id(organ): organ.mask, id(other): np.zeros_like(organ.mask)}
    predicted[id(other)][:, 4:20, 4:20] = 1
    for number in range(strays):
        predicted[id(other)][number, 24:28, 24:28] = 1
    return [organ, other], lambda c: predicted[id(c)]


def test_a_small_side_piece_yields_where_most_of_its_like_is_stray():
    for strays, pieces in ((0, ()), (6, (1,))):
        cases, predict = branch_and_others(strays)
        assert single_pieces(cases, (1,), predict) == pieces


def test_a_narrow_gap_does_not_part_and_a_wide_one_does():
    mask = np.zeros((4, 256, 256), np.uint8)
    mask[:, 20:100, 20:100] = 1
    mask[:, 20:60, 102:120] = 1
    near = mask.copy()
    mask[:, 200:205, 200:205] = 1
    assert np.array_equal(main_pieces(mask, (1,)), near)


def test_large_masks_are_cleaned_as_blocks_of_voxels_are():
    """Against labels of the blocks brought back to every voxel, on sizes that don't divide."""
    rng = np.random.default_rng(0)
    field = ndimage.gaussian_filter(rng.normal(size=(70, 150, 133)), 4)
    mask = (field > 1.5 * field.std()).astype(np.uint8) + (field > 2 * field.std())
    block = (1, 2, 2)
    pieces, count = ndimage.label(block_reduce(mask > 0, block, np.any), np.ones((3, 3, 3)))
    assert count > 5
    for axis, length in enumerate(mask.shape):
        pieces = np.take(pieces, np.arange(length) // block[axis], axis)
    expected = mask.copy()
    for class_id in (1, 2):
        here = mask == class_id
        expected[here & (pieces != np.bincount(pieces[here]).argmax())] = 0
    assert np.array_equal(main_pieces(mask, (1, 2)), expected)


def test_of_a_large_case_the_labelled_slices_and_some_others_are_looked_at():
    whole = case((0, 4, 5), shape=(30, 20, 16), spacing=(2.0, 1.0, 1.0))
    assert thinned(whole) is whole
    thin = thinned(whole, 10 * 20 * 16)
    numbers = np.union1d(np.arange(0, 30, 3), (0, 4, 5))
    np.testing.assert_array_equal(thin.volume.array, whole.volume.array[numbers])
    np.testing.assert_array_equal(thin.mask, whole.mask[numbers])
    np.testing.assert_array_equal(np.flatnonzero(np.isin(numbers, (0, 4, 5))), thin.labelled)
    assert thin.volume.grid.shape == (12, 20, 16)
    assert thin.volume.spacing[0] == 5.0


def test_so_many_slices_are_looked_at_and_no_more(monkeypatch):
    """The first case in any event: without it nothing is known."""
    from napari_dim.engine.inference import components

    cases = [case((0, 1, 2, 3, 4, 5)) for _ in range(5)]
    for most, expected in ((1, 1), (6, 1), (12, 2), (17, 2), (60, 5)):
        monkeypatch.setattr(components, "MOST_SLICES", most)
        seen = []

        def predict(asked, seen=seen):
            seen.append(asked)
            return asked.mask

        assert len(cases[0].states) == 6
        assert single_pieces(cases, (1,), predict) == (1,)
        assert len(seen) == expected
