"""The layers of a scan as a picture of one plane through all of its slices."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer

from napari_dim.errors import InputError
from napari_dim.gui.layers.image_layers import KEY, Source, layer_source, separate, spatial_shape
from napari_dim.gui.logic.cross_planes import CrossPlane, Glass, cross_planes, patient_codes
from napari_dim.gui.logic.plane_pictures import (
    TONES,
    canvas,
    lay_image,
    lay_mask,
    ramp_of,
    seen,
    toned,
)

LOOKS = frozenset(
    ("set_data", "data", "labels_update", "paint", "visible", "opacity", "blending", "colormap",
     "contrast_limits", "gamma", "contour", "show_selected_label", "selected_label", "scale",
     "translate", "rotate", "shear", "affine")
)  # fmt: skip
"""Events of a layer after which a plane may look different."""
_MOST_IDS = 2**16


@dataclass(frozen=True)
class Planes:
    """The planes of a scan.

    Attributes
    ----------
    by_axis
        By the array axis that they are counted along.
    codes
        To which of the patient's sides the axes run; empty where nobody says.
    askew
        Degrees between them and the patient's axes.
    """

    by_axis: tuple[CrossPlane, CrossPlane, CrossPlane]
    codes: str
    askew: float


def planes_of_scan(image: Image) -> Planes:
    """The planes of an open scan, in the proportions that its layer is shown in.

    Raises
    ------
    InputError
        If it has no planes but its slices, or they can't be looked at without reading it all.
    """
    shape = spatial_shape(image)
    if len(shape) < 3 or shape[0] < 2:
        raise InputError("a single picture has no other planes", where=image.name)
    if separate(image):
        raise InputError("these pictures are each of its own: no plane runs through them all")
    if image.multiscale or not isinstance(image.data, np.ndarray):
        raise InputError(
            "this scan is read from the disk slice by slice; other planes would need all of it",
            where=image.name,
        )
    source = image.metadata.get(KEY)
    known = isinstance(source, Source) and layer_source(image) is source and source.grid.placed
    codes, askew = patient_codes(source.grid.affine) if known else ("", 0.0)
    size = (shape[0], shape[1], shape[2])
    return Planes(cross_planes(size, voxel_size(image), codes), codes, askew)


def voxel_size(layer: Layer) -> tuple[float, float, float]:
    """How far neighbouring voxels of a layer of three axes are apart on the screen."""
    start = np.asarray(layer.data_to_world((0, 0, 0)), float)
    steps = [np.asarray(layer.data_to_world(tuple(ahead)), float) - start for ahead in np.eye(3)]
    sizes = [float(np.linalg.norm(step)) for step in steps]
    return sizes[0], sizes[1], sizes[2]


def layers_on(
    layers: Iterable[Layer], image: Image, shown: Mapping[Layer, bool]
) -> list[Image | Labels]:
    """The images and masks that are shown voxel on voxel with a scan, lowest first.

    Parameters
    ----------
    layers
        The viewer's.
    image
        The scan.
    shown
        Layers that are hidden for a while, and whether they were shown before.
    """
    shape, corners = spatial_shape(image), _corners(image)
    return [
        layer
        for layer in layers
        if isinstance(layer, Image | Labels)
        and shown.get(layer, layer.visible)
        and not layer.multiscale
        and isinstance(layer.data, np.ndarray)
        and layer.data.shape[:3] == shape
        and layer.ndim == 3
        and np.allclose(_corners(layer), corners, atol=1e-4)
    ]


class PlanePictures:
    """Makes pictures of one family of planes, and keeps those of images until they change."""

    def __init__(self) -> None:
        self._kept: weakref.WeakKeyDictionary[Layer, tuple[Any, Any]] = weakref.WeakKeyDictionary()

    def picture(
        self,
        layers: Iterable[Image | Labels],
        glass: Glass,
        number: int,
        *,
        background: tuple[int, int, int] = (0, 0, 0),
        lines: tuple[Layer | None, np.ndarray] = (None, np.zeros(0, int)),
        wide: int = 1,
    ) -> np.ndarray:
        """What the screen shows of plane `number`, ``(down, right, 4)`` uint8.

        Parameters
        ----------
        layers
            As `layers_on` gives them.
        glass
            How the plane lies on the screen.
        number
            Which one it is.
        background
            Red, green, blue around the scan.
        lines
            A mask's layer, and how wide the lines of each of its slices are, as `lines_of`.
        wide
            How wide a line is, in pixels of the screen.
        """
        made = canvas(glass, background)
        first = True
        for layer in layers:
            if isinstance(layer, Image):
                where, colours = self._colours(layer, glass, number)
                adds = not first and str(layer.blending) == "additive"
                opacity = 1.0 if str(layer.blending) == "opaque" else float(layer.opacity)
                lay_image(made, where, colours, opacity, adds=adds)
                first = False
            else:
                own = lines[1] if layer is lines[0] else None
                _lay_labels(made, layer, glass, number, own, wide)
        return made

    def _colours(
        self, layer: Image, glass: Glass, number: int
    ) -> tuple[tuple[slice, slice], np.ndarray]:
        looks = (number, glass, tuple(layer.contrast_limits), layer.gamma, layer.colormap.name)
        # The data are held with what was made of them: another array can't have their number.
        data, kept = self._kept.get(layer, (None, None))
        if data is not layer.data or kept is None or kept[0] != looks:
            kept = (looks, *_toned(layer, glass, number))
            self._kept[layer] = layer.data, kept
        return kept[1], kept[2]


def _toned(layer: Image, glass: Glass, number: int) -> tuple[tuple[slice, slice], np.ndarray]:
    where, values = seen(glass.plane.cut(layer.data, number), glass)
    if layer.rgb:
        if values.dtype != np.uint8:
            values = np.rint(255 * np.clip(values.astype(np.float32), 0, 1)).astype(np.uint8)
        return where, values[..., 2::-1]
    ramp = layer.colormap.map(np.linspace(0, 1, TONES) ** layer.gamma)
    low, high = (float(value) for value in layer.contrast_limits)
    return where, toned(values, low, high, ramp_of(np.asarray(ramp)))


def _lay_labels(
    picture: np.ndarray,
    layer: Labels,
    glass: Glass,
    number: int,
    lines: np.ndarray | None,
    wide: int,
) -> None:
    where, ids = seen(glass.plane.cut(layer.data, number), glass)
    most = int(ids.max()) if ids.size else 0
    if most == 0 and (not ids.size or int(ids.min()) == 0):
        return
    if most < _MOST_IDS and (ids.dtype.kind == "u" or int(ids.min()) >= 0):
        known = np.arange(most + 1, dtype=ids.dtype)
    else:
        known, ids = np.unique(ids, return_inverse=True)
        ids = ids.reshape(where[0].stop - where[0].start, -1)
    colours = np.array(layer.colormap.map(known), np.float32)
    colours[:, 3] *= float(layer.opacity)
    if lines is None:
        shown = np.full((1, 1), int(layer.contour > 0))
    else:
        axis = glass.plane.axes.index(0)
        shown = (lines[::-1] if glass.plane.flips[axis] else lines)[glass.pixels(axis)[1]]
        shown = shown[:, None] if axis == 0 else shown[None, :]
    lay_mask(picture, where, ids, colours, shown * wide)


def _corners(layer: Layer) -> np.ndarray:
    ends = ((0, 0, 0), (1, 1, 1))
    return np.array([layer.data_to_world(at) for at in ends], float)
