"""The demo in the window: a scan a site, each with its mask."""

from __future__ import annotations

from napari_dim.data.cohort import read_cohort
from napari_dim.data.phantom import make_phantom
from napari_dim.gui.controller import session_of
from napari_dim.gui.demo_window import show_demo
from napari_dim.io import prediction_name, read_mask, read_volume, write_mask


def test_the_demo_opens_with_its_predictions(viewer, tmp_path):
    cohort = read_cohort(make_phantom(_made(tmp_path / "phantom")))
    rows = cohort.split("test")
    _made(tmp_path / "predictions")
    for row in rows:
        volume = read_volume(row.image)
        target = tmp_path / "predictions" / prediction_name(row.image)
        write_mask(target, read_mask(row.labels, volume), volume)
    workspace = show_demo(tmp_path, viewer)
    sites = {row.site for row in rows}
    assert len(viewer.layers) == 2 * len(sites)
    assert len(session_of(viewer).masks) == len(sites)
    assert workspace.export.layer.layer is not None
    assert sum(layer.visible for layer in viewer.layers) == 2


def _made(folder):
    folder.mkdir()
    return folder
