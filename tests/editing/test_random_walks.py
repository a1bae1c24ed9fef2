"""Strokes to masks: what is right is found, what was said holds, and it takes no time."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_dim.editing.random_walks import scribbled, walks


def scene(size: int = 160, channels: int = 0, seed: int = 0):
    """An ellipse and a like one beside it, in noise that hangs together; the first is meant."""
    rows, columns = np.mgrid[:size, :size] / size
    body = ((rows - 0.5) / 0.16) ** 2 + ((columns - 0.35) / 0.12) ** 2 < 1
    other = ((rows - 0.5) / 0.1) ** 2 + ((columns - 0.75) / 0.08) ** 2 < 1
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(0, 1, body.shape), 1.5)
    image = 100 + 60 * (body | other) + 12 * noise / noise.std()
    if channels:
        image = np.stack([image, 250 - image, 0.5 * image][:channels], -1)
    return image, body, other


def line(shape, start, end, width=2):
    made = np.zeros(shape, bool)
    points = np.linspace(start, end, 400).round().astype(int)
    made[points[:, 0], points[:, 1]] = True
    return ndimage.binary_dilation(made, iterations=width)


def dice(a, b):
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


@pytest.mark.parametrize("channels", [0, 3])
@pytest.mark.parametrize("size", [160, 512])
def test_one_stroke_along_a_structure_finds_it_and_not_a_like_one(size, channels):
    image, body, other = scene(size, channels)
    stroke = line(body.shape, (0.4 * size, 0.35 * size), (0.6 * size, 0.35 * size))
    found = scribbled(image, stroke, np.zeros_like(stroke))
    assert dice(found, body) > 0.9
    assert not (found & other).any()
    assert found[stroke].all()


def test_not_this_takes_a_leak_away_and_further_strokes_refine():
    image, body, other = scene()
    size = len(image)
    body |= other  # a bridge joins both, and only the left one is meant
    image[75:85, 60:120] += 60 - (image[75:85, 60:120] > 140) * 60
    left = body & (np.arange(size) < 84)
    stroke = line(body.shape, (0.4 * size, 0.35 * size), (0.6 * size, 0.35 * size))
    none = np.zeros_like(stroke)
    first = scribbled(image, stroke, none)
    against = line(body.shape, (60, 90), (100, 90))
    second = scribbled(image, stroke, against)
    assert not (second & against).any()
    assert dice(second, left) >= dice(first, left) - 0.01
    assert dice(second, left) > 0.85


def test_what_is_said_holds_whatever_it_looks_like():
    image, body, _ = scene()
    stroke = line(body.shape, (10, 10), (10, 40))  # over background
    against = line(body.shape, (80, 50), (80, 60))  # in the structure
    found = scribbled(image, stroke, against)
    assert found[stroke].all()
    assert not found[against].any()


def test_an_older_mask_is_corrected_near_the_strokes_alone():
    image, body, other = scene()
    before = other.copy()
    before[60:80, 40:60] = True  # a rough piece of the structure
    stroke = line(body.shape, (66, 56), (96, 56))
    found = scribbled(image, stroke, np.zeros_like(stroke), before=before)
    np.testing.assert_array_equal(found[:, 100:], before[:, 100:])
    assert found[stroke].all()
    assert dice(found[:, :100], body[:, :100]) > dice(before[:, :100], body[:, :100])
    # "Not this" alone corrects a mask, too.
    against = line(body.shape, (75, 118), (85, 118))
    less = scribbled(image, np.zeros_like(stroke), against, before=before)
    assert not less[against].any()
    np.testing.assert_array_equal(less[:, :60], before[:, :60])


def test_a_models_probabilities_tell_what_intensities_don_t():
    image, body, _ = scene()
    half = body & (np.arange(len(image))[:, None] < 80)
    probability = ndimage.gaussian_filter(half.astype(float), 1)
    stroke = line(body.shape, (66, 56), (72, 56))
    without = scribbled(image, stroke, np.zeros_like(stroke))
    told = scribbled(image, stroke, np.zeros_like(stroke), probability=probability)
    assert dice(told, half) > 0.93 > dice(without, half)


def test_nothing_said_is_nothing_done():
    image, body, _ = scene()
    none = np.zeros_like(body)
    assert not scribbled(image, none, none).any()
    assert not scribbled(image, none, line(body.shape, (10, 10), (20, 20))).any()
    np.testing.assert_array_equal(scribbled(image, none, none, before=body), body)
    flat = np.full_like(image, 7.0)  # nothing tells pixels apart
    stroke = line(body.shape, (75, 75), (85, 85))
    assert scribbled(flat, stroke, none)[stroke].all()


def test_the_solver_solves_its_equations():
    rng = np.random.default_rng(0)
    values, likely = rng.random((12, 9, 2)), rng.uniform(0.1, 0.9, (12, 9))
    wanted, unwanted = np.zeros((12, 9), bool), np.zeros((12, 9), bool)
    wanted[2, 3], unwanted[9, 7] = True, True
    pull = np.full((12, 9), 0.04)
    share = walks(values, wanted, unwanted, likely, pull, (1.0, 2.0))
    assert share[wanted] == 1
    assert share[unwanted] == 0
    assert share.min() >= 0
    assert share.max() <= 1
    mirrored = walks(1 - values, unwanted, wanted, 1 - likely, pull, (1.0, 2.0))
    np.testing.assert_allclose(share + mirrored, 1, atol=1e-3)
