"""Prediction of whole volumes: neighbouring slices are averaged, the memory is bounded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_dim.config import Settings
from napari_dim.data.working_grid import WorkingGrid, normalised
from napari_dim.engine.inference.predictor import BATCH, Predictor, predict
from napari_dim.engine.inference.trained_model import Model
from napari_dim.volume import Grid, Volume


def scan(slices, spacing=1.0, seed=0):
    array = np.random.default_rng(seed).normal(size=(slices, 40, 32)).cumsum(1).cumsum(2)
    grid = Grid((32, 40, slices), np.diag([-1.0, -1.0, spacing, 1.0]), slice_axis=2)
    return Volume(array.astype(np.float32), grid)


def model_for(volume, **changes):
    settings = Settings.make(width=4, min_size=16, device="cpu", **changes)
    grid = WorkingGrid.fit([volume], min_size=16, max_size=64)
    return Model.new(settings, (3, 7), 1, 1, grid, {})


@pytest.mark.parametrize("slices", [1, 5, BATCH, BATCH + 1, 3 * BATCH + 2])
@pytest.mark.parametrize("smooth", [0.0, 1.0, 3.0])
def test_smoothing_across_slices_is_that_of_the_whole_stack(slices, smooth):
    volume = scan(slices, spacing=0.7)
    model = model_for(volume, smooth=smooth)
    predictor = Predictor(model, torch.device("cpu"))
    stack = normalised(volume, model.grid.shape(volume))
    parts = [
        predictor._probability(stack, np.array([n]))[0] for n in range(slices)
    ]  # one by one: nothing is shared between chunks
    whole = torch.cat(parts).numpy().astype(np.float64)
    sigma = smooth * model.grid.pixel / 0.7
    reach = min(round(2 * sigma), 8)
    expected = np.zeros_like(whole)
    for n in range(slices):
        near = [k for k in range(slices) if abs(k - n) <= reach]
        weights = np.exp(-0.5 * ((np.array(near) - n) / max(sigma, 1e-6)) ** 2)
        expected[n] = np.tensordot(weights / weights.sum(), whole[near], 1)
    found = predictor.whole(volume, stack)
    mask, entropy = found.mask, found.entropy
    assert mask.shape == (slices, 40, 32)
    assert entropy.shape == (slices,)
    likeliest = np.array((0, 3, 7))[expected.argmax(1)]
    top = np.sort(expected, axis=1)
    clear = top[:, -1] - top[:, -2] > 0.02  # bfloat16 may decide a tie either way
    assert clear.mean() > 0.3
    assert (mask[clear] == likeliest[clear]).all()


def test_pictures_are_not_smoothed():
    array = np.random.default_rng(0).normal(size=(3, 40, 32)).astype(np.float32)
    picture = Volume(array[:1], Grid.of_picture(40, 32), kind="picture")
    model = model_for(picture, smooth=5.0)
    assert len(Predictor(model, torch.device("cpu"))._across(picture)) == 1


@pytest.mark.parametrize("chosen", [None, [5, 6, 7]])
def test_a_slice_that_is_not_there_has_no_mask(chosen):
    """Its neighbours show a structure, and would fill it."""
    volume = scan(12)
    volume.array[6] = 0
    model = model_for(volume, smooth=3.0)
    with torch.no_grad():  # background is unlikely anywhere
        head = [p for p in model.net.parameters() if p.shape == (3,)][-1]
        head.copy_(torch.tensor([-9.0, 0.0, 0.0]))
    mask = predict(model, volume, device="cpu", slices=chosen).mask
    assert mask[5].any()
    assert mask[7].any()
    assert not mask[6].any()


def test_chosen_slices_alone():
    volume = scan(9)
    model = model_for(volume)
    prediction = predict(model, volume, device="cpu", slices=[2, 7])
    assert prediction.slices.tolist() == [2, 7]
    assert not prediction.mask[[0, 1, 3, 4, 5, 6, 8]].any()


def test_the_teacher_gives_the_masks_unless_told():
    volume = scan(4)
    assert model_for(volume).net is not model_for(volume).networks["student"]
    by_student = model_for(volume, final="student")
    assert by_student.net is by_student.networks["student"]
    supervised = model_for(volume, method="supervised")
    assert supervised.net is supervised.networks["student"]


@pytest.mark.parametrize("ids", [(1,), (7,), (1, 2), (3, 300)])
def test_masks_on_the_scan_s_grid_are_those_of_interpolated_probabilities(ids):
    volume = scan(3)
    settings = Settings.make(width=4, min_size=16, device="cpu")
    grid = WorkingGrid.fit([volume], min_size=16, max_size=64)
    predictor = Predictor(Model.new(settings, ids, 1, 1, grid, {}), torch.device("cpu"))
    logits = torch.randn(4, len(ids) + 1, 6, 5, generator=torch.Generator().manual_seed(0)) * 3
    logits[2, 0] = 20  # a slice of background alone
    probability = logits.softmax(1)
    wide = torch.nn.functional.interpolate(probability, size=(40, 32), mode="bilinear")
    found = predictor._ids(probability, (40, 32))
    assert found.dtype == predictor.ids.dtype
    assert (found != predictor.ids[wide.argmax(1).numpy()]).mean() < 1e-3  # ties by rounding
    assert not found[2].any()


def test_large_slices_are_predicted_where_the_structures_lie():
    """The window's masks are those of the window alone; beyond it all is background."""
    volume = scan(3)
    model = model_for(volume, focus=True, smooth=0.0, mixed_precision=False)
    grid = replace(model.grid, patch=(16, 32), focus=(4, 0))
    model = replace(model, grid=grid)
    predictor = Predictor(model, torch.device("cpu"))
    stack = normalised(volume, grid.shape(volume))
    rows, columns = grid.window((40, 32))
    assert (rows, columns) == (slice(16, 32), slice(0, 32))
    probability, _ = predictor._probability(stack, np.arange(3))
    part, _ = predictor._probability(stack[:, :, rows].clone(), np.arange(3))
    torch.testing.assert_close(probability[:, :, rows], part)
    beyond = torch.ones(40, dtype=torch.bool)
    beyond[rows] = False
    assert (probability[:, 0, beyond] == 1).all()
    found = predict(model, volume)
    assert not found.mask[:, beyond.numpy()].any()
    assert found.mask.any()
    whole = predict(replace(model, settings=model.settings.model_copy(update={"focus": False})),
                    volume)  # fmt: skip
    assert whole.mask[:, beyond.numpy()].any()


class Bright(torch.nn.Module):
    """A network that takes what is brighter than most for the first class."""

    def forward(self, x):
        apart = x[:, 1:2] - 2
        return torch.cat((-apart, apart, -torch.ones_like(apart) * 99), 1)


@pytest.mark.parametrize("row", [3, 20])
def test_where_the_window_shows_nothing_all_is_looked_at(row):
    volume = scan(5)
    array = np.zeros_like(volume.array)
    array[:, row : row + 3, 8:16] = 100
    volume = replace(volume, array=array)
    model = model_for(volume, focus=True, smooth=0.0, mixed_precision=False)
    grid = replace(model.grid, patch=(16, 32), focus=(4, 0))  # rows 16 to 31
    predictor = Predictor(replace(model, grid=grid), torch.device("cpu"))
    predictor.net = Bright()
    found = predictor.whole(volume, normalised(volume, grid.shape(volume)))
    assert np.array_equal(found.mask > 0, array > 0)


class Sized(torch.nn.Module):
    """A network that is the surer of what is bright the nearer that is to a quarter of it all."""

    def forward(self, x):
        bright = (x[:, 1:2] > 0.5).float()
        apart = (bright.mean((2, 3), keepdim=True) - 0.25).abs()
        apart = (2 * bright - 1) * 4 / (1 + 40 * apart)
        return torch.cat((-apart, apart, -torch.ones_like(apart) * 99), 1)


@pytest.mark.parametrize(
    ("rows", "columns", "seen"),
    [(8, 16, (40, 32)), (6, 12, (53, 42)), (4, 8, (70, 56)), (0, 0, (40, 32))],
)
def test_wide_scans_are_predicted_at_the_size_at_which_the_network_is_surest(rows, columns, seen):
    volume = scan(5)
    array = np.zeros_like(volume.array)
    top, left = 20 - rows // 2, 16 - columns // 2
    array[:, top : top + rows, left : left + columns] = 100
    volume = replace(volume, array=array)
    model = model_for(volume, focus=True, closer=1.75, smooth=0.0, mixed_precision=False)
    grid = replace(model.grid, patch=(16, 32), focus=(0, 0))
    predictor = Predictor(replace(model, grid=grid), torch.device("cpu"))
    predictor.net = Sized()
    assert predictor.shape(volume) == seen
    found = predictor.whole(volume, normalised(volume, seen)).mask > 0
    assert (found == (array > 0)).mean() > 0.97
    assert found.any() == array.any()
    for changes in ({"closer": 1.0}, {"focus": False}):
        predictor.model = replace(
            model, grid=grid, settings=model.settings.model_copy(update=changes)
        )
        assert predictor.shape(volume) == (40, 32)


def test_a_scan_that_is_not_wide_is_predicted_as_it_is():
    volume = scan(5)
    model = model_for(volume, focus=True, closer=1.75)
    grid = replace(model.grid, focus=(0, 0))
    predictor = Predictor(replace(model, grid=grid), torch.device("cpu"))
    predictor.net = torch.nn.Identity()  # is not asked
    assert predictor.shape(volume) == grid.shape(volume)


def test_structures_share_the_disagreement_of_a_scan_evenly():
    """A class that is hardly found counts as much as one on which much differs."""
    volume = scan(8)
    model = model_for(volume)
    student, teacher = (model.networks[name] for name in ("student", "teacher"))
    with torch.no_grad():
        for net, much in ((student, 0.5), (teacher, -0.5)):
            *_, weight, bias = net.parameters()
            weight[2] *= 0.2
            bias += torch.tensor([0.0, much, -5 + 0.2 * much])
    predictor = Predictor(model, torch.device("cpu"))
    stack = normalised(volume, model.grid.shape(volume))
    said = []
    for net in (student, teacher):
        predictor.net = net
        with torch.no_grad():
            said.append(predictor._probability(stack, np.arange(8))[0])
    apart = (said[0] - said[1]).abs().mean((2, 3)).numpy()[:, 1:]
    assert apart[:, 0].sum() > 5 * apart[:, 1].sum() > 0
    found = predictor.disagreement(stack)
    share = (apart / apart.sum(0)).mean(1)
    np.testing.assert_allclose(found, share * apart.sum(), rtol=0.05)
    teacher.load_state_dict(student.state_dict())
    assert not predictor.disagreement(stack).any()
