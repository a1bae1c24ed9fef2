"""Intermediate samples: a labelled slice in the unlabelled one's look, pasted by boxes.

From the paper's baseline (its reference 21); the inputs of equations (8) and (9).
"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor

AREA = (0.02, 0.40)
ASPECT = (0.3, 3.3)
TRIES = 8


def mix_amplitude(x: Tensor, style: Tensor, ratio: Tensor, area: float) -> Tensor:
    """Move the look of `x` towards `style`: mix low-frequency amplitudes, keep the phase.

    Parameters
    ----------
    x, style
        ``(batch, channel, row, column)``.
    ratio
        ``(batch,)`` in [0, 1]; 0 keeps `x`, 1 takes the amplitudes of `style`.
    area
        Half-width of the mixed band, as a share of the spectrum's width.

    Returns
    -------
    Tensor
        Like `x`.
    """
    rows, columns = x.shape[-2:]
    along, back = _low_waves(columns, area, x.device)
    spectrum = _low_spectrum(x, along)
    amplitude = spectrum.abs()
    target = _low_spectrum(style, along).abs()
    low_row = torch.fft.fftfreq(rows, device=x.device).abs() <= area
    share = low_row[:, None] * ratio.view(-1, 1, 1, 1).to(amplitude)
    # Multiplying the spectrum by (new amplitude / old) keeps the phase exactly.
    change = spectrum * (share * (target / amplitude.clamp_min(1e-6) - 1))
    parts = torch.view_as_real(torch.fft.ifft(change, dim=-2)).flatten(-2)
    return x + (parts @ back).to(x.dtype)


# The mixed band is a few of many frequencies: narrow matrices take them out and put their
# change back in a fraction of the time of whole transforms.


def _low_spectrum(x: Tensor, along: Tensor) -> Tensor:
    """The spectrum at all frequencies of the rows and the low ones of the columns, complex."""
    parts = (x.float() @ along).view(*x.shape[:-1], -1, 2)
    spectrum: Tensor = torch.fft.fft(torch.view_as_complex(parts), dim=-2)
    return spectrum


@cache
def _low_waves(columns: int, area: float, device: torch.device) -> tuple[Tensor, Tensor]:
    """A real transform along the columns and its inverse, at frequencies up to `area` alone.

    Returns
    -------
    forth, back
        ``(column, 2 f)`` and ``(2 f, column)``; the real and imaginary part of each
        frequency stand side by side.
    """
    frequency = torch.fft.rfftfreq(columns, dtype=torch.float64)
    frequency = frequency[frequency <= area]
    angle = 2 * math.pi * torch.arange(columns)[:, None] * frequency
    waves = torch.stack((angle.cos(), -angle.sin()), -1)
    twice = torch.where((frequency > 0) & (frequency < 0.5), 2.0, 1.0)  # it and its mirror
    back = waves * (twice / columns)[:, None]
    return waves.flatten(1).float().to(device), back.flatten(1).T.float().to(device)


def box_masks(
    batch: int, rows: int, columns: int, *, generator: torch.Generator, device: torch.device
) -> Tensor:
    """Random boxes M, 1 inside: 2 to 40 % of the slice, aspect 0.3 to 3.3.

    Returns
    -------
    Tensor
        ``(batch, 1, row, column)``, float, 0 or 1.
    """
    draw = torch.rand(4, batch, generator=generator, device=device)
    area = (AREA[0] + (AREA[1] - AREA[0]) * draw[0]) * rows * columns
    low, high = _log_aspect(device)
    aspect = (low + (high - low) * draw[1]).exp()
    height = (area * aspect).sqrt().clamp(1, rows)
    width = (area / height).clamp(1, columns)
    return _boxes(height, width, draw[2], draw[3], rows, columns)


def _boxes(
    height: Tensor, width: Tensor, down: Tensor, right: Tensor, rows: int, columns: int
) -> Tensor:
    """Boxes of these sizes, ``(batch,)``, at these shares of the way down and right."""
    device = height.device
    top = down * (rows - height)
    left = right * (columns - width)
    row = torch.arange(rows, device=device) + 0.5
    column = torch.arange(columns, device=device) + 0.5
    inside_rows = (row >= top[:, None]) & (row < (top + height)[:, None])
    inside_columns = (column >= left[:, None]) & (column < (left + width)[:, None])
    boxes: Tensor = inside_rows[:, :, None] & inside_columns[:, None, :]
    return boxes.float().unsqueeze(1)


@cache
def _log_aspect(device: torch.device) -> Tensor:
    """Kept on the device: nothing is brought there in the middle of a step."""
    return torch.tensor(ASPECT, device=device).log()


def linear_box_masks(
    batch: int, rows: int, columns: int, *, generator: torch.Generator, device: torch.device
) -> Tensor:
    """As `box_masks`, drawn as the baseline's public code does.

    The aspect is uniform in [0.3, 1/0.3], and boxes that don't fit are drawn again: here the
    first of `TRIES` that fits is taken.
    """
    draw = torch.rand(4, batch, TRIES, generator=generator, device=device)
    area = (AREA[0] + (AREA[1] - AREA[0]) * draw[0]) * rows * columns
    aspect = 0.3 + (1 / 0.3 - 0.3) * draw[1]
    height, width = (area * aspect).sqrt(), (area / aspect).sqrt()
    fits = (height < rows) & (width < columns)
    first = fits.float().argmax(1, keepdim=True)
    height, width, down, right = (
        each.gather(1, first)[:, 0]
        for each in (height.clamp_max(rows), width.clamp_max(columns), draw[2], draw[3])
    )
    return _boxes(height, width, down, right, rows, columns)


def patch_mask(
    rows: int, columns: int, share: float, *, generator: torch.Generator, device: torch.device
) -> Tensor:
    """Ones, and zeros in one rectangle whose sides are this share of the slice's (BCP).

    Returns
    -------
    Tensor
        ``(1, 1, row, column)``, float; exactly ``⌊share rows⌋ ⌊share columns⌋`` zeros.
    """
    height, width = int(share * rows + 1e-9), int(share * columns + 1e-9)
    draw = torch.rand(2, generator=generator, device=device)
    top = (draw[0] * (rows - height + 1)).floor()
    left = (draw[1] * (columns - width + 1)).floor()
    row, column = torch.arange(rows, device=device), torch.arange(columns, device=device)
    inside_rows = (row >= top) & (row < top + height)
    inside_columns = (column >= left) & (column < left + width)
    return 1 - (inside_rows[:, None] & inside_columns).float()[None, None]


def paste(inside: Tensor, outside: Tensor, mask: Tensor) -> Tensor:
    """``inside M + outside (1 - M)``; a mask of ones returns `inside`, of zeros `outside`."""
    return torch.where(mask.bool(), inside, outside)
