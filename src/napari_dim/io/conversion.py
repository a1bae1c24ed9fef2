"""An image or a mask in another format: its place, class names and colours kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from napari_dim.errors import InputError
from napari_dim.io import lay_mask, read_classes, read_volume, write_image, write_mask_files
from napari_dim.io.formats import image_format, image_suffixes, mask_format, mask_suffixes
from napari_dim.io.labels import as_labels
from napari_dim.io.pictures.picture_reader import palette_of
from napari_dim.io.zarr.zarr_reader import is_zarr

MOST_CLASSES = 33
"""An image of more values than this, background among them, is taken for no mask."""

PALETTES = (".png", ".tif", ".tiff")
"""Ends of the names of files whose palette shows the classes' colours."""


def converted(
    source: Path,
    target: Path,
    *,
    form: str = "",
    mask: bool | None = None,
    like: Path | None = None,
    part: str = "",
    overlaps: str = "",
) -> tuple[list[Path], tuple[str, ...]]:
    """Write an image or a mask in another format, whole or not at all.

    Parameters
    ----------
    source, target
        Files or folders; the end of `target` says the format.
    form
        Of a mask: the key of its format.
    mask
        What `source` holds, if its format doesn't say.
    like
        The image that a mask lies on.
    part
        Which image of several in `source`.
    overlaps
        Which of two overlapping segments is kept, as `lay_mask`.

    Returns
    -------
    (list of pathlib.Path, tuple of str)
        What was written, several files where the format has one a class; and what was decided
        on the way.

    Raises
    ------
    InputError
        If it can't be read, or not be written so.
    """
    if target.resolve() == source.resolve():
        raise InputError("source and target are the same", where=target)
    if not form and target.parent.name == "labels" and is_zarr(target.parent.parent):
        form = "zarr"
    classes = read_classes(source)
    as_mask = bool(classes or form or like) if mask is None else mask
    sure = as_mask  # that it is one, from the file or from the options
    if not as_mask and not _takes(image_format, target):
        if not _takes(mask_format, target):
            raise InputError(
                f"files called {target.suffix or target.name} are not written", where=target,
                hint=f"An image can become {', '.join(image_suffixes())}; a mask also "
                f"{', '.join(sorted(set(mask_suffixes()) - set(image_suffixes())))}",
            )  # fmt: skip
        if mask is False:
            raise InputError("only masks are written so", where=target,
                             hint=f"An image can become {', '.join(image_suffixes())}")  # fmt: skip
        as_mask = True
    if as_mask:
        mask_format(target, form)
        if like is not None:
            volume = read_volume(like, part=part)
            laid = lay_mask(source, volume, overlaps=overlaps)
            labels, notes = laid.ids, laid.notes
        else:
            volume = read_volume(source, part=part or overlaps)
            if volume.channels > 1:
                raise InputError("a mask has one channel, this image several", where=source)
            if not sure:
                _check_mask(np.asarray(volume.array), source, target)
            labels, notes = as_labels(np.asarray(volume.array), where=source), volume.warnings
        if not classes and source.is_file() and source.name.lower().endswith(PALETTES):
            classes = palette_of(source)
        written = write_mask_files(target, labels, volume, classes=classes, form=form)
    else:
        volume = read_volume(source, part=part)
        written, notes = [write_image(target, volume)], volume.warnings
    return written, tuple(notes)


def _takes(format_of: Callable[[Path], object], target: Path) -> bool:
    """Whether something is written under this name."""
    try:
        format_of(target)
    except InputError:
        return False
    return True


def _check_mask(values: np.ndarray, source: Path, target: Path) -> None:
    """Refuse an image where masks alone are written: it would be a surface a grey value.

    Raises
    ------
    InputError
        If there are fractions, negative numbers, or more of them than classes.
    """
    found = np.unique(values)
    if found.size > MOST_CLASSES or (found != np.rint(found)).any() or found.min() < 0:
        raise InputError(
            f"this is an image, and only masks become {target.suffix}", where=source,
            hint="If it is a mask, say --mask",
        )  # fmt: skip
