"""The views as the baseline's public code makes them."""

from __future__ import annotations

import torch

from napari_dim.data.augment import WeakView, beyond, look, published_strong_view


def test_brightness_contrast_and_blur_always():
    x = torch.randn(3, 2, 64, 64)
    plain = published_strong_view(x, (1.0, 1.0), torch.Generator().manual_seed(0))
    assert (plain - x).abs().amax((1, 2, 3)).min() > 0.01  # the blur alone
    assert torch.allclose(plain.mean((2, 3)), x.mean((2, 3)), atol=0.05)
    same = published_strong_view(x, (0.5, 1.5), torch.Generator().manual_seed(0))
    again = published_strong_view(x, (0.5, 1.5), torch.Generator().manual_seed(0))
    assert torch.equal(same, again)
    dark = published_strong_view(x, (0.0, 0.0), torch.Generator().manual_seed(0))
    assert torch.allclose(dark, x.amin((1, 2, 3), keepdim=True).expand_as(x), atol=1e-5)
    assert published_strong_view(x, (0.1, 2.0), torch.Generator()).amin() >= x.amin() - 1e-5


def test_what_lies_beyond_a_slice():
    view = WeakView((32, 32), mirror=0, flip=0, rotation=45, zoom=0.5, elastic=0)
    sizes = torch.tensor([[32, 32], [20, 28]])
    place = view.grid(sizes, (32, 32), torch.Generator().manual_seed(1))
    outside = beyond(place, sizes)
    assert outside.any()
    assert not outside.all()
    row, column = place.unbind(-1)
    edge = (row > sizes[:, :1, None] - 1) | (column > sizes[:, 1:, None] - 1)
    assert torch.equal(outside, edge | (row < 0) | (column < 0))
    inside = look(torch.ones(2, 1, 32, 32), place, sizes)
    assert torch.allclose(inside, torch.ones(()))
