"""Sharpness-aware optimisation: climb to the worst weights nearby, equation (5), come back.

One step of SAM around any base optimiser::

    loss.backward()
    with perturbed(net, rho):          # θ + ε, batch-norm statistics held
        net.zero_grad(); loss_again.backward()
    base_optimiser.step()              # at θ, with the gradient of θ + ε (equation 6)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


@torch.no_grad()
def perturbation(gradients: list[Tensor], rho: float) -> list[Tensor]:
    """``ε = ρ sign(g) |g| / ||g||_2 = ρ g / ||g||_2`` over all gradients, equation (5).

    Parameters
    ----------
    gradients
        Gradients of the loss, unscaled.
    rho
        Radius ρ of the neighbourhood.

    Returns
    -------
    list of Tensor
        One a gradient; zero where the gradient is zero everywhere.
    """
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    scale = rho / norm.clamp_min(1e-12)
    return list(torch._foreach_mul(gradients, scale))


@contextmanager
def perturbed(
    net: nn.Module, rho: float, parameters: Iterable[Tensor] | None = None
) -> Iterator[None]:
    """Within: the weights are θ + ε and batch-norm statistics don't move.

    After: the weights are θ again, bit for bit. The gradients are left as they are then.

    Parameters
    ----------
    net
        Network whose ``.grad`` holds the gradient at θ.
    rho
        Radius ρ.
    parameters
        The subset to perturb; all of the network's by default.
    """
    moved = [p for p in (parameters or net.parameters()) if p.grad is not None]
    # The weights step aside rather than being copied away and back.
    kept = [p.detach() for p in moved]
    steps = perturbation([p.grad for p in moved if p.grad is not None], rho)
    torch._foreach_add_(steps, kept)
    for parameter, climbed in zip(moved, steps, strict=True):
        parameter.data = climbed
    try:
        with held_statistics(net):
            yield
    finally:
        for parameter, own in zip(moved, kept, strict=True):
            parameter.data = own


@contextmanager
def held_statistics(net: nn.Module) -> Iterator[None]:
    """Within: batch-norm layers in training mode use the batch but don't record it."""
    layers = [m for m in net.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    for layer in layers:
        layer.track_running_stats = False
    try:
        yield
    finally:
        for layer in layers:
            layer.track_running_stats = True
