"""Small cases for tests: a bright ellipsoid with a brighter core in noise."""

from __future__ import annotations

import numpy as np

from napari_dim.data.case import Case
from napari_dim.states import SliceState
from napari_dim.volume import Grid, Volume


def ellipsoid(
    shape=(6, 40, 32), *, seed=0, spacing=(2.0, 1.0, 1.0), channels=1, classes=2, gain=1.0
) -> tuple[Volume, np.ndarray]:
    """A volume and its whole mask, with ids 1 (shell) and 2 (core)."""
    rng = np.random.default_rng(seed)
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    centre = rng.uniform(-0.15, 0.15, 3)
    radius = sum(((a - c) / r) ** 2 for a, c, r in zip(axes, centre, (1.3, 0.6, 0.7), strict=True))
    mask = (radius < 1).astype(np.uint8)
    if classes > 1:
        mask[radius < 0.25] = 2
    image = 100 * gain * (1 + mask + 0.2 * rng.normal(size=shape))
    if channels > 1:
        image = np.stack([image * (c + 1) for c in range(channels)], -1)
    s, r, c = spacing
    affine = np.diag([-c, -r, s, 1.0])  # file axes (column, row, slice) towards L, P, S
    grid = Grid((shape[2], shape[1], shape[0]), affine, slice_axis=2)
    return Volume(image.astype(np.float32), grid), mask


def case(labelled=(1, 3), *, site="A", name="case", seed=0, **kwargs) -> Case:
    """An ellipsoid with some slices confirmed."""
    volume, mask = ellipsoid(seed=seed, **kwargs)
    states = np.zeros(len(mask), dtype=np.uint8)
    states[list(labelled)] = SliceState.PAINTED
    return Case(volume, mask, states, site=site, name=name)
