"""Adaptation to one new scan without labels (section 3.2), on a copy of the weights."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from napari_dim.config import Settings
from napari_dim.method.entropy import adaptable, saem_step
from napari_dim.method.targets import Targets


def adapted(
    net: nn.Module,
    views: Sequence[Tensor],
    targets: Targets,
    settings: Settings,
    autocast: Callable[[], AbstractContextManager[object]],
    check: Callable[[], None] | None = None,
) -> nn.Module:
    """A copy of `net`, fitted to a scan by equation (7).

    Parameters
    ----------
    net
        The trained network; it is not changed.
    views
        The scan's slices in batches, ``(n, channel, row, column)``.
    targets, settings, autocast
        As in training. E_0, ρ, θ~ and the number of steps come from the settings.
    check
        Called before every step; what it raises ends the work.
    """
    net = copy.deepcopy(net).requires_grad_(True).train()
    parameters = adaptable(net, settings.adapt_subset)
    optimiser = torch.optim.SGD(parameters, lr=settings.adapt_rate, momentum=0.9)
    for step in range(settings.adapt_steps):
        if check is not None:
            check()
        x = views[step % len(views)]

        def forward(x: Tensor = x) -> Tensor:
            with autocast():
                logits: Tensor = net(x)
            return logits

        saem_step(
            net,
            forward,
            targets,
            optimiser,
            parameters,
            threshold=settings.adapt_threshold,
            rho=settings.sharpness,
        )
    return net.eval()
