"""Store, views and batches."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_dim.data.augment import WeakView, look, look_labels, random_tones, strong_view
from napari_dim.data.batches import Sampler
from napari_dim.data.case import Case
from napari_dim.data.slice_store import SliceStore
from napari_dim.data.working_grid import WorkingGrid
from napari_dim.errors import InputError
from napari_dim.states import SliceState
from tests.cases import case, ellipsoid

CPU = torch.device("cpu")
STILL = {"mirror": 0.0, "flip": 0.0, "rotation": 0.0, "zoom": 0.0, "elastic": 0.0}


def store_of(cases, **kwargs):
    grid = WorkingGrid.fit([c.volume for c in cases], min_size=16, max_size=128)
    return grid, SliceStore.build(cases, grid, {1: 1, 2: 2}, CPU, **kwargs)


def test_store_knows_what_is_labelled():
    cases = [case((1, 3)), case((), seed=1)]
    _, store = store_of(cases)
    assert store.labelled.tolist() == [1, 3]
    assert store.unlabelled.tolist() == [0, 2, 4, *range(6, 12)]
    assert np.array_equal(store.labels[0, :40, :32].numpy(), cases[0].mask[1] + 1)


def test_supervised_training_keeps_labelled_slices_and_their_neighbours_alone():
    _, store = store_of(
        [case((1,)), case((), seed=1)], unlabelled=[np.empty(0, int)] * 2, neighbours=1
    )
    assert len(store.images) == 3
    assert store.labelled.tolist() == [1]
    assert len(store.unlabelled) == 0


def test_neighbours_stop_at_the_ends_of_a_case():
    _, store = store_of([case(), case((), seed=1)])
    x = store.with_context(torch.tensor([0, 6, 11]), 1)
    assert x.shape[1] == 3
    assert torch.equal(x[0, 0], x[0, 1])  # before the first slice: the first again
    assert torch.equal(x[1, 0], x[1, 1])  # not the last slice of the case before
    assert torch.equal(x[2, 2], x[2, 1])
    assert torch.equal(x[0, 2], store.images[1, 0].float())


def test_unpainted_pixels_of_a_partial_slice_have_no_target():
    volume, mask = ellipsoid()
    states = np.zeros(6, np.uint8)
    states[2] = SliceState.PARTIAL
    painted = np.zeros(mask.shape, bool)
    painted[2, 10:20] = True
    _, store = store_of([Case(volume, mask, states, painted=painted)])
    label = store.labels[0, :40, :32].numpy()
    assert (label[:10] == 0).all()
    assert (label[20:] == 0).all()
    assert np.array_equal(label[10:20], mask[2, 10:20] + 1)


def test_rare_sites_are_seen_more_than_their_share():
    many = [case((), site="big", seed=i) for i in range(8)]
    _, store = store_of([case((0, 1, 2, 3, 4, 5)), *many, case((), site="small", seed=9)])
    small = store.odds[-6:].sum()
    assert store.odds.sum().item() == pytest.approx(1)
    assert 6 / 54 < small < 0.5


def test_a_still_view_is_the_slice_itself():
    cases = [case()]
    grid, store = store_of(cases)
    view = WeakView(grid.patch, **STILL)
    sizes = store.sizes[store.labelled]
    generator = torch.Generator().manual_seed(0)
    place = view.grid(sizes, store.images.shape[-2:], generator)
    shift = (place - place.round()).abs().amax()
    images = look(store.images[store.labelled].float(), place, sizes)
    labels = look_labels(store.labels, place, sizes)
    assert shift < 1  # moved by less than 5 % of the slice, in any direction
    rows, columns = grid.patch
    assert images.shape == (2, 1, rows, columns)
    # The same pixels, wherever the middle went: compare what lies under each label.
    for image, label in zip(images[:, 0], labels, strict=True):
        means = [image[label == c].mean() for c in range(3)]
        assert means[0] < means[1] < means[2]


def test_outside_a_slice_its_edge_is_repeated_in_image_and_labels():
    grid, store = store_of([case()])
    place = torch.full((1, *grid.patch, 2), -5.0)
    sizes = store.sizes[:1]
    corner = store.labels[0, 0, 0].item()
    assert corner > 0
    assert (look_labels(store.labels[:1], place, sizes) == corner - 1).all()
    assert (look(store.images[:1].float(), place, sizes) == store.images[0, 0, 0, 0]).all()


def test_image_and_labels_move_together():
    grid, store = store_of([case((2, 3))])
    weak = WeakView(grid.patch, mirror=0.5, flip=0.5, rotation=40, zoom=0.3, elastic=0.05)
    generator = torch.Generator().manual_seed(3)
    for _ in range(5):
        sizes = store.sizes[store.labelled]
        place = weak.grid(sizes, store.images.shape[-2:], generator)
        image = look(store.images[store.labelled].float(), place, sizes)[:, 0]
        index = look_labels(store.labels, place, sizes)
        inside, outside = image[index > 0], image[index == 0]
        assert inside.mean() > outside.mean() + 0.8


def test_unlabelled_slices_of_wide_scans_are_looked_at_where_the_structures_lie():
    patch = (32, 32)
    sizes = torch.tensor([[96, 40], [96, 40], [96, 36], [40, 40]]).repeat_interleave(50, 0)
    view = WeakView(patch, **STILL, focus=(-10, 6), closer=2.0)
    place = view.grid(sizes, (96, 40), torch.Generator().manual_seed(1), labelled=50)
    middle = place.mean((1, 2)) - (sizes - 1) / 2
    extent = place.amax((1, 2)) - place.amin((1, 2))
    labelled, wide = middle[:50], middle[50:150]
    assert labelled[:, 0].abs().max() > 20  # anywhere
    assert (extent[:50] - 31).abs().max() < 1e-3
    # Rows are wide, columns are not: they are looked at near their middle.
    assert (wide[:, 0] + 10).abs().max() <= 1.6 + 1e-3
    assert wide[:, 1].abs().max() < 6.1
    assert extent[50:150].max() < 31 + 1e-3
    assert extent[50:150].min() == pytest.approx(31 / 2, abs=1)
    assert (extent[150:] - 31).abs().max() < 1e-3  # not wide: as it is
    far = WeakView(patch, **STILL, focus=(90, 0), closer=1.0)  # beyond the slice: at its end
    place = far.grid(sizes, (96, 40), torch.Generator().manual_seed(1), labelled=50)
    assert (place.mean((1, 2))[50:150, 0] - 79.5).abs().max() <= 1.6 + 1e-3


def test_without_a_focus_the_draws_are_those_of_before():
    sizes = torch.tensor([[96, 40], [40, 40]])
    plain = WeakView((32, 32), **STILL)
    one = plain.grid(sizes, (96, 40), torch.Generator().manual_seed(1))
    other = plain.grid(sizes, (96, 40), torch.Generator().manual_seed(1), labelled=1)
    assert torch.equal(one, other)


def test_strong_view_changes_intensities_but_not_places():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4, 2, 24, 24).cumsum(-1).cumsum(-2)
    x = (x - x.mean()) / x.std()
    y = strong_view(x, 1.0, generator)
    assert torch.isfinite(y).all()
    for before, after in zip(x.flatten(1), y.flatten(1), strict=True):
        assert not torch.equal(before, after)
        assert torch.corrcoef(torch.stack((before, after)))[0, 1] > 0.6
    assert torch.equal(strong_view(x, 0.0, generator), x)


def test_random_tones_keep_the_order_of_brightness_nearby_and_the_places():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(8, 3, 48, 40).cumsum(-1).cumsum(-2)
    x = (x - x.mean()) / x.std()
    y = random_tones(x, 1.0, generator)
    assert torch.isfinite(y).all()
    for before, after in zip(x, y, strict=True):
        assert not torch.equal(before, after)
        assert float(after.mean()) == pytest.approx(float(before.mean()), abs=1e-4)
        assert float(after.std()) == pytest.approx(float(before.std()), rel=1e-3)
    # What is much brighter than its neighbour stays so: neither field nor curve turns it over.
    step, made = (each.diff(dim=-1) for each in (x, y))
    clear = step.abs() > 0.5 * step.abs().amax((1, 2, 3), keepdim=True)
    assert clear.sum() > 50
    assert (step.sign() == made.sign())[clear].float().mean() > 0.95
    # The neighbours of a slice are lit and toned as the slice itself.
    alike = x[:, :1].expand(-1, 3, -1, -1)
    one = random_tones(alike, 1.0, generator)
    assert torch.equal(one[:, 0], one[:, 2])


def test_a_share_of_the_slices_has_random_tones():
    x = torch.randn(400, 1, 16, 16)
    y = random_tones(x, 0.5, torch.Generator().manual_seed(0))
    same = (x == y).flatten(1).all(1)
    assert 150 < same.sum() < 250
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    assert random_tones(x, 0.0, generator) is x
    assert torch.equal(generator.get_state(), before)  # nothing is drawn


def test_same_seed_same_batch():
    grid, store = store_of([case(), case((), seed=1)])

    def draw():
        sampler = Sampler(
            store, WeakView(grid.patch, 0.5, 0.5, 20, 0.2, 0.02),
            torch.Generator().manual_seed(5), 1, 3, 2, 1.0, True,
        )  # fmt: skip
        return sampler.draw(with_unlabelled=True)

    a, b = draw(), draw()
    for name in ("labelled", "labelled_strong", "index", "unlabelled", "unlabelled_strong"):
        assert torch.equal(getattr(a, name), getattr(b, name)), name
    assert a.labelled.shape[:2] == (3, 3)
    assert a.unlabelled.shape[:2] == (2, 3)


@pytest.mark.parametrize("strong_labelled", [True, False])
@pytest.mark.parametrize("with_strong", [True, False])
def test_strong_views_are_made_where_they_are_wanted(strong_labelled, with_strong):
    grid, store = store_of([case(), case((), seed=1)])
    sampler = Sampler(
        store, WeakView(grid.patch, 0.5, 0.5, 20, 0.2, 0.02),
        torch.Generator().manual_seed(5), 1, 3, 2, 1.0, strong_labelled,
    )  # fmt: skip
    views = sampler.draw(with_unlabelled=True, with_strong=with_strong)
    assert torch.equal(views.labelled, views.labelled_strong) != strong_labelled
    assert (views.unlabelled_strong is not None) == with_strong
    if with_strong:
        for weak, strong in zip(views.unlabelled, views.unlabelled_strong, strict=True):
            assert torch.corrcoef(torch.stack((weak.flatten(), strong.flatten())))[0, 1] > 0.5
    alone = sampler.draw(with_unlabelled=False)
    assert alone.unlabelled is None
    assert alone.labelled_strong.shape == (3, 3, *grid.patch)


@pytest.mark.parametrize(
    "changes",
    [{"mask": np.zeros((6, 40, 31))}, {"states": np.zeros(5)}, {"mask": None}],
)
def test_a_case_that_does_not_fit_is_refused(changes):
    good = case()
    values = {"volume": good.volume, "mask": good.mask, "states": good.states, **changes}
    with pytest.raises(InputError):
        Case(**values)


def test_beyond_the_labelled_slices_nothing_is_guessed():
    assert case((2, 6), shape=(20, 16, 16)).guessed.tolist() == [0, 1, 3, 4, 5, 7, 8]
    assert case((10,), shape=(20, 16, 16)).guessed.size == 19
    assert case((), shape=(20, 16, 16)).guessed.size == 20


def test_the_store_knows_scans_and_keeps_what_may_be_labelled_later():
    first, other = case((2, 6), shape=(20, 16, 16)), case((), shape=(5, 16, 16), seed=1)
    grid = WorkingGrid.fit([first.volume, other.volume], min_size=16, max_size=32)
    store = SliceStore.build([first, other], grid, {1: 1, 2: 2}, torch.device("cpu"))
    assert len(store.images) == 25
    assert store.case.tolist() == [0] * 20 + [1] * 5
    assert store.unlabelled.tolist() == [0, 1, 3, 4, 5, 7, 8, 20, 21, 22, 23, 24]


def test_a_corrected_slice_is_drawn_as_often_as_asked():
    first = case((1, 3))
    first.states[3] = SliceState.CORRECTED
    grid, store = store_of([first, case((2,), seed=1)])
    assert store.corrected.tolist() == [0, 1, 0]
    weak = WeakView(grid.patch, **STILL)
    sampler = Sampler(store, weak, torch.Generator().manual_seed(0), 0, 4000, 0, 0.0, False)
    sampler.corrected = 3.0
    drawn = sampler.pick(with_unlabelled=False)
    share = (drawn.labels == store.labels[1]).flatten(1).all(1).float().mean()
    assert 0.55 < share < 0.65  # three of five
    known = store.relabelled([case((1,)), case((2,), seed=1)], grid, {1: 1, 2: 2})
    assert known.corrected is None
