"""Slabs between whole slices: shapes where the image is flat, the image where it tells more."""

from __future__ import annotations

import numpy as np
import pytest

from napari_dim.editing import slab_walks
from napari_dim.editing.slab_walks import grown

SPACING = (3.0, 1.0, 1.0)


def disc(radius: float, middle=(32, 32), shape=(64, 64)) -> np.ndarray:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return (rows - middle[0]) ** 2 + (columns - middle[1]) ** 2 < radius**2


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * np.sum(a & b) / (np.sum(a) + np.sum(b))


def test_without_contrast_the_shapes_in_between_are_taken():
    walls = {2: disc(8).astype(np.uint8), 8: disc(20).astype(np.uint8)}
    found = grown(lambda n: np.zeros((64, 64)), walls, range(3, 8), SPACING)
    assert sorted(found) == [3, 4, 5, 6, 7]
    for number, one in found.items():
        assert dice(one.ids == 1, disc(8 + 2 * (number - 2))) > 0.8  # walks blur them a little
        assert one.ids.dtype == np.uint8


def bulge(number: int) -> np.ndarray:
    """Discs that bulge between slices 0 and 8, which shapes alone can't know."""
    return disc(12 + 1.5 * min(number, 8 - number))


def seen(number: int) -> np.ndarray:
    """What shows the bulge, with noise."""
    noise = np.random.default_rng(number).normal(0, 20, (64, 64))
    return np.where(bulge(number), 200, 100) + noise


def test_the_image_tells_where_the_shapes_do_not():
    walls = {n: bulge(n).astype(np.int32) * 5 for n in (0, 8)}
    found = grown(seen, walls, range(1, 8), SPACING)
    for number, one in found.items():
        assert dice(one.ids == 5, bulge(number)) > 0.96
    assert dice(disc(12), bulge(4)) < 0.85  # the walls' own shape
    flat = grown(lambda n: np.zeros((64, 64)), walls, [4], SPACING)[4]
    assert one.sure > flat.sure  # and it is surer of it


def test_large_slabs_are_thinned_out_and_fit_their_pixels(monkeypatch):
    walls = {n: bulge(n).astype(np.uint8) for n in (0, 8)}
    monkeypatch.setattr(slab_walks, "MOST", 5_000)
    found = grown(seen, walls, range(1, 8), SPACING)
    for number, one in found.items():
        assert dice(one.ids == 1, bulge(number)) > 0.9


def test_several_classes_and_channels_keep_apart():
    one, two = disc(9, (20, 20)), disc(9, (44, 44))
    wall = np.where(one, 1, np.where(two, 2, 0))
    colours = np.stack([one * 90.0, two * 90.0, np.zeros((64, 64))], -1)
    found = grown(lambda n: colours, {0: wall, 4: wall}, [1, 2, 3], (8.0, 1.0, 1.0))
    for slab in found.values():
        assert dice(slab.ids == 1, one) > 0.97
        assert dice(slab.ids == 2, two) > 0.97


def test_a_model_says_more_where_the_image_says_nothing():
    wall = disc(10).astype(np.int32)
    moved = disc(10, (32, 38))

    def model(number, classes):
        assert list(classes) == [1]
        return np.stack([np.where(moved, 0.05, 0.95), np.where(moved, 0.95, 0.05)])

    blank = grown(lambda n: np.zeros((64, 64)), {0: wall}, [1, 2], SPACING)
    helped = grown(lambda n: np.zeros((64, 64)), {0: wall}, [1, 2], SPACING, model=model)
    silent = grown(
        lambda n: np.zeros((64, 64)), {0: wall}, [1, 2], SPACING, model=lambda n, c: None
    )
    assert dice(helped[2].ids == 1, moved) > dice(blank[2].ids == 1, moved) + 0.1
    np.testing.assert_array_equal(silent[2].ids, blank[2].ids)


def test_empty_walls_leave_nothing_and_work_can_be_ended():
    empty = np.zeros((64, 64), np.uint8)
    assert not grown(seen, {0: empty, 3: empty}, [1, 2], SPACING)[1].ids.any()
    shares: list[float] = []

    def stop(share: float) -> None:
        shares.append(share)
        if len(shares) == 3:
            raise KeyboardInterrupt

    wall = disc(10).astype(np.uint8)
    with pytest.raises(KeyboardInterrupt):
        grown(seen, {0: wall, 8: wall}, range(1, 8), SPACING, report=stop)
    assert shares == sorted(shares)
    assert 0 <= shares[-1] <= 1
