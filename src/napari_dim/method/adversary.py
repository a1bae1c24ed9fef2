"""Adversaries: least-squares critics with a pool of past fakes, and the virtual adversary."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor


def fools(fake: Tensor) -> Tensor:
    """``mean (D(fake) - 1)²``: what a generator minimises."""
    return (fake - 1).square().mean()


def tells_apart(real: Tensor, fake: Tensor) -> Tensor:
    """``½ [mean (D(real) - 1)² + mean D(fake)²]``: what a critic minimises."""
    return 0.5 * ((real - 1).square().mean() + fake.square().mean())


class ImagePool:
    """Up to `size` past fakes, of which a critic sees an old one half of the time.

    Parameters
    ----------
    size
        Images kept.
    generator
        Source of the draws.
    """

    def __init__(self, size: int, generator: torch.Generator) -> None:
        self.size = size
        self._generator = generator
        self.images: list[Tensor] = []

    def __call__(self, fakes: Tensor) -> Tensor:
        """Fakes to show; new ones until the pool is full."""
        shown = []
        draws = torch.rand(
            2, len(fakes), generator=self._generator, device=self._generator.device
        ).tolist()
        for fake, swap, which in zip(fakes.detach(), *draws, strict=True):
            if len(self.images) < self.size:
                self.images.append(fake.clone())
                shown.append(fake)
            elif swap < 0.5:
                place = int(which * self.size)
                shown.append(self.images[place])
                self.images[place] = fake.clone()
            else:
                shown.append(fake)
        return torch.stack(shown)

    def state(self, name: str) -> dict[str, Tensor]:
        """What it holds."""
        return {name: torch.stack(self.images)} if self.images else {}

    def load(self, name: str, state: Mapping[str, Tensor]) -> None:
        """Put back what `state` gave."""
        self.images = list(state[name].unbind(0)) if name in state else []


def virtual_adversary(
    forward: Callable[[Tensor], Tensor],
    distance: Callable[[Tensor, Tensor], Tensor],
    x: Tensor,
    clean: Tensor,
    direction: Tensor,
    probe: float,
) -> Tensor:
    """The direction in which a small change of the image changes the answer most.

    One step of the power method (virtual adversarial training).

    Parameters
    ----------
    forward
        From images to probabilities.
    distance
        Of two of those.
    x, clean
        Images and their probabilities, ``(batch, channel, row, column)``.
    direction
        Where to start; random, like `x`.
    probe
        Length of the change that is looked at.

    Returns
    -------
    Tensor
        Like `x`, of length 1 an image.
    """
    d = unit(direction).requires_grad_(True)
    with torch.enable_grad():
        loss = distance(forward(x + probe * d), clean.detach())
        (gradient,) = torch.autograd.grad(loss, d)
    return unit(gradient)


def unit(x: Tensor) -> Tensor:
    """Each image at length 1; one of zeros stays as it is."""
    length = x.flatten(1).norm(dim=1).clamp_min(1e-16)
    one: Tensor = x.detach() / length.view(-1, *[1] * (x.ndim - 1))
    return one
