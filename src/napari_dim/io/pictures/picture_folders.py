"""Folders of image files as one stack.

They are pictures of their own; their sizes may differ, and each lies in the upper left corner
of a slice as large as the largest.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_dim.errors import InputError
from napari_dim.io.atomic import make_folder
from napari_dim.io.format_rows import How
from napari_dim.io.formats import PICTURES
from napari_dim.io.geometry import Laid
from napari_dim.io.labels import LabelClass
from napari_dim.io.nifti.nifti_header import MAX_BYTES
from napari_dim.io.pictures.mask_numbers import told_of_numbers
from napari_dim.io.pictures.picture_pixels import OF_SET, reading
from napari_dim.io.pictures.picture_reader import picture_ids, read_picture
from napari_dim.io.pictures.picture_writer import png_labels, write_picture_mask
from napari_dim.volume import Grid, Place, Placed, Volume

FILLED_UP = "smaller ones are filled up"
_MOST_NOTES = 3


def is_picture_folder(path: Path) -> bool:
    """Whether a folder holds image files, and nothing else that would be looked at."""
    return path.is_dir() and bool(_files(path))


def read_folder(path: Path, how: How) -> Volume:
    """Read the image files of a folder, ``(picture, row, column[, channel])``, by name."""
    files = _files(path)
    if not files:
        raise InputError("the folder holds no pictures", where=path)
    pictures = [read_picture(file, how) for file in files]
    notes = _few(
        [f"{file.name}: {note}" for file, one in zip(files, pictures, strict=True)
         for note in one.warnings if not note.endswith(OF_SET)]
    )  # fmt: skip
    arrays = [one.array[0] for one in pictures]
    if len({one.channels for one in pictures}) > 1:
        arrays = [_as_colour(array) for array in arrays]
        notes.append("some pictures are grey and some in colour; all are read as colour")
    sizes = [array.shape[:2] for array in arrays]
    array = stacked(arrays, path)
    notes += filled_up(sizes)
    header = {"stored": array.dtype.name, "files": tuple(file.name for file in files),
              "sizes": tuple(sizes),
              "orientations": tuple(o.header.get("orientation", 1) for o in pictures)}  # fmt: skip
    grid = Grid.of_pictures(len(array), array.shape[1], array.shape[2])
    return Volume(array, grid, path, "picture", header, tuple(notes))


def read_folder_mask(path: Path, like: Placed) -> Laid:
    """Read a folder of masks, one a picture, named as the pictures or in their order."""
    files = _files(path)
    names = [Path(name).stem for name in like.header.get("files", ())]
    by_stem = {file.stem: file for file in files}
    notes: list[str] = []
    if names and all(name in by_stem for name in names):
        files = [by_stem[name] for name in names]
    else:
        notes.append("the masks are not named as the pictures; they are taken in their order")
    if len(files) != like.grid.shape[0]:
        raise InputError(
            f"the folder holds {len(files)} masks for {like.grid.shape[0]} slices", where=path,
            hint=_without(like.header.get("files", ()), by_stem),
        )  # fmt: skip
    sizes = like.header.get("sizes") or [like.grid.shape[1:]] * len(files)
    turns = like.header.get("orientations") or [1] * len(files)
    planes = []
    for file, size, turn in zip(files, sizes, turns, strict=True):
        with reading(file):
            found = picture_ids(file, (size[0], size[1]), turn)
        planes.append(found.ids)
        notes += [f"{file.name}: {note}" for note in found.notes[:1]]
    ids = stacked(planes, path, like.grid.shape[1:])
    return Laid(ids, (*_few(notes), *told_of_numbers(ids)))


def _without(pictures: Sequence[str], masks: Mapping[str, Path]) -> str:
    """What to do where masks and pictures don't come in pairs."""
    left = [name for name in pictures if Path(name).stem not in masks]
    if not masks or not pictures or len(left) == len(pictures):
        return "Save a mask for each picture, under the picture's name"
    names = ", ".join(left[:_MOST_NOTES]) + (", …" if len(left) > _MOST_NOTES else "")
    if not left:
        return "Take out the masks that belong to no picture"
    some = f"{len(left)} pictures have no mask" if len(left) > 1 else "One picture has no mask"
    return (
        f"{some}: {names}. Save one there that is 0 everywhere and leave its slice out of the "
        "column slices, or give each picture a row of its own"
    )


def write_folder_mask(
    path: Path, mask: np.ndarray, volume: Placed, classes: Sequence[LabelClass] = ()
) -> Path:
    """Write a PNG for each picture into a folder, named and as large as the picture is.

    The folder is made; masks of the same names in it are replaced, each whole or not at all.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    InputError
        If the image is no stack of pictures, or the masks can't be written.
    """
    path = Path(path)
    check_pictures(path, volume)
    png_labels(mask, path)  # before the first file: all of them are written, or none
    names = mask_names(volume)
    make_folder(path, parents=False)
    sizes = volume.header.get("sizes") or [mask.shape[1:]] * len(mask)
    for name, plane, (rows, columns) in zip(names, mask, sizes, strict=True):
        one = Place(Grid.of_pictures(1, rows, columns), None, "picture")
        write_picture_mask(path / name, plane[None, :rows, :columns], one, classes)
    return path


def check_pictures(path: Path, volume: Placed) -> None:
    """Refuse a scan, whose slices are no pictures of their own.

    Raises
    ------
    InputError
        If it is one.
    """
    if volume.kind != "picture":
        raise InputError(
            "a scan's slices are no pictures of their own", where=path,
            hint="Save it as .nii.gz or .tif",
        )  # fmt: skip


def mask_names(volume: Placed) -> list[str]:
    """The name of each picture's mask: its own with the end .png; numbers where it has none."""
    files = volume.header.get("files") or ()
    if len(files) != volume.grid.shape[0]:
        width = len(str(volume.grid.shape[0]))
        return [f"{number:0{width}d}.png" for number in range(volume.grid.shape[0])]
    stems = [Path(name).stem for name in files]
    alike = {stem for stem in stems if stems.count(stem) > 1}  # a.jpg and a.tif
    return [
        f"{name if stem in alike else stem}.png" for name, stem in zip(files, stems, strict=True)
    ]


def _few(notes: Sequence[str]) -> list[str]:
    """The first notes of many."""
    more = len(notes) - _MOST_NOTES
    return [*notes[:_MOST_NOTES], *([f"and {more} notes more on its files"] if more > 0 else [])]


def _files(path: Path) -> list[Path]:
    """The image files right in a folder, as a person sorts them: 2 before 10."""
    found = [
        file for file in path.iterdir()
        if file.suffix.lower() in PICTURES and not file.name.startswith(".") and file.is_file()
    ]  # fmt: skip

    def natural(file: Path) -> list[Any]:
        return [int(s) if s.isdecimal() else s.lower() for s in re.split(r"(\d+)", file.name)]

    return sorted(found, key=natural)


def _as_colour(array: np.ndarray) -> np.ndarray:
    return array if array.ndim == 3 else np.repeat(array[..., None], 3, axis=-1)


def filled_up(sizes: Sequence[tuple[int, ...]]) -> tuple[str, ...]:
    """What is told of the rows and columns of pictures that make one stack."""
    if len(set(sizes)) < 2:
        return ()
    rows, columns = (max(size[axis] for size in sizes) for axis in (0, 1))
    return (
        f"the pictures are of {len(set(sizes))} sizes; {FILLED_UP} to {rows} x {columns}",
    )  # fmt: skip


def stacked(
    arrays: Sequence[np.ndarray], path: Path | None, size: tuple[int, ...] | None = None
) -> np.ndarray:
    """Pictures on top of each other, with zeros right of and below smaller ones.

    Raises
    ------
    InputError
        If they are too large together.
    """
    rows = max(array.shape[0] for array in arrays) if size is None else size[0]
    columns = max(array.shape[1] for array in arrays) if size is None else size[1]
    dtype = np.result_type(*arrays)
    shape = (len(arrays), rows, columns, *arrays[0].shape[2:])
    if math.prod(shape) * dtype.itemsize > MAX_BYTES:
        raise InputError("the pictures are larger than what can be read", where=path)
    out = np.zeros(shape, dtype)
    for plane, array in zip(out, arrays, strict=True):
        plane[: array.shape[0], : array.shape[1]] = array
    return out
