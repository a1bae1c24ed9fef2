"""Intermediate samples: amplitude mixing, boxes, pastes."""

from __future__ import annotations

import numpy as np
import torch

from napari_dim.method.mixing import AREA, box_masks, mix_amplitude, paste


def test_ratio_zero_is_the_identity():
    x, style = torch.randn(2, 3, 16, 24), torch.randn(2, 3, 16, 24)
    assert torch.equal(mix_amplitude(x, style, torch.zeros(2), 0.1), x)


def test_against_a_full_fft_in_numpy():
    rng = np.random.default_rng(0)
    x, style = rng.normal(size=(2, 18, 22))
    ratio, area = 0.6, 0.12
    spectrum, other = np.fft.fft2(x), np.fft.fft2(style)
    band = (np.abs(np.fft.fftfreq(18)) <= area)[:, None] & (np.abs(np.fft.fftfreq(22)) <= area)[
        None
    ]
    amplitude = np.abs(spectrum)
    amplitude = np.where(band, (1 - ratio) * amplitude + ratio * np.abs(other), amplitude)
    expected = np.fft.ifft2(amplitude * np.exp(1j * np.angle(spectrum))).real
    got = mix_amplitude(
        torch.tensor(x)[None, None].float(),
        torch.tensor(style)[None, None].float(),
        torch.tensor([ratio]),
        area,
    )
    np.testing.assert_allclose(got[0, 0].numpy(), expected, atol=1e-4)


def test_ratio_one_takes_the_mean_of_the_style():
    x = torch.rand(1, 1, 16, 16) + 1
    style = torch.rand(1, 1, 16, 16) + 5
    mixed = mix_amplitude(x, style, torch.ones(1), 0.0)
    torch.testing.assert_close(mixed.mean(), style.mean())
    torch.testing.assert_close(mixed - mixed.mean(), x - x.mean(), atol=1e-4, rtol=0)


def test_boxes_have_the_paper_s_sizes_and_move_about():
    generator = torch.Generator().manual_seed(0)
    boxes = box_masks(400, 64, 96, generator=generator, device=torch.device("cpu"))
    assert boxes.shape == (400, 1, 64, 96)
    assert set(boxes.unique().tolist()) == {0.0, 1.0}
    area = boxes.mean((1, 2, 3))
    assert area.min() > AREA[0] * 0.6
    assert area.max() < AREA[1] * 1.1
    assert area.std() > 0.08
    covered = boxes.amax(0)[0]
    assert covered.mean() > 0.99
    rows = boxes[0, 0].any(1)
    assert boxes[0, 0][rows].std(0).sum() == 0  # a rectangle: all its rows are alike


def test_paste_of_ones_and_zeros_returns_one_input():
    a, b = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)
    assert torch.equal(paste(a, b, torch.ones(2, 1, 4, 4)), a)
    assert torch.equal(paste(a, b, torch.zeros(2, 1, 4, 4)), b)
