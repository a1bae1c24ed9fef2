"""OME-Zarr and plain Zarr, opened without loading.

OME-NGFF 0.4 (in stores of Zarr 2) and 0.5 (Zarr 3). Its x, y and z are taken as the
patient's left, back and head (LPS+, as in DICOM): OME-NGFF itself does not say.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from napari_dim.errors import Foreseen, InputError, one_line
from napari_dim.io.format_rows import How, Part
from napari_dim.io.geometry import Laid, fit, lay
from napari_dim.io.labels import LabelClass
from napari_dim.io.zarr.lazy_array import LazyArray, plane_numbers
from napari_dim.volume import Grid, Placed, Volume

MARKS = ("zarr.json", ".zgroup", ".zarray", ".zattrs")
"""Files that say that a folder is a Zarr store."""

LARGE = 2**30
"""Bytes above which a mask is not loaded either."""

_TO_MM = {
    "millimeter": 1.0, "micrometer": 1e-3, "centimeter": 10.0, "meter": 1e3, "nanometer": 1e-6,
}  # fmt: skip
_MOST_CHANNELS = 8
_MISSING: Foreseen = {
    ImportError: (
        "Zarr needs the package zarr",
        'Install it with: pip install "napari-dim[large]"',
    )
}


def is_zarr(path: Path) -> bool:
    """Whether a folder is a Zarr array or group."""
    return path.is_dir() and any((path / name).is_file() for name in MARKS)


def read_ome_zarr(path: Path, how: How | None = None) -> Volume:
    """Open an image of any size; see `napari_dim.io.read_volume`.

    The array of the `Volume` is a `LazyArray`: nothing of it is read yet.
    """
    how = how or How()
    with one_line(path, "Zarr store", known=_MISSING):
        array, axes, scale, translation, units = _level(path)
        spatial, channel, fixed = _sorted_axes(array, axes, how, path)
        physical = all(units[axis] in _TO_MM for axis in spatial)
        factor = [_TO_MM[units[axis]] if physical else 1.0 for axis in spatial]
        steps = [scale[axis] * f for axis, f in zip(spatial, factor, strict=True)]
        start = [translation[axis] * f for axis, f in zip(spatial, factor, strict=True)]
        flat = len(spatial) == 2
        header = {"stored": np.dtype(array.dtype).name}
        sizes = [int(array.shape[axis]) for axis in spatial]
        if flat:
            steps, start, sizes = [1.0, *steps], [0.0, *start], [1, *sizes]
        affine = np.diag([-steps[2], -steps[1], steps[0], 1.0])
        affine[:3, 3] = (-start[2], -start[1], start[0])
        slice_axis = 2 if flat or how.slice_axis is None else how.slice_axis
        unit: Literal["mm", "pixel"] = "mm" if physical else "pixel"
        grid = Grid((sizes[2], sizes[1], sizes[0]), affine, slice_axis, unit)
        more = [] if channel is None else [channel]
        if flat:
            # One plane: as any picture, it is read.
            plane = np.asarray(array[tuple(fixed.get(a, slice(None)) for a in range(array.ndim))])
            left = sorted([*spatial, *more])
            plane = np.transpose(plane, [left.index(axis) for axis in (*spatial, *more)])
            return Volume(plane_numbers(plane)[None], grid, path, header=header)
        order, flips = grid.layout
        axes_here = [spatial[2 - axis] for axis in order]  # file axes are (x, y, z)
        lazy = LazyArray(array, [*axes_here, *more], fixed, flips)
        return Volume(cast(np.ndarray, lazy), grid, path, header=header)


def list_zarr(path: Path) -> tuple[Part, ...]:
    """The times of an image that has several; see `napari_dim.io.list_parts`."""
    with one_line(path, "Zarr store", known=_MISSING):
        array, axes, *_ = _level(path)
        names = [axis.lower() for axis in axes]
        count = int(array.shape[names.index("t")]) if "t" in names else 1
    return tuple(Part(str(number), f"time {number} of {count}") for number in range(count))


def read_ome_zarr_mask(path: Path, like: Placed) -> Laid:
    """Open the mask of an image; see `napari_dim.io.read_mask`. Large ones stay on the disk."""
    volume = read_ome_zarr(path, How(like.grid.slice_axis))
    with one_line(path, "Zarr store", known=_MISSING):
        if volume.channels > 1:
            raise InputError("a mask has one channel, this image several", where=path)
        found = fit(volume.grid, like.grid)
        lazy: Any = volume.array
        if isinstance(lazy, LazyArray) and lazy.nbytes > LARGE:
            if lazy.dtype.kind != "u":  # its values can't all be looked at now
                raise InputError(
                    f"a mask of this size must hold whole numbers above 0, this one {lazy.dtype}",
                    where=path, hint="Save it as unsigned integers",
                )  # fmt: skip
            if not found.same(like.grid):
                raise InputError(
                    "a mask of this size must have its image's axes and extent", where=path,
                    hint="Save it on its image's grid",
                )  # fmt: skip
            return Laid(cast(np.ndarray, lazy), found.notes)
        return lay(volume, like.grid)


def classes_of(path: Path) -> list[LabelClass]:
    """The classes that a group of labels names, by id.

    Raises
    ------
    InputError
        If it can't be read.
    """
    with one_line(path, "Zarr store", known=_MISSING):
        label = _attributes(_opened(path)).get("image-label", {})
        names = {
            int(entry["label-value"]): str(entry.get("class", ""))
            for entry in label.get("properties", ())
        }
        colours = {
            int(entry["label-value"]): "#{:02X}{:02X}{:02X}".format(*entry["rgba"][:3])
            for entry in label.get("colors", ())
            if "rgba" in entry
        }
        ids = sorted({*names, *colours} - {0})
        return [LabelClass(i, names.get(i, ""), colours.get(i, "")) for i in ids]


def _opened(path: Path) -> Any:
    """The array or group; of what bioformats2raw wrote the one image in it."""
    import zarr

    node = zarr.open(str(path), mode="r")
    if isinstance(node, zarr.Array) or "bioformats2raw.layout" not in _attributes(node):
        return node
    images = [one for _, one in node.groups() if "multiscales" in _attributes(one)]
    return images[0] if len(images) == 1 else node


def _attributes(node: Any) -> Mapping[str, Any]:
    """OME's own attributes: at the top in 0.4, in "ome" since 0.5."""
    attributes = dict(node.attrs)
    ome: Mapping[str, Any] = attributes.get("ome", attributes)
    return ome


def _level(path: Path) -> tuple[Any, list[str], list[float], list[float], list[str]]:
    """The array of full resolution; its axes, scale, translation and units, one an axis."""
    import zarr

    node = _opened(path)
    if isinstance(node, zarr.Array):
        axes = ["t", "c", "z", "y", "x"][-node.ndim :] if node.ndim in (2, 3) else []
        if node.ndim == 4:
            axes = ["c", "z", "y", "x"]
        if not axes:
            raise InputError(f"the array has {node.ndim} axes", where=path)
        one, none = [1.0] * node.ndim, [0.0] * node.ndim
        return node, axes, one, none, [""] * node.ndim
    scales = _attributes(node).get("multiscales")
    if not scales:
        held = ", ".join(sorted(name for name, _ in node.members())[:5])
        raise InputError(
            "the group is no OME-Zarr image", where=path,
            hint=f"Open one of what it holds: {held}" if held else "It is empty",
        )  # fmt: skip
    image = scales[0]
    level = image["datasets"][0]
    array = node[level["path"]]
    listed = image.get("axes") or ["t", "c", "z", "y", "x"][-array.ndim :]
    axes = [axis if isinstance(axis, str) else str(axis["name"]) for axis in listed]
    units = ["" if isinstance(axis, str) else str(axis.get("unit", "")) for axis in listed]
    if len(axes) != array.ndim:
        raise InputError(f"{len(axes)} axes are named, the array has {array.ndim}", where=path)
    scale, translation = np.ones(array.ndim), np.zeros(array.ndim)
    # First the level's own transformations, then those of the image.
    for step in (*level.get("coordinateTransformations", ()),
                 *image.get("coordinateTransformations", ())):  # fmt: skip
        if step.get("type") == "scale":
            scale = scale * np.array(step["scale"], float)
            translation = translation * np.array(step["scale"], float)
        elif step.get("type") == "translation":
            translation = translation + np.array(step["translation"], float)
    if not (np.isfinite(scale).all() and (scale > 0).all() and np.isfinite(translation).all()):
        raise InputError(f"the scale of the image is {scale.tolist()}", where=path)
    return array, axes, scale.tolist(), translation.tolist(), units


def _sorted_axes(
    array: Any, axes: list[str], how: How, path: Path
) -> tuple[list[int], int | None, dict[int, int]]:
    """The axes (z, y, x) or (y, x), that of the channels, and the index of all others."""
    if np.dtype(array.dtype).kind not in "iufb":
        raise InputError(f"images of {array.dtype} values can't be used", where=path)
    if 0 in array.shape:
        raise InputError(f"the image is empty: {array.shape}", where=path)
    names = [axis.lower() for axis in axes]
    spatial = [names.index(name) for name in ("z", "y", "x") if name in names]
    if len(spatial) < 2 or "x" not in names or "y" not in names:
        raise InputError(f"the axes are {', '.join(axes)}; x and y are needed", where=path)
    channel, fixed = None, {}
    for place, name in enumerate(names):
        if place in spatial:
            continue
        count = int(array.shape[place])
        if name == "c" and 1 < count <= _MOST_CHANNELS:
            channel = place
        elif count == 1:
            fixed[place] = 0
        elif name == "t" and how.part.isdigit() and int(how.part) < count:
            fixed[place] = int(how.part)
        elif name == "t":
            raise InputError(
                f"the image has {count} times", where=path,
                hint=f"Choose one by --volume 0 to {count - 1}, or in the column part of a cohort",
            )  # fmt: skip
        else:
            raise InputError(
                f"the image has {count} steps along its axis {name}", where=path,
                hint="Save one of them as an image of its own",
            )  # fmt: skip
    return spatial, channel, fixed
