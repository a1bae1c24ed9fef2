"""The look at all sites before an export, on masks alone."""

from __future__ import annotations

import re

import numpy as np

from napari_dim.gui.logic import slice_actions as acts
from napari_dim.gui.logic.site_check import check_sites
from napari_dim.gui.state.scan_mask import ScanMask


def _mask():
    """Twelve slices: three labelled, nine the machine's."""
    made = ScanMask(np.zeros((12, 8, 8), np.uint8))
    made.planes[[3, 6, 9], 2:6, 2:6] = 1
    made.look()
    made.take(np.arange(12), np.ones((12, 8, 8), np.uint8))
    return made


def test_accepted_and_labelled_slices_are_two_numbers():
    north, south = _mask(), _mask()
    acts.confirm(north, 4)
    acts.confirm(north, 5)
    told = check_sites([("north", north), ("south", south)])
    rows = [
        re.findall(r">(?:&nbsp;)?([\w.–%]+)(?:&nbsp;)?</td>", row) for row in told.split("<tr>")
    ]
    assert rows[1][:5] == ["site", "machine", "accepted", "labelled", "Dice"]
    assert rows[2][:4] == ["north", "7", "2", "3"]
    assert rows[3][:4] == ["south", "9", "0", "3"]
