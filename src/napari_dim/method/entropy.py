"""Selective sharpness-aware entropy minimisation (SAEM): equations (3) to (7)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

from napari_dim.method.sharpness import perturbed
from napari_dim.method.targets import Targets


def sample_entropy(targets: Targets, logits: Tensor) -> Tensor:
    """``E(x; θ)``: mean pixel entropy of each sample, as a share of its maximum ``ln K``.

    Parameters
    ----------
    logits
        ``(batch, channel, row, column)``.

    Returns
    -------
    Tensor
        ``(batch,)`` in [0, 1].
    """
    p = targets.class_probability(targets.probability(logits))
    return -torch.xlogy(p, p).sum(1).mean((1, 2)) / math.log(p.shape[1])


def pixel_entropy(targets: Targets, probability: Tensor) -> Tensor:
    """Entropy of each pixel as a share of its maximum, ``(batch, 1 or channel, row, column)``.

    Of exclusive classes it is one a pixel (at most ln K), of regions one a channel (ln 2).
    """
    p = probability
    if targets.exclusive:
        return -torch.xlogy(p, p).sum(1, keepdim=True) / math.log(p.shape[1])
    return -(torch.xlogy(p, p) + torch.xlogy(1 - p, 1 - p)) / math.log(2)


def robust_entropy(targets: Targets, probability: Tensor, power: float = 2.0) -> Tensor:
    """``mean[(H² + 1e-8)^η]``, H as a share of its maximum: FDA's regulariser (Charbonnier).

    1 where all is uniform, about 0 where all is certain; sure pixels are pushed less than by
    plain entropy.
    """
    return (pixel_entropy(targets, probability).square() + 1e-8).pow(power).mean()


def select(entropy: Tensor, threshold: float) -> Tensor:
    """``S(x)``, equation (3): 1 where the entropy is below E_0, without gradient."""
    return (entropy.detach() < threshold).to(entropy.dtype)


def selective_entropy(entropy: Tensor, chosen: Tensor) -> Tensor:
    """``S(x) E(x; θ)`` averaged over the chosen samples, equation (3); 0 if there is none."""
    return (chosen * entropy).sum() / chosen.sum().clamp_min(1.0)


def adaptable(net: nn.Module, subset: str) -> list[nn.Parameter]:
    """``θ~``: the parameters that adapt.

    Parameters
    ----------
    subset
        ``norm``: weights and biases of the normalisation layers; ``all``: every parameter.
    """
    if subset == "all":
        return list(net.parameters())
    norms = (_BatchNorm, _InstanceNorm, nn.GroupNorm, nn.LayerNorm)
    return [p for m in net.modules() if isinstance(m, norms) for p in m.parameters(recurse=False)]


def saem_step(
    net: nn.Module,
    forward: Callable[[], Tensor],
    targets: Targets,
    optimiser: torch.optim.Optimizer,
    parameters: Iterable[nn.Parameter],
    *,
    threshold: float,
    rho: float,
) -> tuple[float, int]:
    """One step of ``min S(x) E^SA(x; θ)`` over θ~, equation (7).

    S(x) is decided at θ; the gradient is taken at θ + ε (equations 4 to 6).

    Parameters
    ----------
    net, forward
        The network, and a call that gives its logits for the batch at hand.
    optimiser
        Base optimiser over `parameters`.
    threshold, rho
        E_0 as a share of the largest entropy, and ρ.

    Returns
    -------
    entropy, chosen
        Mean entropy of the batch before the step, and how many samples took part. With
        none, nothing changes.
    """
    parameters = list(parameters)
    optimiser.zero_grad(set_to_none=True)
    entropy = sample_entropy(targets, forward())
    chosen = select(entropy, threshold)
    count = int(chosen.sum())
    if count:
        selective_entropy(entropy, chosen).backward()  # type: ignore[no-untyped-call]
        if rho > 0:
            with perturbed(net, rho, parameters):
                optimiser.zero_grad(set_to_none=True)
                again = sample_entropy(targets, forward())
                selective_entropy(again, chosen).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return float(entropy.detach().mean()), count
