"""Weak and strong views, for a whole batch on the device.

Weak: flips, scaling, rotation, elastic deformation, the same for image and labels.
Strong: intensities only (brightness, contrast, gamma, bias field, blur, noise), so that
labels stay aligned.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_dim.data.random_contrast import as_bright
from napari_dim.data.working_grid import NEARLY

COIL = ((3, 0.4), (10, 0.12))
"""Points along a side of a coil's brightness, and the deviation of its logarithm."""
PIECES = 8
"""Pieces of a random tone curve..."""
TONES = (-2.0, 3.0)
"""... in deviations from the mean, between which they lie..."""
SLOPE = 0.5
"""... and the deviation of the logarithm of their slopes."""


@dataclass(frozen=True)
class WeakView:
    """Limits of the geometric changes; see `config.Settings` for the units."""

    patch: tuple[int, int]
    mirror: float
    flip: float
    rotation: float
    zoom: float
    elastic: float
    focus: tuple[int, int] | None = None
    closer: float = 1.0

    def grid(
        self,
        sizes: Tensor,
        canvas: tuple[int, int],
        generator: torch.Generator,
        *,
        labelled: int = 0,
    ) -> Tensor:
        """Where each pixel of the patch looks, drawn at random.

        With a `focus`, unlabelled slices much larger than the patch are looked at around it
        (`data.working_grid.WorkingGrid.window`), up to `closer` times enlarged.

        Parameters
        ----------
        sizes
            ``(batch, 2)``: rows and columns that each slice fills, top left on the canvas.
        canvas
            Rows and columns of the stored slices.
        generator
            Source of the draws, on the device.
        labelled
            How many of the slices are labelled, these first.

        Returns
        -------
        Tensor
            ``(batch, row, column, 2)``: (row, column) positions in pixels of the canvas.
        """
        batch = len(sizes)
        device = sizes.device
        rows, columns = self.patch
        draw = torch.rand(7, batch, generator=generator, device=device)
        signed = 2 * draw - 1
        angle = signed[0] * math.radians(self.rotation)
        scale = (signed[1] * math.log1p(self.zoom)).exp()
        flip_row = torch.where(draw[2] < self.flip, -1.0, 1.0)
        flip_column = torch.where(draw[3] < self.mirror, -1.0, 1.0)
        row = torch.arange(rows, device=device) - (rows - 1) / 2
        column = torch.arange(columns, device=device) - (columns - 1) / 2
        # A slice larger than the patch is looked at anywhere, a smaller one near its middle.
        patch = _on_device(self.patch, device)
        most = (sizes - patch).clamp_min(0) / 2
        middle, room = (sizes - 1) / 2, most + 0.05 * sizes
        if self.focus is not None:
            wide = sizes > NEARLY * patch
            wide[:labelled] = False
            aside = torch.maximum(torch.minimum(_on_device(self.focus, device), most), -most)
            middle = torch.where(wide, middle + aside, middle)
            room = torch.where(wide, 0.05 * patch, room)
            nearer = torch.rand(batch, generator=generator, device=device) * math.log(self.closer)
            scale = torch.where(wide.any(1), scale * nearer.exp(), scale)
        middle = middle + signed[4:6].T * room
        cos, sin = angle.cos() / scale, angle.sin() / scale
        # What a pixel's row and column, and each coarse pull, add to the place looked at.
        down = torch.stack((cos * flip_row, sin * flip_column), -1)[:, :, None] * row
        right = torch.stack((-sin * flip_row, cos * flip_column), -1)[:, :, None] * column
        place = (down + middle[:, :, None])[..., None] + right[:, :, None]
        if self.elastic > 0:
            coarse = torch.rand(batch, 2, 6, 6, generator=generator, device=device) * 2 - 1
            place += _spread(coarse * (self.elastic * columns), self.patch)
        return place.movedim(1, -1)


def look(images: Tensor, place: Tensor, sizes: Tensor) -> Tensor:
    """Images at the positions of a weak view; beyond a slice its edge is repeated."""
    return F.grid_sample(
        images,
        _unit(_inside(place, sizes), images),
        mode="bilinear",
        padding_mode="border",
        align_corners=True,
    )


def look_labels(labels: Tensor, place: Tensor, sizes: Tensor) -> Tensor:
    """Class indices at the positions of a weak view, -1 where there is no target.

    Beyond a slice its edge is repeated, as `look` does with the image: a border without
    targets would be marked by a network that was never told what lies there.

    Parameters
    ----------
    labels
        ``(batch, row, column)``: class index + 1, 0 for none.
    """
    nearest = F.grid_sample(
        labels[:, None].float(),
        _unit(_inside(place, sizes), labels),
        mode="nearest",
        padding_mode="border",
        align_corners=True,
    )[:, 0]
    return nearest.round().long() - 1


def _inside(place: Tensor, sizes: Tensor) -> Tensor:
    """The nearest position on the slice."""
    return torch.minimum(place.clamp_min(0), (sizes - 1)[:, None, None, :].to(place))


def _unit(place: Tensor, images: Tensor) -> Tensor:
    """Pixel positions (row, column) as grid_sample's (x, y) in [-1, 1]."""
    rows, columns = images.shape[-2:]
    x = place[..., 1] * (2 / max(columns - 1, 1)) - 1
    y = place[..., 0] * (2 / max(rows - 1, 1)) - 1
    return torch.stack((x, y), -1)


def random_tones(x: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """`x`, a share of its slices as another scanner's coil and sequence may show them.

    First the brightness of an uneven coil: a smooth random field, strong and coarse, and a
    finer, weaker one. Then a random tone curve that never falls: what is brighter stays
    brighter, but a dark organ beside bright fat may have a sliver of the range, or most of it.
    Mean and deviation are those of before.

    Parameters
    ----------
    x
        ``(batch, channel, row, column)``, mean about 0, deviation about 1.
    share
        Of the slices, in [0, 1]. 0 draws nothing and returns `x`.
    generator
        Source of the draws, on the device.
    """
    if share <= 0:
        return x
    batch, device = len(x), x.device
    chosen = torch.rand(batch, 1, 1, 1, generator=generator, device=device) < share
    size = int(x.shape[-2]), int(x.shape[-1])
    field = torch.zeros(batch, 1, *size, device=device)
    for points, amount in COIL:
        coarse = torch.randn(batch, 1, points, points, generator=generator, device=device)
        field = field + _spread(coarse * amount, size)
    lit = as_bright((x - x.amin((1, 2, 3), keepdim=True)) * field.exp(), x)

    deviation, mean = torch.std_mean(lit, (1, 2, 3), correction=0, keepdim=True)
    tone = (lit - mean) / deviation.clamp_min(1e-6)
    slope = torch.randn(PIECES, batch, 1, 1, 1, generator=generator, device=device)
    slope = (SLOPE * slope).exp()
    low, high = TONES
    width = (high - low) / PIECES
    curved = (tone - low).clamp_max(0) * slope[0] + (tone - high).clamp_min(0) * slope[-1]
    for piece in range(PIECES):
        curved += (tone - (low + piece * width)).clamp_(0, width).mul_(slope[piece])
    return torch.where(chosen, as_bright(curved, x), x)


def strong_view(x: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """`x` with other intensities.

    Parameters
    ----------
    x
        ``(batch, channel, row, column)``, mean about 0, deviation about 1.
    strength
        0 changes nothing, 1 is the default range.
    """
    if strength <= 0:
        return x
    batch, channels = x.shape[:2]
    device = x.device
    draw = torch.rand(7, batch, 1, 1, 1, generator=generator, device=device)
    signed = (2 * draw - 1) * strength

    low = x.amin((1, 2, 3), keepdim=True)
    span = (x.amax((1, 2, 3), keepdim=True) - low).clamp_min(1e-6)
    gamma = torch.where(draw[5] < 0.7, (0.5 * signed[0]).exp(), 1.0)
    x = ((x - low) / span).clamp_(1e-6, 1).pow_(gamma)  # a new tensor: the rest is in place
    x = x.mul_(span).add_(low)

    coarse = torch.randn(batch, 1, 4, 4, generator=generator, device=device)
    field = _spread(coarse * (0.2 * signed[1].abs()), (x.shape[-2], x.shape[-1]))
    x = x.mul_(field.add_(1))

    x = x.lerp_(_blurred(x), signed[2])  # negative sharpens

    tint = torch.randn(batch, channels, 1, 1, generator=generator, device=device)
    x = x.mul_((0.4 * signed[3]).exp()).add_(0.4 * signed[4] + 0.05 * strength * tint)
    noise = torch.randn(x.shape, generator=generator, device=device)
    return x.addcmul_(noise, 0.25 * strength * draw[6].square())


def beyond(place: Tensor, sizes: Tensor) -> Tensor:
    """Where a weak view looks beyond its slice, ``(batch, row, column)``, bool."""
    last = (sizes - 1)[:, None, None, :].to(place)
    return ((place < 0) | (place > last)).any(-1)


def published_strong_view(
    x: Tensor, factors: tuple[float, float], generator: torch.Generator
) -> Tensor:
    """`x` with other brightness, contrast and sharpness, each always, as public code does.

    Values are first brought to [0, 1], and back: brightness times a factor, contrast towards
    the slice's mean times another, both cut to [0, 1], then a Gaussian blur of 0.1 to 2
    pixels whose kernel is a tenth of the slice.

    Parameters
    ----------
    x
        ``(batch, channel, row, column)``.
    factors
        Least and largest factor.
    """
    batch, channels, rows, columns = x.shape
    draw = torch.rand(3, batch, 1, 1, 1, generator=generator, device=x.device)
    low = x.amin((1, 2, 3), keepdim=True)
    span = (x.amax((1, 2, 3), keepdim=True) - low).clamp_min(1e-6)
    brighter, sharper = factors[0] + (factors[1] - factors[0]) * draw[:2]
    unit = ((x - low) / span * brighter).clamp(0, 1)
    middle = unit.mean((1, 2, 3), keepdim=True)
    unit = ((unit - middle) * sharper + middle).clamp(0, 1)
    reach = max(1, min(rows, columns) // 20)
    offset = torch.arange(-reach, reach + 1, device=x.device)
    sigma = 0.1 + 1.9 * draw[2].view(batch, 1)
    kernel = torch.exp(-((offset / sigma) ** 2) / 2)
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(channels, 0)
    planes = F.pad(unit.reshape(1, -1, rows, columns), (reach,) * 4, mode="reflect")
    planes = F.conv2d(planes, kernel[:, None, :, None], groups=batch * channels)
    planes = F.conv2d(planes, kernel[:, None, None, :], groups=batch * channels)
    blurred: Tensor = planes.view(x.shape) * span + low
    return blurred


def _spread(coarse: Tensor, size: tuple[int, int]) -> Tensor:
    """A coarse field on a fine grid, bicubic, corners aligned."""
    rows = _bicubic(coarse.shape[-2], size[0], coarse.device)
    columns = _bicubic(coarse.shape[-1], size[1], coarse.device)
    return rows @ coarse @ columns.T


def _blurred(x: Tensor) -> Tensor:
    """A Gaussian of about 1.5 pixels, the same for all channels."""
    return _gaussian(x.shape[-2], x.device) @ x @ _gaussian(x.shape[-1], x.device).T


# Both are linear along each axis, and two small matrices take a fraction of the time that
# torch's own resampling and grouped convolution take on a CPU.


@cache
def _on_device(values: tuple[int, ...], device: torch.device) -> Tensor:
    """Kept there: nothing is brought to the device in the middle of a step."""
    return torch.tensor(values, device=device)


@cache
def _bicubic(coarse: int, fine: int, device: torch.device) -> Tensor:
    """What each of `coarse` points gives to each of `fine`, ``(fine, coarse)``."""
    unit = torch.eye(coarse, device=device)[None, None]
    return F.interpolate(unit, size=(fine, coarse), mode="bicubic", align_corners=True)[0, 0]


@cache
def _gaussian(size: int, device: torch.device) -> Tensor:
    """Weights of a Gaussian blur along an axis, ``(size, size)``; its ends are repeated."""
    place = torch.arange(size, device=device)
    offsets = torch.arange(-3, 4, device=device)
    weights = torch.exp(-(offsets**2) / (2 * 1.5**2))
    source = (place[:, None] + offsets).clamp(0, size - 1)
    matrix = torch.zeros(size, size, device=device)
    return matrix.scatter_add_(1, source, (weights / weights.sum()).expand(size, -1))
