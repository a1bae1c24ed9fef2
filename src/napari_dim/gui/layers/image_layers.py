"""Volumes to napari layers and back, with their place in the patient.

Layers that napari-dim opens carry a `Source` in their metadata; labels made for them carry
the same one, so that they are saved on exactly the grid of their image. Any other image
layer works too: its grid is made from its scale, translation and units.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from napari.layers import Image, Labels, Layer
from napari.utils.colormaps import CyclicLabelColormap
from napari.utils.colormaps.standardize_color import transform_color

from napari_dim.errors import InputError
from napari_dim.io.labels import COLOURS, smallest_type
from napari_dim.io.zarr.lazy_array import LazyArray
from napari_dim.volume import Grid, Volume, file_stem

KEY = "napari_dim"
"""Where a layer's metadata hold its `Source`."""

CHANNEL = "napari_dim_channel"
"""Where they hold which of several channels a layer shows, from 0."""
LEFT_AT = "napari_dim_left_at"
"""Where they hold the slice that was shown of a scan when another was gone over to."""
PLACE = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
"""What a layer takes over from its image, so that it is shown in the same place."""

AXES = ("slice", "row", "column")
_STORED_IN_REVERSE = "LAI"
"""Where slices run to: against the others, which run to the right, the back or the head."""
_SAMPLE = 200_000  # Voxels looked at to choose the contrast.
_TO_MM = {
    "millimeter": 1.0,
    "micrometer": 1e-3,
    "centimeter": 10.0,
    "meter": 1e3,
    "nanometer": 1e-6,
}

LayerTuple = tuple[Any, dict[str, Any], str]


@dataclass(frozen=True)
class Source:
    """Where the voxels of a layer come from: a `Volume` without its array.

    `channels` is the whole ``(slice, row, column, channel)`` array where the layer shows
    one of several channels, else None. `notes` is what was decided when it was read.
    """

    grid: Grid
    kind: Literal["volume", "picture"] = "volume"
    path: Path | None = None
    header: Mapping[str, Any] = field(default_factory=dict)
    channels: np.ndarray | None = field(default=None, repr=False, compare=False)
    notes: tuple[str, ...] = field(default=(), compare=False)

    @classmethod
    def of(cls, volume: Volume) -> Source:
        """What a layer has to remember of a volume."""
        stack = volume.array if volume.channels > 1 else None
        return cls(volume.grid, volume.kind, volume.path, volume.header, stack, volume.warnings)

    @property
    def place(self) -> dict[str, Any]:
        """How its file is read to give it again: `Project.add_case` keeps it."""
        axis = self.grid.slice_axis if self.kind == "volume" else None
        return {"part": self.header.get("part", ""), "slice_axis": axis}

    @property
    def missing(self) -> tuple[int, ...]:
        """Numbers of the slices that a series lacks, which are shown empty in their place."""
        turned = self.grid.slice_axis != 2  # then there is something in every slice
        return () if turned else tuple(self.header.get("missing", ()))

    @property
    def flat(self) -> bool:
        """Whether the layer has no slice axis: it shows a single picture."""
        return self.kind == "picture" and self.grid.shape[0] == 1

    def volume(self, array: np.ndarray) -> Volume:
        """`array` (slice, row, column[, channel]) at this place."""
        return Volume(array, self.grid, self.path, self.kind, self.header)


def image_tuples(volume: Volume, name: str = "") -> list[LayerTuple]:
    """Image layers that show a volume: one, or one a channel unless it is a colour picture.

    Returns
    -------
    list of (data, keywords, "image")
        As napari's readers return them. The data are views, nothing is copied.
    """
    name = name or (file_stem(volume.path) if volume.path else "scan")
    source = Source.of(volume)
    array = volume.array[0] if source.flat else volume.array
    common = {**placement(source, array.ndim - (volume.channels > 1))}
    if volume.channels == 1:
        limits = volume.header.get("window") or contrast(array)
        shown: dict[str, Any] = {"contrast_limits": limits}
        return [(array, {**common, "name": name, **shown}, "image")]
    if volume.channels in (3, 4) and array.dtype == np.uint8 and volume.separate:
        return [(array, {**common, "name": name, "rgb": True}, "image")]
    return [
        (
            _channel(array, channel),
            {
                **common,
                "metadata": {**common["metadata"], CHANNEL: channel},
                "name": f"{name} (channel {channel + 1})",
                "contrast_limits": contrast(_channel(array, channel)),
                "visible": channel == 0,
            },
            "image",
        )
        for channel in range(volume.channels)
    ]


def labels_tuple(mask: np.ndarray, source: Source, name: str) -> LayerTuple:
    """A labels layer of class ids, ``(slice, row, column)``, on the grid of `source`."""
    data = mask[0] if source.flat else mask
    # Painting needs memory of its own, in reading order.
    how = {**placement(source, data.ndim), "name": name, "colormap": class_colours()}
    return np.array(data, order="C"), how, "labels"


def class_colours() -> CyclicLabelColormap:
    """The colours of classes that nobody has named."""
    return CyclicLabelColormap(colors=[transform_color(c)[0] for c in ("#00000000", *COLOURS)])


def add_layer(viewer: Any, layer: LayerTuple | Layer, *, below: Layer | None = None) -> Layer:
    """Add a layer without taking the selection away from the one that is being painted."""
    made = layer if isinstance(layer, Layer) else Layer.create(*layer)
    active = viewer.layers.selection.active
    place = viewer.layers.index(below) if below in viewer.layers else len(viewer.layers)
    viewer.layers.insert(place, made)
    if active is not None:
        viewer.layers.selection.active = active
    return made


def new_labels(image: Layer, *, largest: int = 255, name: str = "") -> Labels:
    """An empty labels layer that lies on an image layer.

    Raises
    ------
    InputError
        If the image is of a kind that can't be labelled.
    """
    source = layer_source(image)
    shape = spatial_shape(image)
    data = np.zeros(shape, dtype=smallest_type(largest))
    name = name or f"{image.name} (mask)"
    return Labels(data, name=name, colormap=class_colours(), **in_place_of(image, source))


def layer_source(layer: Layer) -> Source:
    """The source that a layer carries, or one made from its scale, translation and units.

    Raises
    ------
    InputError
        If the layer has a shape that can't be used.
    """
    shape = spatial_shape(layer)
    stack = (1, *shape) if len(shape) == 2 else shape
    source = layer.metadata.get(KEY)
    if isinstance(source, Source) and source.grid.shape == stack:
        return source
    return Source(_grid_of(layer, stack), "picture" if len(shape) == 2 else "volume")


def layer_volume(layer: Layer) -> Volume:
    """The volume that an image layer shows; the array is the layer's own, not a copy.

    Raises
    ------
    InputError
        If the layer has a time axis or values that can't be used.
    """
    source = layer_source(layer)
    if source.channels is not None:
        return source.volume(source.channels)
    array: Any = _full_data(layer)
    if isinstance(array, LazyArray):
        return source.volume(cast(np.ndarray, array))
    array = np.asarray(array)
    if getattr(layer, "rgb", False):
        array = array[..., :3]  # Opacity is no channel of the image.
    if source.flat:
        array = array[None]
    return source.volume(_numbers(array, layer.name))


def labels_array(layer: Labels) -> np.ndarray:
    """The class ids of a labels layer as ``(slice, row, column)``; a view where it can be."""
    array = np.asarray(_full_data(layer))
    return array[None] if array.ndim == 2 else array


def layer_path(layer: Layer) -> Path | None:
    """The file that a layer was read from, if it is known."""
    source = layer.metadata.get(KEY)
    return source.path if isinstance(source, Source) else None


def missing_slices(layer: Layer | None) -> frozenset[int]:
    """The slices that a scan lacks, as its file says; none without a scan."""
    source = None if layer is None else layer.metadata.get(KEY)
    return frozenset(source.missing if isinstance(source, Source) else ())


def separate(image: Layer) -> bool:
    """Whether the slices of a scan are pictures of their own, as `Volume.separate` says.

    Raises
    ------
    InputError
        If the layer has a shape that can't be used.
    """
    source = layer_source(image)
    return source.kind == "picture" or (source.grid.unit != "mm" and bool(image.rgb))


def current_slice(viewer: Any, layer: Layer) -> int:
    """The number of the slice of `layer` that the viewer shows."""
    if layer.ndim < 3:
        return 0
    point = np.asarray(viewer.dims.point)[-layer.ndim :]
    if len(point) < layer.ndim:
        return 0
    number = round(float(layer.world_to_data(point)[0]))
    return int(np.clip(number, 0, _full_data(layer).shape[0] - 1))


def slice_of(viewer: Any, layer: Layer) -> int:
    """The number of the slice that is shown of `layer`, or was when its scan was left."""
    left = layer.metadata.get(LEFT_AT)
    return current_slice(viewer, layer) if left is None else int(left)


def in_sight(viewer: Any, layer: Layer) -> bool:
    """Whether the place that the viewer shows lies within a layer."""
    point = np.asarray(viewer.dims.point)[-layer.ndim :]
    if layer.ndim < 3 or len(point) < layer.ndim:
        return True
    return bool(-0.5 <= layer.world_to_data(point)[0] <= _full_data(layer).shape[0] - 0.5)


def go_to_slice(viewer: Any, layer: Layer, number: int) -> None:
    """Show slice `number` of `layer`."""
    if layer.ndim >= 3:
        world = layer.data_to_world((number, *([0] * (layer.ndim - 1))))
        viewer.dims.set_point(viewer.dims.ndim - layer.ndim, float(world[0]))


def go_to_middle(viewer: Any, layer: Layer) -> None:
    """Show the slice in the middle of `layer`."""
    go_to_slice(viewer, layer, _full_data(layer).shape[0] // 2)


def contrast(array: np.ndarray) -> tuple[float, float]:
    """Contrast limits: the 0.5th and 99.5th percentile, apart from each other."""
    if not isinstance(array, np.ndarray):
        # It lies on the disk: a few slices say enough.
        array = np.stack([array[n] for n in np.linspace(0, len(array) - 1, 5).astype(int)])
    step = max(1, array.size // _SAMPLE)
    sample = np.ravel(array)[::step] if array.flags.c_contiguous else _thinned(array)
    low, high = (float(v) for v in np.percentile(sample, (0.5, 99.5)))
    if low == high:
        low, high = float(array.min()), float(array.max())
    return (low, high) if low < high else (low, low + 1.0)


def slice_values(image: Layer, number: int) -> np.ndarray:
    """The values of one slice, ``(row, column)``, or ``(row, column, channel)`` of several.

    All are finite numbers.

    Raises
    ------
    InputError
        If none of its values can be used.
    """
    source = layer_source(image)
    if source.channels is not None:
        return _numbers(np.asarray(source.channels[number]), image.name)
    return _numbers(plane_shown(image, number), image.name)


def plane_shown(image: Layer, number: int) -> np.ndarray:
    """The values of one slice of what a layer shows: of several channels, the one.

    Returns
    -------
    array
        ``(row, column)``, or ``(row, column, 3 or 4)`` of a colour picture.
    """
    data = _full_data(image)
    flat = data.ndim - bool(getattr(image, "rgb", False)) == 2
    return np.asarray(data if flat else data[number])


def in_mm(layer: Layer, length: float) -> float | None:
    """A length in a layer's units in mm; None where these are pixels."""
    factor = _TO_MM.get(str(layer.units[-1]))
    return None if factor is None else length * factor


def contrast_of(layer: Image) -> tuple[float, float]:
    """Contrast limits that show all of an image layer but its darkest and brightest voxels."""
    return contrast(_full_data(layer))


def _channel(array: Any, channel: int) -> Any:
    if isinstance(array, LazyArray):
        return array.channel(channel)
    return array[..., channel]


def _thinned(array: np.ndarray) -> np.ndarray:
    """Some of the voxels, without flattening a view of another order."""
    step = max(1, round((array.size / _SAMPLE) ** (1 / array.ndim)))
    return array[(slice(None, None, step),) * array.ndim]


def placement(source: Source, ndim: int) -> dict[str, Any]:
    """The keywords that put a layer in its place: scale, translation, units, axes, source."""
    grid = source.grid
    directions = grid.affine[:3, :3] / np.asarray(grid.spacing)
    scale = np.array(grid.spacing)
    if grid.codes[grid.slice_axis] in _STORED_IN_REVERSE and grid.placed:
        # A slice stands where the patient has it, whichever way they are counted.
        directions[:, 0] *= -1
        scale[0] *= -1
    # Along the array's own axes: scans of one patient in one orientation lie on each other.
    origin = directions.T @ grid.affine[:3, 3]
    if source.flat:
        origin = np.zeros(3)
    return {
        "scale": tuple(float(v) for v in scale[-ndim:]),
        "translate": tuple(float(v) for v in origin[-ndim:]),
        "units": (("mm" if grid.unit == "mm" else "pixel"),) * ndim,
        "axis_labels": AXES[-ndim:],
        "metadata": {KEY: source},
    }


def in_place_of(image: Layer, source: Source) -> dict[str, Any]:
    """The keywords that put a labels layer exactly where an image layer is shown."""
    return {
        "scale": image.scale,
        "translate": image.translate,
        "rotate": image.rotate,
        "shear": image.shear,
        "affine": image.affine,
        "units": image.units,
        "axis_labels": image.axis_labels,
        "metadata": {KEY: source},
    }


def _full_data(layer: Layer) -> Any:
    return layer.data[0] if getattr(layer, "multiscale", False) else layer.data


def spatial_shape(layer: Layer) -> tuple[int, ...]:
    """(slices, rows, columns) of a layer, or (rows, columns) of a picture.

    Raises
    ------
    InputError
        If it has other axes.
    """
    shape = tuple(int(n) for n in _full_data(layer).shape)
    if isinstance(layer, Image) and layer.rgb:
        shape = shape[:-1]
    if len(shape) not in (2, 3) or 0 in shape:
        raise InputError(
            f"it has {len(shape)} axes; napari-dim takes scans of 3 and pictures of 2",
            where=layer.name,
            hint="Split a series into single scans first (right-click the layer, Split Stack)",
        )
    return shape


def _grid_of(layer: Layer, shape: tuple[int, ...]) -> Grid:
    """A grid whose array order is the layer's, with napari's (z, y, x) as (S, P, L)."""
    factors = [_TO_MM.get(str(unit)) for unit in layer.units]
    in_mm = all(factor is not None for factor in factors)
    sizes = np.array([factor or 1.0 for factor in factors]) if in_mm else np.ones(layer.ndim)
    lead = 3 - layer.ndim
    matrix = np.eye(3)
    origin = np.zeros(3)
    start = np.asarray(layer.data_to_world((0,) * layer.ndim), dtype=float)
    for axis in range(layer.ndim):
        ahead = [float(i == axis) for i in range(layer.ndim)]
        step = np.asarray(layer.data_to_world(ahead), dtype=float) - start
        matrix[lead:, lead + axis] = step * sizes
    origin[lead:] = start * sizes
    slices, rows, columns = shape

    def grid(matrix: np.ndarray, origin: np.ndarray) -> Grid:
        to_ras = np.array([[0.0, 0.0, -1.0], [0.0, -1.0, 0.0], [1.0, 0.0, 0.0]])
        affine = np.eye(4)
        # File axes (column, row, slice), the reverse of the array's.
        affine[:3, :3] = to_ras @ matrix[:, ::-1]
        affine[:3, 3] = to_ras @ origin
        return Grid((columns, rows, slices), affine, 2, "mm" if in_mm else "pixel")

    made = grid(matrix, origin)
    if made.shape == shape and np.allclose(made.affine[:3, :3], made.file_affine[:3, 2::-1]):
        return made
    # A layer turned by more than 45 degrees or mirrored: keep its voxels' size alone.
    return grid(np.diag(np.linalg.norm(matrix, axis=0)), origin)


def _numbers(array: np.ndarray, name: str) -> np.ndarray:
    """Integers as they are, floats finite, anything else refused."""
    if array.dtype == np.bool_:
        return array.astype(np.uint8)
    if array.dtype.kind in "iu":
        return array
    if array.dtype.kind != "f":
        raise InputError(f"images of {array.dtype} values can't be used", where=name)
    finite = np.isfinite(array)
    if finite.all():
        return array
    if not finite.any():
        raise InputError("no voxel is a finite number", where=name)
    return np.where(finite, array, array[finite].min())
