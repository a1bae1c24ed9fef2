"""What a network learnt of its classes, carried over to one that has other classes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

NEW = 0.1
"""Share of the background's probability that classes begin with that a network did not have."""

Axes = Mapping[str, tuple[tuple[int, bool], ...]]
"""By the name of a tensor: axes along which it has an entry a channel of the logits, and
whether that axis is the layer's output."""

Origin = Sequence[int | None]
"""For each new channel the old one that it comes from, None for a channel that is new."""


def class_axes(build: Callable[[int], nn.Module], channels: int) -> Axes:
    """Which tensors of a network have an entry a channel of its logits.

    Parameters
    ----------
    build
        Makes the network for a number of channels.
    channels
        Of the logits.
    """
    with torch.device("meta"):
        one, more = build(channels), build(channels + 1)
    larger = dict(more.state_dict())
    layers = dict(one.named_modules())
    found = {}
    for name, tensor in one.state_dict().items():
        grown = [n for n, size in enumerate(tensor.shape) if larger[name].shape[n] != size]
        if grown:
            layer, _, kind = name.rpartition(".")
            transposed = kind == "weight" and isinstance(layers[layer], _ConvTransposeNd)
            found[name] = tuple((axis, axis == int(transposed)) for axis in grown)
    return found


def carried(old: Tensor, axes: Sequence[tuple[int, bool]], origin: Origin) -> Tensor:
    """A tensor for the new channels: each in its new place.

    A new channel gives what channel 0, the background, gives, and no other listens to it.
    """
    tensor = old
    for axis, gives in axes:
        place = torch.tensor([0 if n is None else n for n in origin], device=old.device)
        tensor = tensor.index_select(axis, place)
        if not gives:
            heard = torch.tensor([n is not None for n in origin], device=old.device)
            shape = [1] * tensor.ndim
            shape[axis] = len(origin)
            tensor = tensor * heard.view(shape).to(tensor)
    return tensor


def carry_over(
    net: nn.Module, source: nn.Module, axes: Axes, origin: Origin, *, exclusive: bool
) -> None:
    """Give a network the weights of one that has other channels.

    With `exclusive` classes a new one begins as a copy of the background that takes `NEW` of
    its probability, all new ones together: so the probabilities of the old classes, and that
    of "background or new", are exactly as before (after Cermelli et al., Modeling the
    Background, CVPR 2020, who split it evenly; a small share leaves the masks as they were).
    Of overlapping regions a new one keeps the fresh weights, and the others don't listen to it.

    Parameters
    ----------
    net, source
        Networks that differ in the channels of their logits alone.
    axes
        What `class_axes` found.
    origin
        Where each channel of `net` comes from.
    exclusive
        Whether the channels are classes, the first of them the background.
    """
    fresh = net.state_dict()
    news = [place for place, old in enumerate(origin) if old is None]
    values = {}
    for name, old in source.state_dict().items():
        values[name] = old
        if name not in axes:
            continue
        values[name] = carried(old, axes[name], origin)
        if not exclusive:
            for axis, gives in axes[name]:
                if gives:
                    place = torch.tensor(news, dtype=torch.long, device=old.device)
                    own = fresh[name].to(old).index_select(axis, place)
                    values[name] = values[name].index_copy(axis, place, own)
    net.load_state_dict(values)
    last = [layer for layer in net.modules() if isinstance(layer, _ConvNd)][-1]
    if exclusive and news and last.bias is not None:
        with torch.no_grad():
            last.bias[news] += math.log(NEW / len(news))
            last.bias[0] += math.log(1 - NEW)
