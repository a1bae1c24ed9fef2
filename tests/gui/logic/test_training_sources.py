"""What the Train tab says that is learnt from."""

from __future__ import annotations

import numpy as np

from napari_dim.gui.logic.training_sources import Learnt, describe
from napari_dim.gui.state.scan_mask import ScanMask


def test_of_pictures_none_lies_far_beyond_the_labelled_ones():
    planes = np.zeros((12, 8, 8), np.uint8)
    planes[:2, 2:4, 2:4] = 1
    mask = ScanMask(planes)
    assert "far beyond the labelled ones left out" in describe([Learnt("scan", 12, "", mask)])
    said = describe([Learnt("pictures", 12, "", mask, separate=True)])
    assert said.endswith("It also learns from 10 unlabelled slices.")
