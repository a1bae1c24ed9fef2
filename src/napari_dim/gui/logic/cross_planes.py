"""The planes of a scan's voxel grid: which way each is shown, and how it lies on the screen.

Shown as a radiologist reads them wherever the patient's axes are known: head up, the patient's
right on the left, and in sagittal planes the front on the left.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import nibabel as nib
import numpy as np

from napari_dim.volume import PLANES

OPPOSITE = dict(zip("RLAPSI", "LRPAIS", strict=True))
OBLIQUE = 1.0
"""Degrees from which on planes of the grid are called oblique."""
_TOP, _LEFT = "SA", "RA"
_UNNAMED = ("Slice", "Row", "Column")


@dataclass(frozen=True)
class CrossPlane:
    """One family of planes of a grid ``(slice, row, column)``.

    Places in a plane are ``(down, right)`` from its upper left pixel, whose middle is (0, 0).

    Attributes
    ----------
    title
        What the plane is called.
    along
        The array axis that its planes are counted along.
    axes
        The array axes shown from top to bottom and from left to right.
    flips
        Whether indices run against these directions.
    shape
        Pixels from top to bottom and from left to right.
    spacing
        How far apart these are, in any one unit.
    edges
        Letters of the patient's sides at the top, bottom, left and right; empty if unknown.
    """

    title: str
    along: int
    axes: tuple[int, int]
    flips: tuple[bool, bool]
    shape: tuple[int, int]
    spacing: tuple[float, float]
    edges: str = ""

    def place(self, at: tuple[float, ...]) -> np.ndarray:
        """Where in the plane an array index ``(slice, row, column)`` lies."""
        return self._flipped(np.array([at[axis] for axis in self.axes], float))

    def voxel(self, number: float, place: np.ndarray) -> np.ndarray:
        """The array index ``(slice, row, column)`` of a place in plane `number`; not rounded."""
        at = np.full(3, float(number))
        at[list(self.axes)] = self._flipped(np.asarray(place, float))
        return at

    def voxels(self, number: int, there: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Indices along each array axis of pixels of plane `number`, ``(down, right)`` bool."""
        lines = np.nonzero(there)
        found = [np.full(lines[0].size, number)] * 3
        for axis, flip, size, line in zip(self.axes, self.flips, self.shape, lines, strict=True):
            found[axis] = size - 1 - line if flip else line
        return found[0], found[1], found[2]

    def cut(self, array: np.ndarray, number: int) -> np.ndarray:
        """Plane `number` of ``(slice, row, column[, channel])``, as it is shown; a view."""
        plane = np.moveaxis(array, self.along, 0)[number]
        if self.axes[0] > self.axes[1]:
            plane = np.swapaxes(plane, 0, 1)
        steps = tuple(slice(None, None, -1 if flip else None) for flip in self.flips)
        return np.asarray(plane[steps])

    def _flipped(self, place: np.ndarray) -> np.ndarray:
        return np.where(self.flips, np.array(self.shape) - 1 - place, place)


def cross_planes(
    shape: tuple[int, int, int], spacing: tuple[float, float, float], codes: str = ""
) -> tuple[CrossPlane, CrossPlane, CrossPlane]:
    """The planes of a grid, by the array axis that they are counted along.

    Parameters
    ----------
    shape, spacing
        Of the grid ``(slice, row, column)``.
    codes
        To which of the patient's sides each axis runs, as ``"IPL"``; empty where unknown.
    """

    def plane(along: int) -> CrossPlane:
        one, other = (axis for axis in range(3) if axis != along)
        if not codes:
            # As napari shows them: indices run down and to the right.
            title, down, right, flips, edges = _UNNAMED[along], one, other, (False, False), ""
        else:
            title = _title(codes[along])
            # Head or, in axial planes, front is up.
            down, right = sorted((one, other), key=lambda axis: "SIAPRL".index(codes[axis]) // 2)
            flips = codes[down] in _TOP, codes[right] in _LEFT
            edges = edge_letters(codes, down, right, *(not flip for flip in flips))
        return CrossPlane(
            title,
            along,
            (down, right),
            flips,
            (shape[down], shape[right]),
            (spacing[down], spacing[right]),
            edges,
        )

    return plane(0), plane(1), plane(2)


def edge_letters(codes: str, down: int, right: int, along_down: bool, along_right: bool) -> str:
    """The patient's sides at the top, bottom, left and right of a view.

    Parameters
    ----------
    codes
        To which side each array axis runs.
    down, right
        The array axes that are shown.
    along_down, along_right
        Whether indices grow downwards and to the right.
    """
    bottom, side = codes[down], codes[right]
    bottom = bottom if along_down else OPPOSITE[bottom]
    side = side if along_right else OPPOSITE[side]
    return OPPOSITE[bottom] + bottom + OPPOSITE[side] + side


def patient_codes(affine: np.ndarray) -> tuple[str, float]:
    """To which of the patient's sides the array's axes run, and by how much they lie askew.

    Parameters
    ----------
    affine
        4 x 4: array index -> position, RAS+.

    Returns
    -------
    str, float
        As ``"IPL"``, and the largest angle between an axis and the patient's, in degrees.
    """
    codes = "".join(nib.orientations.aff2axcodes(affine))
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    nearest = np.abs(directions).max(axis=0).min()
    return codes, float(np.degrees(np.arccos(min(1.0, nearest))))


@dataclass(frozen=True)
class Glass:
    """How a plane lies on a piece of the screen.

    Attributes
    ----------
    plane
        The plane.
    size
        Height and width of the piece, in pixels of the screen.
    zoom
        Pixels of the screen per unit of `CrossPlane.spacing`.
    middle
        The place in the plane that is in its middle.
    """

    plane: CrossPlane
    size: tuple[int, int]
    zoom: float
    middle: tuple[float, float]

    @classmethod
    def fitted(cls, plane: CrossPlane, size: tuple[int, int]) -> Glass:
        """The whole plane, as large as it can be."""
        middle = ((plane.shape[0] - 1) / 2, (plane.shape[1] - 1) / 2)
        whole = np.array(plane.shape) * plane.spacing
        return cls(plane, size, float((np.array(size) / whole).min()), middle)

    @property
    def steps(self) -> np.ndarray:
        """Pixels of the screen for each pixel of the plane, down and right."""
        return np.array(self.plane.spacing) * self.zoom

    def to_screen(self, place: np.ndarray) -> np.ndarray:
        """Where a place in the plane is seen, ``(down, right)``."""
        away = (np.asarray(place, float) - self.middle) * self.steps
        return np.asarray(away + np.array(self.size) / 2)

    def to_plane(self, seen: np.ndarray) -> np.ndarray:
        """The place in the plane that is seen at ``(down, right)``."""
        away = (np.asarray(seen, float) - np.array(self.size) / 2) / self.steps
        return np.asarray(away + self.middle)

    def pixels(self, axis: int) -> tuple[int, np.ndarray]:
        """Which pixel of the plane each line of the screen shows, 0 down or 1 to the right.

        Returns
        -------
        int, (n,) int
            The first line on which anything is seen, and the pixels of it and the next ones.
        """
        lines = np.arange(self.size[axis]) + 0.5
        step, middle = self.steps[axis], self.middle[axis]
        seen = np.floor((lines - self.size[axis] / 2) / step + middle + 0.5).astype(int)
        inside = np.flatnonzero((seen >= 0) & (seen < self.plane.shape[axis]))
        return (int(inside[0]), seen[inside]) if inside.size else (0, seen[:0])

    def nearer(self, times: float, seen: np.ndarray) -> Glass:
        """Come nearer; what is seen at a place stays there. The whole plane is the furthest."""
        whole = Glass.fitted(self.plane, self.size)
        if self.zoom * times <= whole.zoom:
            return whole
        held = self.to_plane(seen)
        moved = replace(self, zoom=self.zoom * times)
        return replace(moved, middle=_pair(held - (moved.to_plane(seen) - moved.middle)))

    def moved(self, by: np.ndarray) -> Glass:
        """Move the plane by pixels of the screen, ``(down, right)``; some of it stays in sight."""
        middle = np.array(self.middle) - np.asarray(by, float) / self.steps
        return replace(self, middle=_pair(np.clip(middle, 0, np.array(self.plane.shape) - 1)))

    def resized(self, size: tuple[int, int]) -> Glass:
        """The same on a larger or smaller piece; the whole plane stays whole."""
        if self == Glass.fitted(self.plane, self.size):
            return Glass.fitted(self.plane, size)
        return replace(self, size=size)


def _title(code: str) -> str:
    return next(name for name, letters in PLANES.items() if code in letters).capitalize()


def _pair(values: np.ndarray) -> tuple[float, float]:
    return float(values[0]), float(values[1])
