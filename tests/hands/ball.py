"""The ball of the tests, as the hands know it."""

from __future__ import annotations

import numpy as np

from tests.gui.conftest import tiny_image

BALL = tiny_image()[1]
"""Its mask."""


def dice(mask: np.ndarray, truth: np.ndarray) -> float:
    return 2 * np.sum(mask & truth) / (np.sum(mask) + np.sum(truth))


def strokes_shown(viewer) -> int:
    """Pixels that a tool shows over the mask."""
    shown = [layer for layer in viewer.layers if layer.name == "strokes"]
    return sum(int(np.count_nonzero(layer.data)) for layer in shown)
