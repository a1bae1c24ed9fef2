"""Prediction block by block is that in memory, bit for bit."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_dim.data.lazy_slices import LazySlices, slices_of
from napari_dim.data.working_grid import normalised
from napari_dim.engine.inference import components as pieces_module
from napari_dim.engine.inference import out_of_core
from napari_dim.engine.inference.components import Pieces, main_pieces
from napari_dim.engine.inference.out_of_core import predict_into, segment
from napari_dim.engine.inference.predictor import BATCH, predict
from napari_dim.errors import InputError
from tests.engine.inference.test_predictor import model_for, scan


@pytest.mark.parametrize("slices", [1, BATCH + 1, 3 * BATCH + 2])
def test_the_mask_is_that_in_memory(slices):
    volume = scan(slices, spacing=0.7)
    model = replace(model_for(volume, smooth=2.0), pieces=(3, 7))
    whole = predict(model, volume)
    sink = np.full(whole.mask.shape, 99, whole.mask.dtype)
    shares = []
    entropy, _ = predict_into(sink, model, volume, progress=shares.append)
    assert len(np.unique(whole.mask)) > 1
    np.testing.assert_array_equal(sink, whole.mask)
    np.testing.assert_array_equal(entropy, whole.entropy)
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)


def test_a_large_volume_is_segmented_on_the_disk_alike(monkeypatch, tmp_path):
    volume = scan(BATCH + 3, spacing=0.7)
    model = replace(model_for(volume, smooth=2.0), pieces=(3, 7))
    whole = segment(model, volume)
    monkeypatch.setattr(out_of_core, "LARGE", 1000)
    large = segment(model, volume, folder=tmp_path)
    assert not isinstance(whole.mask, np.memmap)
    assert isinstance(large.mask, np.memmap)
    for name in ("mask", "slices", "entropy", "confidence"):
        np.testing.assert_array_equal(getattr(large, name), getattr(whole, name))
    if sys.platform != "win32":  # there the file goes with the mask
        assert list(tmp_path.iterdir()) == []


def test_a_volume_of_other_channels_is_refused():
    volume = scan(3)
    two = replace(volume, array=np.stack([volume.array] * 2, -1))
    with pytest.raises(InputError, match="2 channels"):
        predict_into(np.zeros(volume.array.shape, np.uint8), model_for(volume), two)


def test_lazy_slices_are_the_normalised_ones(monkeypatch):
    volume = scan(9)
    whole = normalised(volume, (20, 16))
    lazy = LazySlices(volume, (20, 16))
    assert lazy.shape == tuple(whole.shape)
    for places in ([[0, 0, 1], [0, 1, 2]], [[1, 2, 3], [8, 8, 0]], [[5, 5, 5]]):
        index = torch.tensor(places)
        assert torch.equal(lazy[index], whole[index])
    assert torch.equal(slices_of(volume, (20, 16)), whole)
    monkeypatch.setattr("napari_dim.data.lazy_slices.MOST", 100)
    assert isinstance(slices_of(volume, (20, 16)), LazySlices)


def test_pieces_seen_in_parts_are_those_of_the_whole(monkeypatch):
    monkeypatch.setattr(pieces_module, "BLOCKS", 8)  # blocks of several voxels
    rng = np.random.default_rng(0)
    for shape in ((37, 20, 31), (3, 64, 5), (100, 9, 9)):
        mask = (rng.random(shape) < 0.0015).astype(np.uint16) * 300
        mask[:, 2:6, 1:4] = 1
        mask[: shape[0] // 2, 4:6, 2:4] = 300
        mask[-1, -1, -1] = 300
        expected = main_pieces(mask, (1, 300))
        assert (expected != mask).any()
        assert expected[:, 2:6, 1:4].all()
        for step in (1, 7, 50):
            pieces = Pieces(shape, (1, 300))
            for start in range(0, shape[0], step):
                pieces.add(start, mask[start : start + step])
            parts = [
                pieces.cleaned(start, mask[start : start + step])
                for start in range(0, shape[0], step)
            ]
            np.testing.assert_array_equal(np.concatenate(parts), expected)
