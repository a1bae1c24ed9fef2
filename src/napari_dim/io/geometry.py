"""The one routine that lays a mask onto an image.

Programs store one and the same mask with its axes in another order or direction, cropped to
what is segmented, or with a margin. Wherever its voxels fall on the image's voxels it is
turned, cropped and padded; no voxel is resampled. All else is refused with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import cast

import nibabel as nib
import numpy as np

from napari_dim.errors import InputError
from napari_dim.io.labels import as_labels
from napari_dim.volume import Grid, Volume

FAR = 0.01
"""How far beside a voxel of the image one of the mask may lie, in voxels of the image."""
NEAR = 0.001
"""How far it may lie unsaid."""
_SAME_SIZE = 0.01
_RESAMPLE = "Use a mask made for this image, or resample it to the image's grid"
_LINES = {"R": "right-left", "A": "front-back", "S": "head-feet"}
_LINES |= {"L": _LINES["R"], "P": _LINES["A"], "I": _LINES["S"]}
_TOWARDS = (("the right", "the left"), ("the front", "the back"), ("the head", "the feet"))


class OutsideError(InputError):
    """The voxels of a mask fall on those that its image would have further out."""


@dataclass(frozen=True)
class Laid:
    """A mask on the grid of its image.

    Attributes
    ----------
    ids
        Class ids, ``(slice, row, column)`` in the layout of the image.
    notes
        What was decided on the way, one sentence each.
    """

    ids: np.ndarray
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fit:
    """How the voxels of one grid become those of another: turned, then moved.

    Attributes
    ----------
    turn
        nibabel's orientation, ``(3, 2)``: for each file axis the other's axis, and 1 or -1.
    offset
        File index in the other grid of the first voxel, once turned.
    shape
        Voxels along the file axes, once turned.
    notes
        What there is to say of it, one sentence each.
    """

    turn: np.ndarray
    offset: tuple[int, int, int]
    shape: tuple[int, int, int]
    notes: tuple[str, ...] = ()

    @property
    def turned(self) -> bool:
        """Whether axes are exchanged or run the other way."""
        return not np.array_equal(self.turn, [[0, 1], [1, 1], [2, 1]])

    def same(self, like: Grid) -> bool:
        """Whether each voxel is the other grid's voxel of the same index."""
        return not self.turned and not any(self.offset) and self.shape == like.file_shape


def lay(mask: Volume, like: Grid) -> Laid:
    """Lay a mask onto the grid of an image.

    Raises
    ------
    InputError
        If its voxels don't fall on the image's, none of its classes lies on the image, or it
        holds anything but ids >= 0.
    """
    if mask.channels > 1:
        raise InputError("a mask has one channel, this file several", where=mask.path)
    try:
        found = fit(mask.grid, like)
    except InputError as error:
        raise InputError(error.problem, where=mask.path, hint=error.hint) from None
    ids = as_labels(np.asarray(mask.array), where=mask.path)
    return lay_ids(mask.grid.to_file(ids), found, like, mask)


def lay_ids(ids: np.ndarray, found: Fit, like: Grid, mask: Volume | None = None) -> Laid:
    """Lay class ids, in the order of their file, onto a grid, in the way that was found.

    Raises
    ------
    InputError
        If there are classes and none of them lies on the image.
    """
    where = mask.path if mask is not None else None
    turned = nib.orientations.apply_orientation(ids, found.turn)
    if found.same(like):
        return Laid(like.to_array(turned), found.notes)
    here, there = overlap(found, like)
    out = np.zeros(like.file_shape, ids.dtype)
    out[here] = turned[there]
    labelled = int(np.count_nonzero(ids))
    lost = labelled - int(np.count_nonzero(out))
    notes = found.notes
    # Labels are cut off where the image is a part of what the mask covers; otherwise the mask's
    # place is wrong, or its axes are.
    if lost and (lost == labelled or turned[there].size < out.size):
        mm = like.file_affine[:3, :3] @ found.offset
        raise InputError(
            f"{_away(mm, like)}: {lost} of its {labelled} labelled voxels lie outside",
            where=where,
            hint=_RESAMPLE,
        )
    if lost:
        notes += (f"{lost} labelled voxels of the mask lie outside the image and are left out",)
    return Laid(like.to_array(out), notes)


def fit(grid: Grid, like: Grid, far: float = FAR) -> Fit:
    """How a mask's grid lies on an image's.

    Of the places that a file states (sform and qform), the first that fits is taken. A grid
    without a place of its own is taken by its shape, and so is any on an image without one.

    Parameters
    ----------
    grid, like
        Those of the mask and of the image.
    far
        How far beside a voxel of the image one of the mask may lie, in voxels.

    Raises
    ------
    InputError
        If the voxels of the mask don't fall on those of the image: how far off, along which
        axis, or which size.
    """
    if not (grid.placed and like.placed) or grid.unit != like.unit:
        return _by_shape(grid, like)
    why: InputError | None = None
    for number, (mine, yours) in enumerate(product(_stated(grid), _stated(like))):
        try:
            found = _by_place(mine, yours, far)
        except InputError as error:
            why = why or error
            continue
        if number:
            text = "the mask's sform and its image's don't fit each other, their qforms do"
            found = replace(found, notes=(*found.notes, text))
        return found
    raise cast(InputError, why)


def _stated(grid: Grid) -> list[Grid]:
    """A grid at each of the places that its file states."""
    return [grid, *(replace(grid, file_affine=other, others=()) for other in grid.others)]


def _by_shape(grid: Grid, like: Grid) -> Fit:
    """Voxel by voxel, for want of a place: sizes and, where both state them, spacings agree."""
    who = "the mask" if not grid.placed or like.placed else "the image"
    if grid.file_shape != like.file_shape:
        raise InputError(
            f"{who} does not say where it lies, and the mask has {_sizes(grid.file_shape)} voxels, "
            f"its image {_sizes(like.file_shape)}",
            hint=_RESAMPLE,
        )
    sizes = [np.linalg.norm(one.file_affine[:3, :3], axis=0) for one in (grid, like)]
    stated = all(one.unit == "mm" and not np.allclose(size, 1.0)
                 for one, size in zip((grid, like), sizes, strict=True))  # fmt: skip
    if stated and np.abs(sizes[0] / sizes[1] - 1).max() > _SAME_SIZE:
        raise InputError(
            f"{who} does not say where it lies, and the mask's voxels are {_sizes(sizes[0])} mm, "
            f"its image's {_sizes(sizes[1])} mm",
            hint=_RESAMPLE,
        )
    notes: tuple[str, ...] = ()
    if grid.placed != like.placed or not grid.matches(like, FAR):
        notes = (f"{who} does not say where it lies; the mask is taken voxel by voxel",)
    return Fit(np.array([[0, 1], [1, 1], [2, 1]]), (0, 0, 0), grid.file_shape, notes)


def _by_place(grid: Grid, like: Grid, far: float) -> Fit:
    to_like = np.linalg.inv(like.file_affine)
    turn = nib.orientations.io_orientation(to_like @ grid.file_affine)
    back = nib.orientations.inv_ornt_aff(turn, grid.file_shape)
    shape = [0, 0, 0]
    for axis, (new, _) in enumerate(turn.astype(int)):
        shape[new] = grid.file_shape[axis]
    size = (shape[0], shape[1], shape[2])
    # From the turned voxel's index to the image's: nearly one and a whole number of voxels.
    change = to_like @ grid.file_affine @ back
    corners = _corners(size)
    moved = (change @ corners)[:3] - corners[:3]
    offset = np.rint(moved.mean(1))
    beside = moved - offset[:, None]
    apart = float(np.abs(beside).max())
    if not apart <= far:
        raise InputError(_why_not(grid.file_affine @ back, size, beside, like), hint=_RESAMPLE)
    found = Fit(turn.astype(int), (int(offset[0]), int(offset[1]), int(offset[2])), size)
    notes = []
    if found.turned:
        codes = "".join(nib.orientations.aff2axcodes(grid.file_affine))
        notes.append(f"the mask's axes are turned to its image's ({codes} to {like.codes})")
    if apart > NEAR:
        notes.append(f"the mask's voxels lie up to {apart:.2g} voxels beside its image's")
    here, _ = overlap(found, like)
    covered = [max(0, part.stop - part.start) for part in here]
    if not all(covered):
        axis = covered.index(0)
        gap = max(offset[axis] - like.file_shape[axis] + 1, 1 - offset[axis] - size[axis])
        mm = float(gap * np.linalg.norm(like.file_affine[:3, axis]))
        raise OutsideError(
            f"the mask lies beside its image: it begins {mm:.4g} {like.unit} beyond its end, "
            f"{_LINES[like.codes[axis]]}",
            hint=_RESAMPLE,
        )
    if tuple(covered) != like.file_shape:
        notes.append(
            f"the mask covers {_sizes(covered)} of its image's {_sizes(like.file_shape)} voxels; "
            "the rest is background"
        )
    return replace(found, notes=tuple(notes))


def overlap(found: Fit, like: Grid) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """What both grids hold: in the file index of the image, and of the turned mask."""
    here, there = [], []
    for start, count, limit in zip(found.offset, found.shape, like.file_shape, strict=True):
        first, last = max(start, 0), min(start + count, limit)
        here.append(slice(first, max(first, last)))
        there.append(slice(first - start, max(first, last) - start))
    return tuple(here), tuple(there)


def _why_not(affine: np.ndarray, shape: tuple[int, ...], beside: np.ndarray, like: Grid) -> str:
    """Why the voxels of a turned mask don't fall on the image's: size, angle, or distance."""
    unit = like.unit
    mine, yours = (np.linalg.norm(one[:3, :3], axis=0) for one in (affine, like.file_affine))
    ends = np.array(shape) - 1  # an axis of one voxel has no length of its own
    if (np.abs(mine - yours) * ends > FAR * yours).any():
        axis = int(np.argmax(np.abs(mine - yours) * ends / yours))
        if abs(mine[axis] / yours[axis] - 1) > NEAR:
            return (
                f"the mask's voxels are {mine[axis]:.6g} {unit} {_LINES[like.codes[axis]]}, "
                f"its image's {yours[axis]:.6g} {unit}"
            )
    directions = (affine[:3, :3] / mine * (like.file_affine[:3, :3] / yours)).sum(0)
    angle = float(np.degrees(np.arccos(np.clip(directions[ends > 0], -1, 1))).max(initial=0.0))
    far = float(np.linalg.norm(like.file_affine[:3, :3] @ beside, axis=0).max())
    if angle > 0.01:
        return (
            f"the mask is turned by {angle:.3g} degrees against its image, and up to {far:.3g} "
            f"{unit} off"
        )
    middle = np.append((np.array(shape) - 1) / 2, 1.0)
    if shape != like.file_shape:
        axis = int(np.argmax(np.abs(beside).max(1)))
        return (
            f"the mask's voxels lie {far:.3g} {unit} beside its image's, {_LINES[like.codes[axis]]}"
        )
    return _away(((affine - like.file_affine) @ middle)[:3], like)


def _away(step: np.ndarray, like: Grid) -> str:
    """How far and where a mask lies off its image, RAS+."""
    if np.abs(step).max() <= NEAR * min(like.spacing):
        return "the mask's rows and columns are not its image's"
    parts = [
        f"{abs(part):.4g} {like.unit} to {_TOWARDS[axis][int(part < 0)]}"
        for axis, part in enumerate(step)
        if abs(part) > NEAR * min(like.spacing)
    ]
    far = f"{np.linalg.norm(step):.4g} {like.unit}"
    return f"the mask lies {far} off its image ({', '.join(parts)})"


def _corners(shape: tuple[int, int, int]) -> np.ndarray:
    """Indices of the eight outermost voxels, ``(4, 8)``."""
    ends = [(0, count - 1) for count in shape]
    return np.array([(*corner, 1) for corner in product(*ends)], dtype=float).T


def _sizes(sizes: tuple[int, ...] | list[int] | np.ndarray) -> str:
    return " x ".join(f"{size:g}" for size in sizes)
