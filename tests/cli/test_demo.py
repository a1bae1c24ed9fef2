"""`napari-dim demo`: the whole job, for a few seconds."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from napari_dim.cli import system


@pytest.fixture
def no_screen(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(system.sys, "platform", "linux")
    monkeypatch.setattr(system, "missing_qt_packages", list)


def test_the_demo_without_a_screen(cli, tmp_path, no_screen):
    out = tmp_path / "demo"
    done = cli("demo", "--out", out, "--budget", "4s")
    assert done.code == 0, done.err
    assert done.err.count("Headless") == 1
    assert "there is no display" in done.err
    assert "Dice" in done.out
    images = sorted((out / "phantom").glob("*_image.nii.gz"))
    assert images
    for path in images:
        image = nib.load(path)
        mask = nib.load(out / "predictions" / path.name.replace(".nii.gz", "_dim.nii.gz"))
        assert mask.shape == image.shape
        np.testing.assert_array_equal(mask.affine, image.affine)
    scores = json.loads((out / "scores.json").read_text())
    picture = np.asarray(Image.open(out / "demo.png"))
    assert picture.shape[0] > 200 * len(scores["by_site"])
    assert picture.std() > 20

    # Into someone else's folder it may not go.
    refused = cli("demo", "--out", out / "phantom", "--budget", "1s")
    assert refused.code == 2
    assert "holds other files" in refused.complaint


@pytest.mark.slow
def test_a_second_demo_takes_the_place_of_the_first(cli, tmp_path):
    for budget in ("2s", "1s"):
        done = cli("demo", "--out", tmp_path / "demo", "--budget", budget, "--headless")
        assert done.code == 0, done.err


def test_a_wrong_budget_makes_nothing(cli, tmp_path):
    refused = cli("demo", "--out", tmp_path / "demo", "--budget", "soon")
    assert refused.code == 2
    assert "--budget" in refused.complaint
    assert not (tmp_path / "demo").exists()
