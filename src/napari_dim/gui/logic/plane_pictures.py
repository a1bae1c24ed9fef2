"""What a plane of images and masks looks like on the screen, as pixels.

Voxels are looked up for each pixel of the screen: what is not seen costs nothing, outlines are
as thin as the screen allows, and the sides of the voxels are in true proportion.
"""

from __future__ import annotations

import numpy as np

from napari_dim.gui.logic.cross_planes import Glass

TONES = 256
"""Colours of a ramp."""


def canvas(glass: Glass, background: tuple[int, int, int]) -> np.ndarray:
    """An empty picture, ``(down, right, 4)`` uint8: blue, green, red, and one that is not used."""
    made = np.empty((*glass.size, 4), np.uint8)
    made[:] = (*background[::-1], 255)
    return made


def seen(plane: np.ndarray, glass: Glass) -> tuple[tuple[slice, slice], np.ndarray]:
    """What is seen of a plane ``(down, right[, channel])``.

    Returns
    -------
    (slice, slice), array
        Where on the screen, and the values there.
    """
    (top, rows), (left, columns) = glass.pixels(0), glass.pixels(1)
    where = slice(top, top + len(rows)), slice(left, left + len(columns))
    return where, plane[rows[:, None], columns[None, :]]


def toned(values: np.ndarray, low: float, high: float, ramp: np.ndarray) -> np.ndarray:
    """Values in the colours of a ramp, ``(down, right, 3)`` uint8: blue, green, red.

    Parameters
    ----------
    values
        ``(down, right)``; what is no number is dark.
    low, high
        The values at the ends of the ramp.
    ramp
        ``(TONES, 3)`` uint8, from `ramp_of`.
    """
    scaled = (values.astype(np.float32) - low) * (TONES / max(high - low, 1e-30))
    if values.dtype.kind == "f":
        scaled = np.nan_to_num(scaled, copy=False)
    return np.asarray(ramp[np.clip(scaled, 0, TONES - 1).astype(np.uint8)])


def ramp_of(colours: np.ndarray) -> np.ndarray:
    """Colours red, green, blue[, opacity] in [0, 1] as `toned` wants them, ``(n, 3)``."""
    return np.ascontiguousarray(np.rint(255 * colours[:, 2::-1]).astype(np.uint8))


def lay_image(
    picture: np.ndarray,
    where: tuple[slice, slice],
    colours: np.ndarray,
    opacity: float = 1.0,
    *,
    adds: bool = False,
) -> None:
    """Lay an image ``(down, right, 3)`` over what is there, or add its light to it."""
    below = picture[where][..., :3]
    if adds:
        light = below + (colours * np.float32(opacity)).astype(np.uint16)
        below[:] = np.minimum(light, 255)
    elif opacity >= 1:
        below[:] = colours
    else:
        below[:] = below + (colours.astype(np.float32) - below) * np.float32(opacity)


def lay_mask(
    picture: np.ndarray,
    where: tuple[slice, slice],
    ids: np.ndarray,
    colours: np.ndarray,
    lines: np.ndarray,
) -> None:
    """Lay class ids over what is there, in colours that may be seen through.

    Parameters
    ----------
    picture, where
        What is there, and the part of it.
    ids
        ``(down, right)``, as places in `colours`.
    colours
        ``(class, 4)`` red, green, blue, opacity in [0, 1].
    lines
        How wide the line is that stands for an area, in pixels of the screen, int, broadcast
        against `ids`; 0 where areas are shown as such.
    """
    there = (colours[:, 3] > 0)[ids]
    for wide in (int(one) for one in np.unique(lines) if one):
        there &= (lines != wide) | outlines(ids, wide)
    at = np.nonzero(there)
    if not at[0].size:
        return
    found = colours[ids[at]].astype(np.float32)
    part = picture[where][..., :3]
    below = part[at].astype(np.float32)
    part[at] = below + (255 * found[:, 2::-1] - below) * found[:, 3:]


def outlines(ids: np.ndarray, wide: int) -> np.ndarray:
    """Pixels that are at most `wide` away from one of another class, bool."""
    found = np.zeros(ids.shape, bool)
    for step in range(1, wide + 1):
        for one, other in (
            (np.s_[step:, :], np.s_[:-step, :]),
            (np.s_[:, step:], np.s_[:, :-step]),
        ):
            differ = ids[one] != ids[other]
            found[one] |= differ
            found[other] |= differ
    return found
