"""Masks onto images: the same voxels, whatever order and direction a file stores them in."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np

from napari_dim.errors import InputError
from napari_dim.io.labels import as_labels
from napari_dim.volume import Grid, Volume


def mask_on(like: Volume, mask: Volume) -> np.ndarray:
    """The class ids of `mask`, ``(slice, row, column)`` in the layout of `like`.

    Programs store one and the same mask with axes in another order or direction; it is
    transposed and flipped, no voxel is resampled.

    Raises
    ------
    InputError
        If its voxels are not those of the image, or hold anything but ids >= 0.
    """
    if mask.channels > 1:
        raise InputError("a mask has one channel, this file several", where=mask.path)
    data = mask.grid.to_file(as_labels(mask.array, where=mask.path))
    turn = turned(mask.grid, like.grid)
    if turn is None:
        sizes = sorted(mask.grid.file_shape) == sorted(like.grid.file_shape)
        raise InputError(
            "the mask lies elsewhere in space than its image"
            if sizes
            else f"the mask is {mask.grid.file_shape}, its image {like.grid.file_shape}",
            where=mask.path,
            hint="Use a mask made for this image, or resample it to the image's grid",
        )
    order, flips = turn
    return like.grid.to_array(np.flip(np.transpose(data, order), flips))


def turned(grid: Grid, like: Grid) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """How the file axes of `grid` become those of `like`: an order, then axes to flip.

    None if no exchange of axes puts every voxel in its place.
    """
    for order in permutations(range(3)):
        shape = tuple(grid.file_shape[axis] for axis in order)
        if shape != like.file_shape:
            continue
        for signs in product((1, -1), repeat=3):
            change = np.zeros((4, 4))
            change[3, 3] = 1.0
            for new, (old, sign) in enumerate(zip(order, signs, strict=True)):
                change[old, new] = sign
                change[old, 3] = shape[new] - 1 if sign < 0 else 0
            moved = Grid(like.file_shape, grid.file_affine @ change, like.slice_axis, grid.unit)
            if moved.matches(like):
                return order, tuple(axis for axis in range(3) if signs[axis] < 0)
    return None
