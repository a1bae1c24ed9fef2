"""Networks whose batch is dealt to several processes, with the gradients of one.

All processes hold the same weights, draw the same batch and know all of it. Each passes its part
through the networks and is given what the others' parts came to, so that a loss sees the whole
batch in every process: Dice over a batch, a mean over it or a threshold mean what they mean in
one process, whatever the system. What is whole has its whole gradient everywhere; a parameter's,
which has passed a part alone, is made whole by `Ranks.average`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass, replace
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable

_CHANNELS_LAST = torch.channels_last


class Ranks:
    """The processes of one training, and which of them this is; without arguments there is one.

    Parameters
    ----------
    number
        This one's, from 0; the first one writes and speaks.
    count
        How many there are.

    Attributes
    ----------
    split
        Whether a part of a batch is on its way through a network.
    """

    def __init__(self, number: int = 0, count: int = 1) -> None:
        self.number, self.count = number, count
        self.split = False

    @property
    def several(self) -> bool:
        """Whether there are others."""
        return self.count > 1

    @property
    def first(self) -> bool:
        """Whether it is this one that writes."""
        return self.number == 0

    @property
    def parts(self) -> int:
        """How many parts of a batch pass just now, this one's among them."""
        return self.count if self.split else 1

    def own(self, whole: Tensor) -> Tensor:
        """The part of a batch that passes here just now."""
        return whole.chunk(self.parts)[self.number] if self.split else whole

    def passed(self, call: Callable[..., Any], *given: Any) -> Any:
        """What `call` makes of a batch, each process of its part.

        A batch that can't be dealt evenly passes as a whole in every process.

        Parameters
        ----------
        call
            A network, or another function of samples that don't know of each other, but for
            `nets.batch_norm.SharedBatchNorm`.
        given
            Tensors of one batch, in dicts, tuples and lists too.

        Returns
        -------
        object
            As `call` gives: tensors of the whole batch, in dicts, tuples, lists and dataclasses.
        """
        sizes = {len(tensor) for tensor in _tensors(given)}
        if not self.several or self.split or len(sizes) != 1 or sizes.pop() % self.count:
            return call(*given)
        part = _each(given, lambda tensor: _Part.apply(tensor, self))  # type: ignore[no-untyped-call]
        self.split = True
        try:
            found = call(*part)
        finally:
            self.split = False
        return _each(found, lambda tensor: _Whole.apply(tensor, self))  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def average(self, parameters: Iterable[Tensor]) -> None:
        """Give parameters the mean of all processes' gradients: that of the whole batch."""
        if not self.several:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        for gradient, mean in zip(gradients, self.averaged(gradients), strict=True):
            gradient.copy_(mean)

    @torch.no_grad()
    def averaged(self, gradients: list[Tensor]) -> list[Tensor]:
        """The means of all processes' gradients, sent together."""
        if not self.several or not gradients:
            return gradients
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        parts = flat.div_(self.count).split_with_sizes([g.numel() for g in gradients])
        return [part.view(g.shape) for part, g in zip(parts, gradients, strict=True)]

    @torch.no_grad()
    def same(self, tensors: Iterable[Tensor]) -> None:
        """Give all processes the first one's values."""
        if self.several:
            for tensor in tensors:
                held = tensor.contiguous()
                dist.broadcast(held, 0)
                tensor.copy_(held)

    def told(self, *numbers: float) -> list[list[float]]:
        """What each process tells all others: some numbers, by its own number."""
        own = torch.tensor(numbers, dtype=torch.float64)
        if not self.several:
            return [own.tolist()]
        found = [torch.empty_like(own) for _ in range(self.count)]
        dist.all_gather(found, own)
        return [each.tolist() for each in found]


def summed(x: Tensor) -> Tensor:
    """The sum of a tensor over all processes."""
    total: Tensor = _Sum.apply(x)  # type: ignore[no-untyped-call]
    return total


class _Part(torch.autograd.Function):
    """A batch to this process's part; the gradient of the whole batch comes back to all."""

    @staticmethod
    def forward(ctx: Any, whole: Tensor, ranks: Ranks) -> Tensor:
        ctx.ranks = ranks
        return whole.chunk(ranks.count)[ranks.number].clone()

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None]:
        return _gathered(slope, ctx.ranks.count).div_(ctx.ranks.count), None


class _Whole(torch.autograd.Function):
    """The parts of all processes to the batch.

    Its gradient comes back times their number, as a mean over the processes follows.
    """

    @staticmethod
    def forward(ctx: Any, part: Tensor, ranks: Ranks) -> Tensor:
        ctx.ranks = ranks
        return _gathered(part, ranks.count)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None]:
        ranks = ctx.ranks
        return slope.chunk(ranks.count)[ranks.number] * ranks.count, None


class _Sum(torch.autograd.Function):
    """A sum over the processes, forth and back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, slope: Tensor) -> Tensor:
        slope = slope.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(slope)
        return slope


def _gathered(part: Tensor, count: int) -> Tensor:
    """The parts of all processes, in order, as they lie in memory."""
    last = part.ndim == 4 and part.is_contiguous(memory_format=_CHANNELS_LAST)
    own = part.movedim(1, -1) if last else part.contiguous()
    whole = own.new_empty(count, *own.shape)
    dist.all_gather(list(whole.unbind(0)), own)
    whole = whole.flatten(0, 1)
    return whole.movedim(-1, 1) if last else whole


def _tensors(found: Any) -> list[Tensor]:
    if isinstance(found, Tensor):
        return [found]
    values = found.values() if isinstance(found, dict) else found
    return [tensor for value in values for tensor in _tensors(value)]


def _each(found: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Every tensor in dicts, tuples, lists and dataclasses changed; the rest as it is."""
    if isinstance(found, Tensor):
        return change(found)
    if isinstance(found, dict):
        return {name: _each(value, change) for name, value in found.items()}
    if isinstance(found, tuple | list):
        return type(found)(_each(value, change) for value in found)
    if is_dataclass(found) and not isinstance(found, type):
        each = {one.name: _each(getattr(found, one.name), change) for one in fields(found)}
        return replace(found, **each)
    return found
