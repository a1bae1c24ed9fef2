"""Where a scan's slices lie, in the text of the TIFF or PNG that napari-dim writes of them.

Neither format has a place in the patient. Numbers alone are written: no text of a header.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from napari_dim.errors import InputError
from napari_dim.volume import Grid

KEY = "napari-dim"
"""Keyword of the text in a PNG."""

_LONGEST = 4096


def place_text(grid: Grid) -> str:
    """What is written of a grid; ``""`` for one that has no place."""
    if grid.unit != "mm" or not grid.placed:
        return ""
    rows = [[float(f"{value:.12g}") for value in row] for row in grid.affine[:3]]
    return json.dumps({KEY: {"index_to_mm": rows, "axes": "slice, row, column -> R, A, S"}})


def grid_in(text: object, shape: Sequence[int]) -> Grid | None:
    """The grid that `place_text` wrote down, for voxels ``(slice, row, column)``; else None."""
    if not isinstance(text, str) or KEY not in text[:_LONGEST] or len(text) > _LONGEST:
        return None
    try:
        rows = np.array(json.loads(text)[KEY]["index_to_mm"], dtype=np.float64)
        affine = np.vstack([rows, [0, 0, 0, 1]])[:, [2, 1, 0, 3]]
        return Grid((int(shape[2]), int(shape[1]), int(shape[0])), affine, 2)
    except (InputError, ValueError, KeyError, TypeError, RecursionError):
        return None
