"""Scans that are in no file, written where their work is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_dim.project import Project
from napari_dim.project.paths import inside, slug
from napari_dim.volume import Volume


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
