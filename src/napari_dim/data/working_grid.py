"""The working grid: slices of any size and spacing on one pixel size, aspect kept.

In-plane only: every slice is resampled so that a pixel of the network is the same length in
every case. Pictures have no length; their longer sides are taken to show as much.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from napari_dim.data.turning import AS_IT_IS, Directions, Turn, turn_towards
from napari_dim.volume import Volume

CHUNK = 8
"""Slices that are read at once."""
LONGEST = 8192
"""Pixels along a side of a slice that a network could ever see."""
NEARLY = 1.25
"""A side that is at most so many times the patch's is looked at as a whole."""
MULTIPLE = 16
"""The networks halve a slice four times."""


@dataclass(frozen=True)
class WorkingGrid:
    """Pixel size and patch of the network.

    Attributes
    ----------
    pixel
        Side of a pixel in mm.
    side
        Pixels along the longer side of a slice without a physical size.
    patch
        (rows, columns) of a training patch.
    largest
        No slice is shown to the network with more pixels along a side.
    focus
        Where the labelled structures lie: (rows, columns) from the middle of a slice; None
        where that isn't known, or a patch can't hold it.
    directions
        How rows and columns of the network run in the patient; None: as each scan's own.
    """

    pixel: float
    side: int
    patch: tuple[int, int]
    largest: int
    focus: tuple[int, int] | None = None
    directions: Directions | None = None

    @classmethod
    def fit(
        cls,
        volumes: Sequence[Volume],
        *,
        min_size: int,
        max_size: int,
        directions: Directions | None = None,
    ) -> Self:
        """The working grid for a set of volumes.

        The median in-plane spacing, enlarged or reduced so that the median longer side lies
        between `min_size` and `max_size` pixels. Nothing is enlarged more than twice.
        """
        pixels: list[float] = []
        sides: list[float] = []
        for volume in volumes:
            _, rows, columns = volume.array.shape[:3]
            _, row, column = volume.spacing
            if volume.grid.unit == "mm":
                pixels.append(float(np.sqrt(row * column)))
                sides.append(max(rows * row, columns * column))
            else:
                sides.append(max(rows, columns))
        pixel = float(np.median(pixels)) if pixels else 1.0
        side = float(np.median(sides)) / pixel
        wanted = float(np.clip(side, min(min_size, 2 * side), max_size))
        pixel *= side / wanted
        grid = cls(pixel, round(wanted), (MULTIPLE, MULTIPLE), 2 * max_size, None, directions)
        shapes = np.array([grid.shape(volume) for volume in volumes])
        size = np.quantile(shapes, 0.9, axis=0, method="lower")
        patch = np.minimum(-(-size // MULTIPLE) * MULTIPLE, -(-max_size // MULTIPLE) * MULTIPLE)
        # A network that has halved all to one pixel has nothing left to normalise over.
        columns = max(int(patch[1]), 2 * MULTIPLE if patch[0] == MULTIPLE else MULTIPLE)
        return cls(pixel, round(wanted), (int(patch[0]), columns), 2 * max_size, None, directions)

    def shape(self, volume: Volume) -> tuple[int, int]:
        """Rows and columns of a volume's slices on the working grid."""
        _, rows, columns = volume.array.shape[:3]
        if volume.grid.unit == "mm":
            _, row, column = volume.spacing
            size = np.array([rows * row, columns * column]) / self.pixel
        else:
            size = np.array([rows, columns]) * (self.side / max(rows, columns))
        if self.turn(volume).exchanged:
            size = size[::-1]
        size = size * min(1.0, self.largest / size.max())
        return max(1, round(float(size[0]))), max(1, round(float(size[1])))

    def turn(self, volume: Volume) -> Turn:
        """How a volume's slices are turned before the network sees them."""
        return turn_towards(volume, self.directions)

    def window(self, size: tuple[int, int]) -> tuple[slice, slice]:
        """The rows and columns of a slice of this size in which the structures are looked for.

        All of them, but where a side is much longer than the patch's (`NEARLY`) and `focus`
        is known: then as many as the patch has, around the focus.
        """
        if self.focus is None:
            return slice(0, size[0]), slice(0, size[1])
        rows, columns = (
            _around(length, side, apart)
            for length, side, apart in zip(size, self.patch, self.focus, strict=True)
        )
        return rows, columns

    def is_wide(self, size: tuple[int, int]) -> bool:
        """Whether slices of this size are looked at in a `window`."""
        return self.window(size) != (slice(0, size[0]), slice(0, size[1]))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for the run folder."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The inverse of `to_dict`.

        Raises
        ------
        KeyError, TypeError, ValueError
            If the values are not those of a grid.
        """
        rows, columns = (int(n) for n in values["patch"])
        focus = values.get("focus")  # those of before it was known look at the whole
        if focus is not None:
            down, right = (int(n) for n in focus)
            focus = down, right
            if max(abs(down), abs(right)) > LONGEST:
                raise ValueError("the focus is out of all proportion")
        way = values.get("directions")
        if way is not None:
            axes = np.asarray(way, dtype=float)
            if axes.shape != (2, 3) or not np.isfinite(axes).all() or np.abs(axes).max() > 1.001:
                raise ValueError("the directions are no unit vectors")
            (a, b, c), (d, e, f) = axes.tolist()
            way = (a, b, c), (d, e, f)
        pixel, side, largest = (values[name] for name in ("pixel", "side", "largest"))
        grid = cls(float(pixel), int(side), (rows, columns), int(largest), focus, way)
        lengths = (grid.side, rows, columns, grid.largest)
        if not 0 < grid.pixel < math.inf or not all(1 <= n <= LONGEST for n in lengths):
            raise ValueError("the working grid is out of all proportion")
        return grid


def _around(length: int, side: int, apart: int) -> slice:
    if length <= NEARLY * side:
        return slice(0, length)
    start = min(max(round((length - side) / 2 + apart), 0), length - side)
    return slice(start, start + side)


def normalised(
    volume: Volume,
    shape: tuple[int, int],
    slices: np.ndarray | None = None,
    check: Callable[[], None] | None = None,
    turn: Turn = AS_IT_IS,
) -> Tensor:
    """Slices of a volume as the network sees them.

    Each channel of a volume is clipped to its 0.5 and 99.5 % and scaled to mean 0 and
    standard deviation 1, over the whole volume, so that scanners with other units agree.

    Parameters
    ----------
    volume
        The image.
    shape
        Rows and columns wanted.
    slices
        Numbers of the slices; all by default.
    check
        Called after every few slices; what it raises ends the work.
    turn
        How they are turned first.

    Returns
    -------
    Tensor
        ``(slice, channel, row, column)``, float16 on the CPU.
    """
    numbers = np.arange(volume.array.shape[0]) if slices is None else slices
    low, high, mean, spread = (torch.from_numpy(x)[:, None, None] for x in volume.intensities)
    whole_numbers = np.issubdtype(volume.array.dtype, np.integer)
    out = torch.empty(len(numbers), volume.channels, *shape, dtype=torch.float16)
    for start in range(0, len(numbers), CHUNK):  # a few slices at a time bound the memory
        planes = np.stack(
            [volume.array[n] for n in numbers[start : start + CHUNK]],
            dtype=np.float32,
            casting="unsafe",
        )
        x = torch.from_numpy(planes.reshape(*planes.shape[:3], -1)).movedim(-1, 1)
        x = turn.to(x).contiguous()
        x.clamp_(low, high)
        if not whole_numbers:
            x = torch.where(x.isnan(), mean, x)
        # Scaling after resampling is the same, and there are fewer pixels then.
        x = resized(x, shape).sub_(mean).div_(spread).nan_to_num_()
        out[start : start + CHUNK] = x
        if check is not None:
            check()
    return out


def resized(x: Tensor, shape: tuple[int, int]) -> Tensor:
    """``(batch, channel, row, column)`` resampled to `shape`, smoothed where it shrinks."""
    if tuple(x.shape[-2:]) == tuple(shape):
        return x
    return F.interpolate(x, size=shape, mode="bilinear", antialias=True, align_corners=False)


def padded(x: Tensor) -> Tensor:
    """`x` with its last rows and columns repeated up to a multiple of `MULTIPLE`.

    Never to one `MULTIPLE` both ways: the network needs two pixels where it sees the least.
    """
    rows, columns = x.shape[-2:]
    bottom, right = -rows % MULTIPLE, -columns % MULTIPLE
    if rows + bottom == columns + right == MULTIPLE:
        right += MULTIPLE
    if not bottom and not right:
        return x
    return F.pad(x, (0, right, 0, bottom), mode="replicate")
