"""Intermediate samples: a labelled slice in the unlabelled one's look, pasted by boxes.

From the paper's baseline (its reference 21); the inputs of equations (8) and (9).
"""

from __future__ import annotations

import torch
from torch import Tensor

AREA = (0.02, 0.40)
ASPECT = (0.3, 3.3)


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
    spectrum = torch.fft.rfft2(x.float())
    amplitude = spectrum.abs()
    target = torch.fft.rfft2(style.float()).abs()
    # Frequencies from 0 up to the band's edge; rfft2 keeps both signs along the rows only.
    low_row = torch.fft.fftfreq(rows, device=x.device).abs() <= area
    low_column = torch.fft.rfftfreq(columns, device=x.device) <= area
    band = (low_row[:, None] & low_column[None, :]).to(amplitude.dtype)
    share = band * ratio.view(-1, 1, 1, 1).to(amplitude)
    # Multiplying the spectrum by (new amplitude / old) keeps the phase exactly.
    gain = 1 + share * (target / amplitude.clamp_min(1e-6) - 1)
    mixed = torch.fft.irfft2(spectrum * gain, s=(rows, columns)).to(x.dtype)
    return torch.where(ratio.view(-1, 1, 1, 1) > 0, mixed, x)


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
    low, high = torch.tensor(ASPECT, device=device).log()
    aspect = (low + (high - low) * draw[1]).exp()
    height = (area * aspect).sqrt().clamp(1, rows)
    width = (area / height).clamp(1, columns)
    top = draw[2] * (rows - height)
    left = draw[3] * (columns - width)
    row = torch.arange(rows, device=device) + 0.5
    column = torch.arange(columns, device=device) + 0.5
    inside_rows = (row >= top[:, None]) & (row < (top + height)[:, None])
    inside_columns = (column >= left[:, None]) & (column < (left + width)[:, None])
    boxes: Tensor = inside_rows[:, :, None] & inside_columns[:, None, :]
    return boxes.float().unsqueeze(1)


def paste(inside: Tensor, outside: Tensor, mask: Tensor) -> Tensor:
    """``inside M + outside (1 - M)``; a mask of ones returns `inside`, of zeros `outside`."""
    return torch.where(mask.bool(), inside, outside)
