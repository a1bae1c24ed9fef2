"""Masks and images to OME-Zarr, block by block: groups appear whole or not at all.

A group is written beside its place under a hidden name, and renamed once it is whole. A mask
named ``IMAGE.zarr/labels/NAME`` becomes one of the labels of that image.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from napari_dim.errors import InputError
from napari_dim.io.labels import LabelClass, as_labels, classes_in
from napari_dim.io.zarr.zarr_reader import is_zarr
from napari_dim.volume import Grid, Placed, Volume

DEEP, WIDE = 8, 512
"""Slices in a chunk, and its most rows and columns."""

_OBLIQUE = 1e-4  # Cosine above which an axis is not along one of the patient's.
_NEW = 2  # Version of Zarr of a group that is nobody's labels: every program reads it.


class ZarrMask:
    """A mask ``(slice, row, column)`` on the disk: set and read by ranges of slices.

    Neighbouring blocks are put together until they fill chunks.
    """

    def __init__(self, array: Any, grid: Grid) -> None:
        self._array = array
        self._axes, self._flips = stored_axes(grid)
        self.shape = grid.shape
        self.dtype = np.dtype(array.dtype)
        self._start = 0
        self._waiting: list[np.ndarray] = []

    def __len__(self) -> int:
        return self.shape[0]

    def __setitem__(self, where: slice, block: np.ndarray) -> None:
        start, end, _ = where.indices(len(self))
        if not self._waiting or start != self._end:
            self.flush()
            self._start = start
        self._waiting.append(np.asarray(block, self.dtype).reshape(end - start, *self.shape[1:]))
        whole = self._end // DEEP * DEEP
        if whole > self._start:
            self._put_down(whole)

    def __getitem__(self, where: slice) -> np.ndarray:
        self.flush()
        start, end, _ = where.indices(len(self))
        found = np.asarray(self._array[self._region(start, end)])
        return np.flip(np.transpose(found, self._axes), self._flips)

    @property
    def _end(self) -> int:
        return self._start + sum(len(block) for block in self._waiting)

    def flush(self) -> None:
        """Write what waits for the rest of its chunk."""
        if self._waiting:
            self._put_down(self._end)

    def _put_down(self, end: int) -> None:
        block = np.concatenate(self._waiting)
        count = end - self._start
        back = np.argsort(self._axes)
        stored = np.transpose(np.flip(block[:count], self._flips), back)
        self._array[self._region(self._start, end)] = np.ascontiguousarray(stored)
        self._waiting = [block[count:].copy()] if count < len(block) else []
        self._start = end

    def _region(self, start: int, end: int) -> tuple[slice, ...]:
        where = [slice(None)] * 3
        if 0 in self._flips:
            start, end = len(self) - end, len(self) - start
        where[self._axes[0]] = slice(start, end)
        return tuple(where)


@contextmanager
def zarr_mask(
    path: Path, volume: Placed, dtype: np.dtype[Any], classes: Sequence[LabelClass] = ()
) -> Iterator[ZarrMask]:
    """A mask that is written block by block; it is there when the block is left without error.

    Parameters
    ----------
    path
        ``IMAGE.zarr/labels/NAME``, or a name of its own.
    volume
        The image that it lies on.
    dtype
        Of the ids, unsigned.
    classes
        Names and colours.

    Raises
    ------
    InputError
        If the image lies obliquely, something else is at `path`, or it can't be written.
    """
    path = Path(path)
    inside = path.parent.name == "labels" and is_zarr(path.parent.parent)
    version = _version_of(path.parent.parent) if inside else _NEW
    ome: dict[str, Any] = {
        "image-label": {
            "version": _ngff(version),
            "colors": [{"label-value": item.id, "rgba": [*item.rgb, 255]} for item in classes],
            "properties": [{"label-value": item.id, "class": item.label} for item in classes],
        }
    }
    if inside:
        ome["image-label"]["source"] = {"image": "../../"}
    with _new_group(path, version) as group:
        array = _array(group, volume.grid, np.dtype(dtype), ome, path.name)
        mask = ZarrMask(array, volume.grid)
        yield mask
        mask.flush()
    if inside:
        _register(path, version)


def write_zarr_mask(
    path: Path, mask: np.ndarray, volume: Placed, classes: Sequence[LabelClass] = ()
) -> Path:
    """Write a mask as OME-Zarr labels; see `napari_dim.io.write_mask`."""
    labels = as_labels(mask, where=path)
    known = {item.id: item for item in (*classes, *classes_in(labels, classes)) if item.id > 0}
    items = [known[class_id] for class_id in sorted(known)]
    with zarr_mask(path, volume, labels.dtype, items) as out:
        for start in range(0, len(labels), DEEP):
            out[start : start + DEEP] = labels[start : start + DEEP]
    return Path(path)


def write_zarr(path: Path, volume: Volume) -> Path:
    """Write an image as OME-Zarr, a few slices at a time, whole or not at all.

    Raises
    ------
    InputError
        As `zarr_mask`.
    """
    channels = volume.channels if volume.array.ndim == 4 else 0
    with _new_group(Path(path), _NEW) as group:
        dtype = np.dtype(volume.array.dtype)
        array = _array(group, volume.grid, dtype, {}, Path(path).name, channels)
        for channel in range(max(1, channels)):
            one = _Channel(array, channel) if channels else array
            out = ZarrMask(one, volume.grid)
            for start in range(0, volume.array.shape[0], DEEP):
                block = np.asarray(volume.array[start : start + DEEP])
                out[start : start + DEEP] = block[..., channel] if channels else block
            out.flush()
    return Path(path)


class _Channel:
    """One channel of an array (channel, z, y, x)."""

    def __init__(self, array: Any, channel: int) -> None:
        self._array, self._channel = array, channel
        self.dtype = array.dtype

    def __setitem__(self, where: tuple[slice, ...], block: np.ndarray) -> None:
        self._array[(self._channel, *where)] = block


def check_place(path: Path, volume: Placed) -> None:
    """Refuse what has no place in OME-Zarr.

    Raises
    ------
    InputError
        If it lies obliquely.
    """
    try:
        stored_axes(volume.grid)
    except InputError as error:
        raise InputError(error.problem, where=path, hint=error.hint) from None


def stored_axes(grid: Grid) -> tuple[tuple[int, int, int], tuple[int, ...]]:
    """For each array axis (slice, row, column) its axis of (z, y, x), and those to flip.

    Raises
    ------
    InputError
        If the grid lies obliquely: OME-Zarr knows scale and translation alone.
    """
    directions = grid.affine[:3, :3] / np.asarray(grid.spacing)
    axes, flips = [], []
    for axis in range(3):
        world = int(np.abs(directions[:, axis]).argmax())
        rest = np.delete(directions[:, axis], world)
        if np.abs(rest).max() > _OBLIQUE:
            raise InputError(
                "OME-Zarr has no place for an oblique orientation",
                hint="Save it as NIfTI or NRRD",
            )
        axes.append(2 - world)
        # Stored: x to the left, y to the back, z to the head; the affine is RAS+.
        if (directions[world, axis] > 0) != (world == 2):
            flips.append(axis)
    if len(set(axes)) != 3:
        raise InputError("OME-Zarr has no place for this orientation")
    return (axes[0], axes[1], axes[2]), tuple(flips)


def _array(
    group: Any, grid: Grid, dtype: np.dtype[Any], ome: dict[str, Any], name: str, channels: int = 0
) -> Any:
    """The array of a new group, with OME's description of it."""
    axes, flips = stored_axes(grid)
    shape, chunks, scale = [0] * 3, [0] * 3, [0.0] * 3
    for here, there in enumerate(axes):
        shape[there] = grid.shape[here]
        chunks[there] = min(grid.shape[here], DEEP if here == 0 else WIDE)
        scale[there] = grid.spacing[here]
    first = [grid.shape[axis] - 1 if axis in flips else 0 for axis in range(3)]
    x, y, z = (grid.affine @ (*first, 1))[:3] * (-1, -1, 1)
    unit = {"unit": "millimeter"} if grid.unit == "mm" else {}
    described: list[dict[str, Any]] = [{"name": n, "type": "space", **unit} for n in "zyx"]
    scale, translation = list(scale), [float(z), float(y), float(x)]
    if channels:
        shape, chunks = [channels, *shape], [1, *chunks]
        scale, translation = [1.0, *scale], [0.0, *translation]
        described = [{"name": "c", "type": "channel"}, *described]
    version = int(group.metadata.zarr_format)
    how: dict[str, Any] = {"dimension_names": [axis["name"] for axis in described]}
    if version == 2:
        how = {"chunk_key_encoding": {"name": "v2", "separator": "/"}}
    array = group.create_array(
        "0", shape=tuple(shape), chunks=tuple(chunks), dtype=dtype, fill_value=0, **how
    )
    multiscale = {
        "name": name,
        "axes": described,
        "datasets": [
            {
                "path": "0",
                "coordinateTransformations": [
                    {"type": "scale", "scale": scale},
                    {"type": "translation", "translation": translation},
                ],
            }
        ],
    }
    if version == 2:
        group.attrs.update({"multiscales": [{"version": "0.4", **multiscale}], **ome})
    else:
        group.attrs.update({"ome": {"version": "0.5", "multiscales": [multiscale], **ome}})
    return array


@contextmanager
def _new_group(path: Path, version: int) -> Iterator[Any]:
    """A group under a hidden name; it takes its place when the block is left without error."""
    try:
        import zarr
    except ImportError as error:
        raise InputError(
            "Zarr needs the package zarr", where=path,
            hint='Install it with: pip install "napari-dim[large]"',
        ) from error  # fmt: skip
    if path.exists() and not is_zarr(path):
        raise InputError("something else is there already", where=path, hint="Give another name")
    labels = path.parent.name == "labels" and is_zarr(path.parent.parent)
    if labels:
        path.parent.mkdir(exist_ok=True)
    if not path.parent.is_dir():
        raise InputError("the store can't be written: its folder is not there", where=path)
    temporary = path.with_name(f".{secrets.token_hex(6)}.{path.name[-60:]}")
    old = path.with_name(f".{secrets.token_hex(6)}.old")
    try:
        yield zarr.open_group(str(temporary), mode="w-", zarr_format=version)  # type: ignore[arg-type]
        if path.exists():
            path.rename(old)
        try:
            temporary.rename(path)
        except OSError:
            with suppress(OSError):
                old.rename(path)
            raise
    except OSError as error:
        raise InputError(
            f"the store can't be written: {error.strerror or error}", where=path,
            hint="Check that the folder exists, may be written to, and has space left",
        ) from error  # fmt: skip
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _register(path: Path, version: int) -> None:
    """Name new labels in the list of their image's labels."""
    import zarr

    with zarr_errors(path):
        group = zarr.open_group(str(path.parent), mode="a", zarr_format=version)  # type: ignore[arg-type]
        attributes = dict(group.attrs)
        ome = dict(attributes.get("ome", {})) if version == 3 else attributes
        names = [*ome.get("labels", ())]
        if path.name not in names:
            names.append(path.name)
        if version == 3:
            group.attrs.update({"ome": {"version": "0.5", **ome, "labels": names}})
        else:
            group.attrs.update({"labels": names})
        if (path.parent.parent / ".zmetadata").is_file():
            zarr.consolidate_metadata(str(path.parent.parent))


@contextmanager
def zarr_errors(path: Path) -> Iterator[None]:
    """Turn what the system refuses into one `InputError`."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"the store can't be written: {error.strerror or error}", where=path
        ) from error


def _version_of(path: Path) -> int:
    return 3 if (path / "zarr.json").is_file() else 2


def _ngff(version: int) -> str:
    return "0.5" if version == 3 else "0.4"
