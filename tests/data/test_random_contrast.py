"""Random contrasts: what they keep, what they change, and that off is off."""

from __future__ import annotations

import torch

from napari_dim.config import Settings
from napari_dim.data.batches import Drawn, Sampler
from napari_dim.data.random_contrast import random_contrast
from napari_dim.engine.inference.trained_model import Model
from napari_dim.engine.training.assembly import sampler_of
from tests.cases import case
from tests.data.test_batches import store_of


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def disc(batch: int, channels: int = 1) -> torch.Tensor:
    """A bright disc on a dark ground, mean 0, deviation 1."""
    row = torch.arange(48) - 24.0
    inside = (row[:, None] ** 2 + row**2 < 200).float()
    x = (inside - inside.mean()) / inside.std(correction=0)
    return x.expand(batch, channels, 48, 48).contiguous()


def test_no_share_is_the_slice_itself_and_draws_nothing():
    x, source = disc(3), generator()
    before = source.get_state()
    assert random_contrast(x, 0.0, source) is x
    assert torch.equal(source.get_state(), before)


def test_a_share_of_the_slices_changes_and_keeps_mean_and_deviation():
    x = disc(8)
    y = random_contrast(x, 0.5, generator())
    assert int((y != x).flatten(1).any(1).sum()) == 4
    assert torch.allclose(y.mean((1, 2, 3)), x.mean((1, 2, 3)), atol=1e-4)
    assert torch.allclose(y.std((1, 2, 3), correction=0), x.std((1, 2, 3), correction=0), atol=1e-3)
    assert torch.equal(random_contrast(x, 0.5, generator()), y)  # same draws, same views


def test_dark_and_bright_change_places_but_edges_stay():
    x = disc(64)
    y = random_contrast(x, 1.0, generator(1))
    inside, outside = x[0, 0] > 0, x[0, 0] < 0
    lead = torch.stack([each[0][inside].mean() - each[0][outside].mean() for each in y])
    assert (lead < 0).sum() >= 6  # some are turned over,
    assert (lead > 0).sum() >= 6  # not all.
    # Three pixels from any edge nothing is made up: each side of it is of one value.
    deep = torch.nn.functional.max_pool2d(inside[None, None].float(), 9, 1, 4)[0, 0] == 0
    assert (y[:, 0][:, deep].std(1) < 1e-3).all()


def test_neighbours_of_a_slice_are_of_its_contrast():
    x = torch.cat([disc(4), 0.5 * disc(4), disc(4)], 1)
    y = random_contrast(x, 1.0, generator(), neighbours=3)
    assert torch.allclose(y[:, 0], y[:, 2], atol=1e-5)
    assert not torch.allclose(y[:, 0], y[:, 1], atol=1e-2)


def sampler(**changes: object) -> Sampler:
    grid, store = store_of([case((1, 3)), case((), seed=1)])
    settings = Settings.make(**changes)
    model = Model.new(settings, (1, 2), 1, settings.context, grid, {})
    return sampler_of(model, store, generator())


def test_the_strong_views_alone_take_it_from_the_settings():
    plain = sampler(strength=0.0, context=1)
    changed = sampler(strength=0.0, context=1, random_contrast=1.0)
    drawn = plain.pick(with_unlabelled=True)
    a, b = plain.views(drawn), changed.views(drawn)
    assert a.unlabelled_strong is not None
    assert a.unlabelled_strong.shape == b.unlabelled_strong.shape
    assert torch.equal(a.labelled_strong, a.labelled)
    assert not torch.equal(b.labelled_strong, b.labelled)
    assert not torch.equal(b.unlabelled_strong, b.unlabelled)


def test_a_slice_stands_in_for_its_neighbours():
    source = sampler(context=1, context_drop=1.0)
    drawn: Drawn = source.pick(with_unlabelled=True)
    assert torch.equal(drawn.images[:, 0], drawn.images[:, 1])
    assert torch.equal(drawn.images[:, 2], drawn.images[:, 1])
    some = sampler(context=1, context_drop=0.5, labelled_batch=64).pick(with_unlabelled=False)
    alone = (some.images[:, 0] == some.images[:, 1]).flatten(1).all(1)
    assert 16 < int(alone.sum()) < 48
