"""Faults for tests, injected where the real ones come from: inside a network's own pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook


@contextmanager
def in_forward(act: Callable[[int, nn.Module, torch.Tensor], object]) -> Iterator[None]:
    """Call `act(number, layer, output)` after every convolution of any network in training.

    It may raise, or return another output.
    """
    count = 0

    def hook(layer: nn.Module, given: object, output: torch.Tensor) -> object:
        nonlocal count
        if not isinstance(layer, nn.Conv2d) or not layer.training:
            return None
        count += 1
        return act(count, layer, output)

    handle = register_module_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def raising(error: BaseException, *, first: int = 1, times: int = 1) -> Callable[..., None]:
    """Raise from the `first` convolution on, so many times."""
    left = times

    def act(number: int, layer: nn.Module, output: torch.Tensor) -> None:
        nonlocal left
        if number >= first and left > 0:
            left -= 1
            raise error

    return act


def poisoning(first: int, times: int = 1) -> Callable[..., torch.Tensor | None]:
    """Turn the output of the `first` convolution, and of later ones, into NaN."""
    left = times

    def act(number: int, layer: nn.Module, output: torch.Tensor) -> torch.Tensor | None:
        nonlocal left
        if number >= first and left > 0:
            left -= 1
            return output * float("nan")
        return None

    return act
