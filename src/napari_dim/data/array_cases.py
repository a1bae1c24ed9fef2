"""Cases from what a script holds: arrays with a spacing, volumes, or files."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from napari_dim.data.case import Case
from napari_dim.data.cohort import Slices, case_of
from napari_dim.data.load import load_case, load_image
from napari_dim.errors import InputError
from napari_dim.io import hash_file, lay_mask
from napari_dim.io.finite_values import finite_values
from napari_dim.io.labels import as_labels, ids_in
from napari_dim.states import SliceState
from napari_dim.volume import Grid, Volume

Image = np.ndarray | Volume | str | Path
"""An image as a script gives it."""
MaskGiven = np.ndarray | str | Path | None
"""A mask as a script gives it; None for an image without labels."""
SlicesGiven = Sequence[int] | Literal["all"] | None
"""The labelled slices of a mask: their numbers, all, or those that show a structure."""


def as_volume(
    image: Image, spacing: Sequence[float] | None = None, *, where: str = "the image"
) -> Volume:
    """An image as a volume; a file is read, an array is checked.

    Parameters
    ----------
    image
        ``(row, column)`` for one picture, ``(slice, row, column)``, or
        ``(slice, row, column, channel)``; of any numbers. Or a volume, or a file.
    spacing
        Of an array: distance of its slices, rows and columns in mm; without it pixels.
    where
        What to call it in a message.

    Raises
    ------
    InputError
        If it can't be used.
    """
    if isinstance(image, (Volume, str, Path)):
        if spacing is not None:
            raise InputError("its file says its spacing", where=where, hint="Leave spacing out")
        return image if isinstance(image, Volume) else load_image(case_of(image))
    array = np.asarray(image)
    if array.ndim not in (2, 3, 4) or not array.size:
        raise InputError(
            f"the array is {array.shape}", where=where,
            hint="Give (slice, row, column), with a last axis for channels if there are any",
        )  # fmt: skip
    if array.dtype.kind not in "biuf":
        raise InputError(f"the array holds {array.dtype}, no numbers", where=where)
    flat = array.ndim == 2
    array = array[None] if flat else array
    values = array.astype(np.uint8) if array.dtype.kind == "b" else array
    if values.dtype.kind == "f":  # the caller's own array is left as it is
        values = np.array(values, dtype=np.float32)
    values, odd = finite_values(values)
    notes = (f"{odd} values are no finite numbers, and count as the lowest",) if odd else ()
    sizes = None if spacing is None else _spacing(spacing, where)
    grid = Grid.of_pictures(values.shape[0], values.shape[1], values.shape[2], sizes)
    return Volume(values, grid, None, "picture" if flat else "volume", warnings=notes)


def case_given(
    image: Image,
    mask: MaskGiven = None,
    slices: SlicesGiven = None,
    *,
    spacing: Sequence[float] | None = None,
    site: str = "",
    name: str = "",
) -> Case:
    """A case of an image and its mask.

    Parameters
    ----------
    image, spacing
        As in `as_volume`.
    mask
        Class ids, 0 for background, of the image's slices, rows and columns; a file; or None.
    slices
        Numbers of the slices that are labelled, from 0; ``"all"``; None takes those that show
        a structure, for an empty one may just not have been looked at.
    site, name
        As in `data.case.Case`.

    Raises
    ------
    InputError
        If they can't be used, don't fit each other, or a slice number is outside.
    """
    if mask is None:
        if slices:
            raise InputError("slices are listed, but there is no mask", where=name)
        volume = as_volume(image, spacing, where=name)
        states = np.full(volume.array.shape[0], SliceState.UNTOUCHED, np.uint8)
        return Case(volume, None, states, site=site, name=name)
    if isinstance(image, (str, Path)) and isinstance(mask, (str, Path)) and slices is not None:
        chosen: Slices = (
            "all" if isinstance(slices, str) else tuple(sorted({int(n) for n in slices}))
        )
        row = replace(case_of(image), labels=Path(mask), slices=chosen, site=site, name=name,
                      where=name)  # fmt: skip
        return load_case(row)
    volume = as_volume(image, spacing, where=name)
    count = volume.array.shape[0]
    ids = _ids(mask, volume, name)
    numbers = _numbers(slices, ids, name)
    if not numbers.size:
        return case_given(volume, site=site, name=name)
    states = np.full(count, SliceState.UNTOUCHED, np.uint8)
    states[numbers] = SliceState.PAINTED
    known = np.zeros_like(ids)
    known[numbers] = ids[numbers]  # training can't peek at the others
    return Case(volume, known, states, site=site, name=name)


def cases_given(
    data: Any,
    masks: Any = None,
    slices: Any = None,
    spacing: Any = None,
    sites: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
) -> tuple[list[Case], dict[str, Any]]:
    """Cases of one image or several, and what a run's record keeps of them.

    Parameters
    ----------
    data, masks, slices, spacing
        As in `case_given`, or a list of each for several images; spacing, and slices that are
        ``"all"``, may be the same for all.
    sites, names
        Of each image; a name is its number by default.

    Returns
    -------
    (list, dict)
        The cases; and ``inputs``: of each the names of its files, not their folders, and hashes.

    Raises
    ------
    InputError
        If the lists are not of one length, or as `case_given`.
    """
    if isinstance(data, (np.ndarray, Volume, str, Path)):
        data, masks, slices = [data], [masks], [slices]
    images = list(data)
    count = len(images)
    if isinstance(slices, str) or slices is None:
        slices = [slices] * count
    if spacing is None or isinstance(spacing[0], (int, float, np.number)):
        files = (Volume, str, Path)
        spacing = [None if isinstance(one, files) else spacing for one in images]
    lists = {
        "masks": [None] * count if masks is None else list(masks),
        "slices": list(slices),
        "spacing": list(spacing),
        "sites": [""] * count if sites is None else list(sites),
        "names": [f"image {n}" for n in range(1, count + 1)] if names is None else list(names),
    }
    for what, one in lists.items():
        if len(one) != count:
            raise InputError(f"there are {len(one)} {what} for {count} images")
    cases, inputs = [], []
    for image, mask, chosen, size, site, name in zip(images, *lists.values(), strict=True):
        labelled = None if mask is None else chosen
        cases.append(case_given(image, mask, labelled, spacing=size, site=site, name=name))
        inputs.append(_hashed("image", image) | ({} if mask is None else _hashed("labels", mask)))
    return cases, {"inputs": inputs}


def _hashed(what: str, given: Any) -> dict[str, str]:
    """What the record says of an image or a mask."""
    digest = "sha256" if what == "image" else f"{what}_sha256"
    path = given.path if isinstance(given, Volume) else given
    if isinstance(path, (str, Path)):
        file = case_of(path).image
        return {what: file.name, digest: hash_file(file)}
    return {what: "array", digest: hash_array(given.array if isinstance(given, Volume) else given)}


def hash_array(array: Any) -> str:
    """The SHA-256 of an array's type, shape and values, in hexadecimal."""
    whole: Any = np.ascontiguousarray(array)
    digest = hashlib.sha256(f"{whole.dtype.str} {whole.shape}\n".encode())
    digest.update(memoryview(whole).cast("B"))
    return digest.hexdigest()


def _spacing(spacing: Sequence[float], where: str) -> tuple[float, float, float]:
    sizes = tuple(float(size) for size in spacing)
    if len(sizes) == 2:  # of a picture
        sizes = (1.0, *sizes)
    if len(sizes) != 3 or not all(np.isfinite(sizes)) or min(sizes) <= 0:
        raise InputError(
            f"the spacing is {tuple(spacing)}", where=where,
            hint="Give three lengths in mm: between slices, rows and columns",
        )  # fmt: skip
    return sizes[0], sizes[1], sizes[2]


def _ids(mask: np.ndarray | str | Path, volume: Volume, name: str) -> np.ndarray:
    if isinstance(mask, (str, Path)):
        return lay_mask(Path(mask), volume).ids
    given = np.asarray(mask)
    given = given[None] if given.ndim == 2 else given
    if given.shape != volume.array.shape[:3]:
        raise InputError(
            f"the mask is {given.shape}, the image {volume.array.shape[:3]}", where=name,
            hint="Give a mask of the image's own slices, rows and columns",
        )  # fmt: skip
    return as_labels(given, where=name)


def _numbers(slices: SlicesGiven, ids: np.ndarray, name: str) -> np.ndarray:
    if slices is None:
        if ids.shape[0] > 1 and not ids_in(ids):
            raise InputError(
                "the mask is empty", where=name,
                hint="Name the slices that are labelled, or give None for an image without labels",
            )  # fmt: skip
        return np.flatnonzero(ids.any((1, 2))) if ids.shape[0] > 1 else np.array([0])
    if isinstance(slices, str):
        if slices != "all":
            raise InputError(f"the slices are {slices!r}", where=name,
                             hint="Give their numbers, or 'all'")  # fmt: skip
        return np.arange(ids.shape[0])
    numbers = np.array(sorted({int(number) for number in slices}), dtype=int)
    outside = [int(n) for n in numbers if not 0 <= n < ids.shape[0]]
    if outside:
        raise InputError(
            f"there is no slice {outside[0]}: its {ids.shape[0]} slices are numbered from 0",
            where=name,
        )  # fmt: skip
    return numbers
