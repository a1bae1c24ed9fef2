"""The mask of a scan as surface layers, and what was changed to show them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from napari.layers import Image, Layer, Surface
from napari.utils.colormaps import Colormap
from napari.utils.colormaps.standardize_color import transform_color

from napari_dim.gui.layers.image_layers import PLACE, layer_source
from napari_dim.io.export.surfaces import surface

MOST = 1_500_000
"""Voxels that a surface is made of; a larger mask is thinned out, or the window would wait."""


@dataclass
class Solid:
    """What was changed to show a scan in 3D, to put it back.

    `number` is the slice shown, `camera` where the camera looked and how near.
    """

    surfaces: list[Layer]
    number: int = 0
    camera: tuple[tuple[float, ...], float] | None = None
    image: Image | None = None
    visible: dict[Layer, bool] = field(default_factory=dict)


def surfaces(mask: np.ndarray, image: Layer, classes: Any) -> list[Surface]:
    """A surface layer for each class of a mask ``(slice, row, column)``, in place of the scan."""
    spacing = np.asarray(layer_source(image).grid.spacing, dtype=float)
    step = max(1, int(np.ceil((np.count_nonzero(mask.any(0)) * len(mask) / MOST) ** (1 / 2))))
    thin = mask[:, ::step, ::step]
    fine = spacing * (1, step, step)
    affine = np.eye(4)
    # `surface` turns to the patient's left and back: turned there, it stays as it is here.
    affine[:3, :3] = np.diag(fine * (-1, -1, 1))
    known = {info.id: info for info in classes}
    place = {name: getattr(image, name) for name in PLACE}
    place["scale"] = np.asarray(image.scale) / spacing
    made = []
    for class_id in (int(i) for i in np.unique(thin) if i):
        points, triangles = surface(thin == class_id, affine, smooth=True)
        info = known.get(class_id)
        colour = transform_color(info.colour if info else "#808080")[0]
        made.append(
            Surface(
                (points, triangles, np.ones(len(points))),
                name=f"{image.name}: {info.name if info else class_id} (3D)",
                colormap=Colormap([colour, colour], name=f"class {class_id}"),
                shading="smooth",
                opacity=0.75 if len(known) > 1 else 1.0,
                **place,
            )
        )
    return made
