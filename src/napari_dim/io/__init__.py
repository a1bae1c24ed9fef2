"""Files to volumes and masks, and back, with the source's geometry."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from napari_dim.errors import InputError
from napari_dim.io.atomic import atomic_path, write_text_atomically
from napari_dim.volume import Volume, file_stem

__all__ = [
    "NIFTI_SUFFIXES",
    "PICTURE_SUFFIXES",
    "atomic_path",
    "file_kind",
    "hash_file",
    "prediction_name",
    "read_mask",
    "read_volume",
    "write_mask",
    "write_text_atomically",
]

NIFTI_SUFFIXES = (".nii", ".nii.gz", ".hdr", ".hdr.gz", ".img", ".img.gz")
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")

Kind = Literal["volume", "picture"]


def file_kind(path: Path) -> Kind:
    """What a file's name says it is: ``"volume"`` (NIfTI) or ``"picture"``.

    Raises
    ------
    InputError
        If the name ends like neither.
    """
    name = Path(path).name.lower()
    if name.endswith(NIFTI_SUFFIXES):
        return "volume"
    if name.endswith(PICTURE_SUFFIXES):
        return "picture"
    raise InputError(
        "this kind of file can't be read",
        where=path,
        hint="Use NIfTI (.nii, .nii.gz), PNG, JPEG or TIFF",
    )


def read_volume(path: Path, *, slice_axis: int | None = None) -> Volume:
    """Read an image.

    Parameters
    ----------
    path
        NIfTI, PNG, JPEG or TIFF.
    slice_axis
        File axis (0, 1, 2) that slices are counted along; by default the one with the
        largest spacing, else the last. Pictures have one slice whatever is given.

    Returns
    -------
    Volume
        ``(slice, row, column[, channel])``, of the stored integer type or float32.

    Raises
    ------
    InputError
        If the file is missing, damaged, or of a kind that can't be used.
    """
    path = _existing(path)
    if file_kind(path) == "volume":
        from napari_dim.io.nifti import read_nifti

        return read_nifti(path, slice_axis)
    from napari_dim.io.pictures import read_picture

    return read_picture(path)


def read_mask(path: Path, like: Volume) -> np.ndarray:
    """Read the mask of an image.

    Returns
    -------
    numpy.ndarray
        Class ids, ``(slice, row, column)`` in the layout of `like`, of the smallest
        unsigned integer type that holds them.

    Raises
    ------
    InputError
        If it can't be read, doesn't lie on the image, or holds anything but ids >= 0.
    """
    path = _existing(path)
    kind = file_kind(path)
    if kind != like.kind:
        raise InputError(
            f"the mask is a {kind}, its image a {like.kind}",
            where=path,
            hint="Use a mask made for this image",
        )
    if kind == "volume":
        from napari_dim.io.nifti import read_nifti_mask

        return read_nifti_mask(path, like)
    from napari_dim.io.pictures import read_picture_mask

    return read_picture_mask(path, like)


def write_mask(
    path: Path,
    mask: np.ndarray,
    volume: Volume,
    *,
    colors: Mapping[int, Sequence[float]] | None = None,
) -> Path:
    """Write a mask with the geometry of its image, whole or not at all.

    Parameters
    ----------
    path
        Ends with ``.nii``, ``.nii.gz`` or ``.png``.
    mask
        Class ids, ``(slice, row, column)``, in the layout of `volume`.
    volume
        The image that the mask lies on.
    colors
        Id -> red, green, blue in [0, 1]; a PNG then also shows these. NIfTI has no colours.

    Raises
    ------
    InputError
        If the mask doesn't fit the image or the format, or can't be written.
    """
    path = Path(path)
    if mask.shape != volume.grid.shape:
        raise InputError(f"the mask is {mask.shape}, its image {volume.grid.shape}", where=path)
    name = path.name.lower()
    if name.endswith((".nii", ".nii.gz")):
        from napari_dim.io.nifti_write import write_nifti_mask

        return write_nifti_mask(path, mask, volume)
    if name.endswith(".png"):
        from napari_dim.io.pictures import write_picture_mask

        return write_picture_mask(path, mask, colors=colors)
    raise InputError(
        "masks are written as .nii, .nii.gz or .png", where=path, hint="Choose one of these"
    )


def prediction_name(image: Path, kind: Kind | None = None) -> str:
    """The name of the predicted mask's file: ``<stem>_dim.nii.gz`` or ``<stem>_dim.png``."""
    kind = file_kind(image) if kind is None else kind
    return f"{file_stem(image)}_dim{'.nii.gz' if kind == 'volume' else '.png'}"


def hash_file(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal.

    Raises
    ------
    InputError
        If it can't be read.
    """
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"the file can't be read: {error.strerror}", where=path) from error


def _existing(path: Path) -> Path:
    path = Path(path)
    try:
        is_file, exists = path.is_file(), path.exists()
    except (OSError, ValueError):
        is_file = exists = False
    if not is_file:
        raise InputError("this is a folder" if exists else "there is no such file", where=path)
    return path
