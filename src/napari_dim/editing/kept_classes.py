"""Classes that stay where they are while another one is drawn, whatever the tool.

It is what napari's brush does where *preserve labels* is ticked, for tools that change many
voxels and classes at once.
"""

from __future__ import annotations

import numpy as np


def free(ids: np.ndarray, only: int | None) -> np.ndarray:
    """Which voxels may be changed.

    Parameters
    ----------
    ids
        Class ids, of any shape.
    only
        The class that is drawn while all others stay; None where any may change.

    Returns
    -------
    numpy.ndarray
        Of the same shape, bool: background, and what is of that class.
    """
    return np.ones(ids.shape, bool) if only is None else (ids == 0) | (ids == only)


def kept(before: np.ndarray, after: np.ndarray, only: int | None) -> np.ndarray:
    """Class ids as a tool would have them, but for what has to stay.

    Parameters
    ----------
    before, after
        Class ids as they are, and as the tool would have them, of one shape.
    only
        As in `free`.

    Returns
    -------
    numpy.ndarray
        Class ids, of the type of `after`.
    """
    if only is None:
        return after
    return np.where(free(before, only), after, before).astype(after.dtype, copy=False)
