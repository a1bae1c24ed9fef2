"""The largest connected part of masks, found on their own device."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def largest_part(mask: Tensor) -> Tensor:
    """Keep the largest connected part (8 neighbours) of each plane.

    Labels spread from pixel to neighbour until none changes, so the device is waited for.

    Parameters
    ----------
    mask
        ``(batch, channel, row, column)`` of 0 and 1.

    Returns
    -------
    Tensor
        Like `mask`; an empty plane stays empty.
    """
    inside = mask > 0
    rows, columns = mask.shape[-2:]
    place = torch.arange(1, rows * columns + 1, device=mask.device, dtype=torch.float32)
    label = torch.where(inside, place.view(rows, columns), 0.0)
    while True:
        spread = label
        for _ in range(8):
            spread = torch.where(inside, F.max_pool2d(spread, 3, stride=1, padding=1), 0.0)
        if torch.equal(spread, label):
            break
        label = spread
    flat = label.flatten(2).long()
    sizes = torch.zeros(*flat.shape[:2], rows * columns + 1, device=mask.device)
    sizes.scatter_add_(2, flat, (flat > 0).float())
    kept = sizes.argmax(2, keepdim=True)
    return ((flat == kept) & (flat > 0)).view_as(mask).to(mask.dtype)
