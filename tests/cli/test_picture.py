"""The demo's picture: colours where the masks are, aspect kept."""

from __future__ import annotations

import numpy as np

from napari_dim.cli import picture
from napari_dim.cli.picture import PANEL, Panel, Row


def _panel(prediction: np.ndarray, spacing=(1.0, 1.0)) -> Panel:
    image = np.zeros(prediction.shape, np.float32)
    return Panel(image, np.zeros_like(prediction), prediction, spacing, (0.0, 1.0), "caption")


def _blue(image) -> np.ndarray:
    """Where the first class's colour is, ``(row, column)``."""
    colours = np.asarray(image).astype(int)
    return np.abs(colours - picture._COLOURS[0]).sum(-1) < 60


def test_the_outline_is_where_the_mask_is():
    mask = np.zeros((50, 50), np.uint8)
    mask[10:30, 20:45] = 1
    rows, columns = np.nonzero(_blue(picture._panel(_panel(mask), {1: picture._COLOURS[0]})))
    expected = np.array([10, 30, 20, 45]) * PANEL / 50
    found = [rows.min(), rows.max(), columns.min(), columns.max()]
    np.testing.assert_allclose(found, expected, atol=2.5)


def test_the_aspect_is_that_of_the_body():
    mask = np.ones((20, 40), np.uint8)
    drawn = picture._panel(_panel(mask, spacing=(4.0, 1.0)), {1: picture._COLOURS[0]})
    rows, columns = np.nonzero(_blue(drawn))
    height, width = np.ptp(rows), np.ptp(columns)
    assert abs(height / width - 2) < 0.1


def test_rows_and_legend_fit(tmp_path):
    mask = np.zeros((30, 30), np.uint8)
    mask[5:20, 5:20] = 2
    rows = [Row(("site A", "Dice 0.9"), (_panel(mask),) * 4), Row(("B",), (_panel(mask),))]
    drawn = picture.draw(rows, "title", "subtitle", [1, 2])
    assert drawn.width > 4 * PANEL
    assert drawn.height > 2 * PANEL
    path = picture.save(drawn, tmp_path / "demo.png")
    assert path.read_bytes().startswith(b"\x89PNG")
