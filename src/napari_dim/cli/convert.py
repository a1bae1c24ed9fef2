"""``napari-dim convert``: an image or a mask in another format, in the same place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_dim.cli.console import messages, output
from napari_dim.errors import InputError

if TYPE_CHECKING:
    import numpy as np

MOST_CLASSES = 33
"""An image of more values than this, background among them, is taken for no mask."""

PALETTES = (".png", ".tif", ".tiff")
"""Ends of the names of files whose palette shows the classes' colours."""


def convert(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="An image or a mask.")],
    target: Annotated[Path, typer.Argument(metavar="DST", help="Its end says the format.")],
    form: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="Of a mask, as for predict.")
    ] = "",
    mask: Annotated[
        bool | None,
        typer.Option("--mask/--image", help="What SRC holds, if its format doesn't say."),
    ] = None,
    like: Annotated[
        Path | None,
        typer.Option(metavar="IMAGE", help="The image that a mask lies on (DICOM-SEG needs it)."),
    ] = None,
    part: Annotated[str, typer.Option(help="Which image of several in SRC.")] = "",
    overlaps: Annotated[
        str, typer.Option(help="Which of two overlapping segments: later, earlier or smaller.")
    ] = "",
) -> None:
    """Write an image or a mask in another format, its place, names and colours kept."""
    from napari_dim.io import read_classes, read_volume, write_image, write_mask
    from napari_dim.io.formats import image_format, image_suffixes, mask_format, mask_suffixes
    from napari_dim.io.zarr.zarr_reader import is_zarr

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
        import numpy as np

        from napari_dim.io import lay_mask
        from napari_dim.io.labels import as_labels
        from napari_dim.io.pictures.picture_reader import palette_of

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
        written = write_mask(target, labels, volume, classes=classes, form=form)
    else:
        volume = read_volume(source, part=part)
        written, notes = write_image(target, volume), volume.warnings
    for text in notes:
        messages().print(f"Note      {source.name}: {text}")
    output().print(f"Wrote {written}")


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
    import numpy as np

    found = np.unique(values)
    if found.size > MOST_CLASSES or (found != np.rint(found)).any() or found.min() < 0:
        raise InputError(
            f"this is an image, and only masks become {target.suffix}", where=source,
            hint="If it is a mask, say --mask",
        )  # fmt: skip
