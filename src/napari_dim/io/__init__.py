"""Files to volumes and masks, and back, with the source's geometry."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_dim.errors import InputError
from napari_dim.io.atomic import atomic_path, make_folder, write_text_atomically
from napari_dim.io.format_rows import How, Kind, Part
from napari_dim.io.formats import format_of, image_format, mask_format, reader_of
from napari_dim.io.geometry import Laid, lay
from napari_dim.io.glance import Glance
from napari_dim.io.hashing import hash_file
from napari_dim.io.labels import LabelClass, image_like
from napari_dim.io.overlaps import winner
from napari_dim.io.places import is_elsewhere
from napari_dim.io.strange_files import absent, refuse_strange
from napari_dim.volume import Placed, Volume, file_stem

__all__ = [
    "Glance",
    "LabelClass",
    "Laid",
    "Part",
    "atomic_path",
    "file_kind",
    "glance",
    "hash_file",
    "lay_mask",
    "list_parts",
    "make_folder",
    "prediction_name",
    "read_classes",
    "read_mask",
    "read_volume",
    "write_image",
    "write_mask",
    "write_mask_files",
    "write_text_atomically",
]


_log = logging.getLogger("napari_dim.io")
_FILE_NAME = re.compile(r"^.*?\.\w{2,8}: ")
"""What a note on one of a folder's pictures begins with."""


def file_kind(path: Path) -> Kind:
    """What predictions for an image are saved as: ``"volume"`` or ``"picture"``.

    Raises
    ------
    InputError
        If the file or folder is of no known format.
    """
    return format_of(path).kind


def list_parts(path: Path, part: str = "") -> tuple[Part, ...]:
    """The images in a file or folder that holds several; ``()`` where there is no choice.

    `part` may name a reader, as for `read_volume`.

    Raises
    ------
    InputError
        If it can't be read.
    """
    path = _existing(path)
    found, _ = reader_of(path, part)
    if not found.parts:
        return ()
    parts: tuple[Part, ...] = found.call(found.parts, path)
    return parts if len(parts) > 1 else ()


def read_volume(path: Path, *, slice_axis: int | None = None, part: str = "") -> Volume:
    """Read an image.

    Parameters
    ----------
    path
        A file, or a folder that holds one image; `formats.READERS` lists the kinds.
    slice_axis
        File axis (0, 1, 2) that slices are counted along; by default the one with the
        largest spacing, else the last. Pictures have one slice whatever is given.
    part
        Which image of several, see `list_parts`; by default the format's own choice. It may
        begin with a reader's name: ``simpleitk:2`` is a DICOM folder's second series, read by
        SimpleITK, ``simpleitk`` its largest.

    Returns
    -------
    Volume
        ``(slice, row, column[, channel])``, of the stored integer type or float32. Its header
        tells the `part`, so that the same image can be read again.

    Raises
    ------
    InputError
        If the file is missing, damaged, or of a kind that can't be used.
    """
    path = _existing(path)
    found, own = reader_of(path, part)
    volume: Volume = found.call(found.read, path, How(slice_axis, own))
    _record(volume.warnings)
    return replace(volume, header={**volume.header, "part": part}) if part else volume


def glance(path: Path, *, part: str = "") -> Glance:
    """What an image is, its values looked at in part where reading them all would take long.

    Raises
    ------
    InputError
        As `read_volume`; damage beyond what was looked at is not found.
    """
    path = _existing(path)
    found, own = reader_of(path, part)
    seen: Glance | None = found.call(found.glance, path, How(None, own)) if found.glance else None
    return Glance.at(read_volume(path, part=part)) if seen is None else seen


def read_mask(path: Path, like: Placed) -> np.ndarray:
    """The class ids of `lay_mask` alone."""
    return lay_mask(path, like).ids


def lay_mask(path: Path, like: Placed, *, overlaps: str = "") -> Laid:
    """Read the mask of an image, and lay it onto the image; see `geometry`.

    Parameters
    ----------
    path
        A file or folder.
    like
        The image.
    overlaps
        Which of two segments keeps a voxel that both claim, where the file allows that:
        ``"later"`` (as by default), ``"earlier"`` or ``"smaller"``.

    Returns
    -------
    Laid
        Class ids, ``(slice, row, column)`` in the layout of `like`, of the smallest unsigned
        integer type that holds them; and what was decided on the way.

    Raises
    ------
    InputError
        If it can't be read, doesn't lie on the image, or holds anything but ids >= 0.
    """
    path = _existing(path)
    found, _ = reader_of(path)
    wins = (winner(overlaps),) if found.overlaps else ()
    if not found.read_mask:
        mask = read_volume(path, part="".join(wins))
        laid = _doubted(lay(mask, like.grid))
        _record(laid.notes)
        return replace(laid, notes=(*mask.warnings, *laid.notes))
    got = _doubted(found.call(found.read_mask, path, like, *wins))
    _record(got.notes)
    return got


def _doubted(laid: Laid) -> Laid:
    """Say so where a stack is hardly a mask; a picture's reader knows more of pictures."""
    why = image_like(laid.ids) if len(laid.ids) > 1 else ""
    return replace(laid, notes=(why, *laid.notes)) if why else laid


def read_classes(path: Path) -> list[LabelClass]:
    """The classes that a mask's file names, by id; none where it names none.

    Raises
    ------
    InputError
        If it can't be read.
    """
    path = _existing(path)
    found, _ = reader_of(path)
    classes: list[LabelClass] = found.call(found.classes, path) if found.classes else []
    return classes


def write_mask(
    path: Path,
    mask: np.ndarray,
    volume: Placed,
    *,
    classes: Sequence[LabelClass] = (),
    form: str = "",
) -> Path:
    """Write a mask with the geometry of its image, whole or not at all.

    Parameters
    ----------
    path
        Its end says the format, unless `form` does.
    mask
        Class ids, ``(slice, row, column)``, in the layout of `volume`.
    volume
        The image that the mask lies on, or its place alone.
    classes
        Names and colours, for formats that keep them.
    form
        The `formats.Format.key` of a format.

    Returns
    -------
    pathlib.Path
        The file; the first one where a format writes a file a class.

    Raises
    ------
    InputError
        If the mask doesn't fit the image or the format, or can't be written.
    """
    return write_mask_files(path, mask, volume, classes=classes, form=form)[0]


def write_mask_files(
    path: Path,
    mask: np.ndarray,
    volume: Placed,
    *,
    classes: Sequence[LabelClass] = (),
    form: str = "",
) -> list[Path]:
    """As `write_mask`; gives all the files that were written."""
    path = Path(path)
    if mask.shape != volume.grid.shape:
        raise InputError(f"the mask is {mask.shape}, its image {volume.grid.shape}", where=path)
    found = mask_format(path, form)
    found.check(path, volume)
    written: Path | list[Path] = found.call(found.write_mask, path, mask, volume, tuple(classes))
    return [written] if isinstance(written, Path) else written


def write_image(path: Path, volume: Volume) -> Path:
    """Write an image with its geometry, values and type as they are, whole or not at all.

    Raises
    ------
    InputError
        If the format can't hold it, or it can't be written.
    """
    path = Path(path)
    found = image_format(path)
    found.check(path, volume, what="image")
    written: Path = found.call(found.write, path, volume)
    return written


def prediction_name(image: Path, kind: Kind | None = None, form: str = "", name: str = "") -> str:
    """The name of the predicted mask's file.

    ``<stem>_dim.nii.gz`` for a volume, ``<stem>_dim.png`` for a picture, ``<stem>_dim.tif``
    for a TIFF of many pages, the folder ``<stem>_dim_masks`` for a folder of pictures; or with
    the end of the format whose `formats.Format.key` is `form`. A case that is called otherwise
    than its image (`name`) gives that as the stem.
    """
    image = Path(image)
    stem = name or file_stem(image)
    if kind is None:
        found = format_of(image)
        kind, form = found.kind, form or found.predicted
    if form:
        return f"{stem}_dim{mask_format(image, form).written[0]}"
    suffix = {"volume": ".nii.gz", "picture": ".png"}[kind]
    if image.suffix.lower() in (".tif", ".tiff"):
        from napari_dim.io.pictures.tiff_pages import is_stack

        suffix = ".tif" if is_stack(image) else suffix
    return f"{stem}_dim{suffix}"


def _record(notes: Sequence[str]) -> None:
    """Log what was decided, without the names of files, which may be a patient's."""
    for text in notes:
        _log.info("%s", _FILE_NAME.sub("", text))


def _existing(path: Path) -> Path:
    if is_elsewhere(path):
        raise InputError("this lies elsewhere", where=path,
                         hint="Fetch it first; predict, evaluate, convert and compare do so with "
                         "--cluster local")  # fmt: skip
    path = Path(path)
    try:
        exists = path.exists()
    except (OSError, ValueError):
        exists = False
    if not exists:
        raise absent(path)
    refuse_strange(path)
    return path
