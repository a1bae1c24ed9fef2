"""Scans that are in no file, written where their work is kept."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
from napari.layers import Image

from napari_dim.errors import InputError
from napari_dim.gui.layers.image_layers import layer_volume
from napari_dim.project import Project
from napari_dim.project.paths import inside, slug
from napari_dim.volume import Volume

MOST = 2**28
"""Bytes of a scan that is written at its first stroke: more would hold the hand up."""


def written_alone(project: Project, image: Image, name: str) -> Path | None:
    """A scan that no file of ours holds, kept with the work without a project that is done on it.

    None where it is too large for that, lies on a disk that is read slice by slice, has an axis
    more, or can't be written: its masks are kept all the same.
    """
    if not isinstance(image.data, np.ndarray) or image.data.nbytes > MOST:
        return None
    with suppress(InputError):
        return written(project, layer_volume(image), name)
    return None


def written(project: Project, volume: Volume, name: str) -> Path:
    """A scan that is in no file, or in several, as a file of the project.

    Raises
    ------
    InputError
        If it can't be written.
    """
    from napari_dim.io import write_image

    suffix = ".png" if volume.kind == "picture" and volume.array.dtype == np.uint8 else ".nii"
    folder = inside(project.folder, "images")
    folder.mkdir(exist_ok=True)
    return write_image(inside(project.folder, f"images/{slug(name)}{suffix}"), volume)
