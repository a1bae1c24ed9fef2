"""Surfaces of classes as STL: marching cubes in mm, in the patient's own coordinates.

The points are in LPS+ (x to the left, y to the back, z to the head), as DICOM, ITK and 3D
Slicer take STL files; the normals point outwards. STL knows neither classes nor colours nor
units: one file holds one class.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from napari_dim.errors import InputError
from napari_dim.io.atomic import atomic_path
from napari_dim.io.labels import LabelClass, as_labels, classes_in
from napari_dim.volume import Placed

_TRIANGLE = np.dtype([("normal", "<f4", 3), ("points", "<f4", (3, 3)), ("attributes", "<u2")])
_TO_LPS = np.array([-1.0, -1.0, 1.0])
_FACTOR, _FACTOR_BACK, _PASSES = 0.6, -0.62, 20
"""Taubin's smoothing: a step out of the noise and a slightly longer one back."""


def surface(
    inside: np.ndarray, affine: np.ndarray, *, smooth: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """The closed surface around voxels.

    Parameters
    ----------
    inside
        Boolean, ``(slice, row, column)``; not empty.
    affine
        4 x 4: array index -> position, RAS+, in mm.
    smooth
        Round off the stairs of the voxels (Taubin: the volume is kept within about 1 %).

    Returns
    -------
    points, triangles
        ``(n, 3)`` in LPS+ mm; ``(m, 3)`` places in `points`, counter-clockwise from outside.
    """
    from skimage.measure import marching_cubes

    # Only the box around the class, with a rim of background that closes the surface.
    where = np.nonzero(inside)
    low = np.array([axis.min() for axis in where])
    high = np.array([axis.max() for axis in where]) + 1
    box = inside[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    points, triangles, _, _ = marching_cubes(np.pad(box, 1).astype(np.float32), 0.5)
    points = points.astype(np.float64) - 1 + low
    points = (points @ affine[:3, :3].T + affine[:3, 3]) * _TO_LPS
    if smooth:
        points = _smoothed(points, triangles)
    if enclosed(points, triangles) < 0:
        triangles = triangles[:, ::-1]
    return points, triangles


def enclosed(points: np.ndarray, triangles: np.ndarray) -> float:
    """The volume that a closed surface encloses, in mm³; negative if it is inside out."""
    a, b, c = (points[triangles[:, corner]] for corner in range(3))
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6)


def write_surfaces(
    path: Path,
    mask: np.ndarray,
    volume: Placed,
    classes: Sequence[LabelClass] = (),
    *,
    smooth: bool = False,
) -> list[Path]:
    """Write the surface of each class of a mask, each file whole or not at all.

    Parameters
    ----------
    path
        Ends with ``.stl``. One class is written there; several to files beside it, with the
        name of the class: ``liver.stl`` gives ``liver_left.stl`` and ``liver_right.stl``.
    mask, volume, classes
        As in `napari_dim.io.write_mask`.
    smooth
        Round off the stairs of the voxels.

    Returns
    -------
    list of pathlib.Path
        The files, by class id.

    Raises
    ------
    InputError
        If there is nothing to write, or it can't be written.
    """
    if volume.grid.unit != "mm":
        raise InputError(
            "a picture without a physical size has no surface", where=path, hint="Save it as PNG"
        )
    labels = as_labels(mask, where=path)
    found = classes_in(labels, classes)
    if not found:
        raise InputError("the mask is empty: there is no surface to write", where=path)
    written = []
    for item, name in zip(found, _names(path, found), strict=True):
        points, triangles = surface(labels == item.id, volume.grid.affine, smooth=smooth)
        written.append(_write(name, points, triangles))
    return written


def write_smooth_surfaces(
    path: Path, mask: np.ndarray, volume: Placed, classes: Sequence[LabelClass] = ()
) -> list[Path]:
    """As `write_surfaces`, smoothed."""
    return write_surfaces(path, mask, volume, classes, smooth=True)


def _names(path: Path, classes: Sequence[LabelClass]) -> list[Path]:
    if len(classes) == 1:
        return [path]
    names: list[Path] = []
    for item in classes:
        label = "".join(c if c.isalnum() or c in "-_" else "-" for c in item.label)
        name = path.with_name(f"{path.stem}_{label}{path.suffix}")
        # Two classes may have one name; case alone doesn't tell files apart on every disk.
        if name.name.lower() in {other.name.lower() for other in names}:
            name = path.with_name(f"{path.stem}_{label}_{item.id}{path.suffix}")
        names.append(name)
    return names


def _write(path: Path, points: np.ndarray, triangles: np.ndarray) -> Path:
    """Binary STL: 80 bytes of header, the number of triangles, 50 bytes each."""
    table = np.zeros(len(triangles), _TRIANGLE)
    corners = points[triangles]
    table["points"] = corners
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    table["normal"] = normals / np.where(lengths > 0, lengths, 1)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        # "solid" at the start would make programs take the file for a text one.
        file.write(b"binary STL, mm, SPACE=LPS".ljust(80))
        file.write(np.uint32(len(table)).astype("<u4").tobytes())
        file.write(table.tobytes())
    return path


def read_stl(path: Path) -> np.ndarray:
    """The triangles of a binary STL file, ``(n, 3, 3)`` float32: corner, coordinate.

    Raises
    ------
    InputError
        If it is none.
    """
    try:
        held = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"the file can't be read: {error.strerror}", where=path) from error
    count = int.from_bytes(held[80:84], "little")
    if len(held) != 84 + count * _TRIANGLE.itemsize:
        raise InputError("this is not a whole binary STL file", where=path)
    points: np.ndarray = np.frombuffer(held, _TRIANGLE, offset=84)["points"]
    return points


def _smoothed(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Taubin's smoothing over the edges of the triangles."""
    from scipy.sparse import coo_matrix, diags

    pairs = np.concatenate([triangles[:, [a, b]] for a, b in ((0, 1), (1, 2), (2, 0))])
    ends = np.concatenate([pairs, pairs[:, ::-1]])
    size = len(points)
    edges = coo_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), (size, size)).tocsr()
    edges.data[:] = 1.0  # an edge has two triangles, and counts once
    count = np.asarray(edges.sum(1)).ravel()
    mean = diags(1 / np.maximum(count, 1)) @ edges
    for _ in range(_PASSES):
        for factor in (_FACTOR, _FACTOR_BACK):
            points = points + factor * (mean @ points - points)
    return points
