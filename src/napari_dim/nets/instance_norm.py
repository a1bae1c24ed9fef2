"""Instance norm that leaves channels-last maps as they lie, on a processor."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

LEAST = 8
"""Channels from which on a processor's batch norm is faster, sample by sample."""


class InstanceNorm(nn.InstanceNorm2d):
    """`torch.nn.InstanceNorm2d` with weights, the same up to rounding.

    PyTorch's own copies a channels-last map into another order, and gives it back in that one:
    the norms were a quarter to a third of a pass (docs/results/step.md). Batch norm of one sample
    is instance norm, and has kernels for such maps.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, channel, row, column)``, each map of each sample by its own statistics."""
        if x.device.type == "cpu" and x.shape[1] >= LEAST and x.shape[2] * x.shape[3] > 1:
            found: Tensor = _BySample.apply(x, self.weight, self.bias, self.eps)  # type: ignore[no-untyped-call]
            return found
        return super().forward(x)


class _BySample(torch.autograd.Function):
    """Batch norm of each sample by itself, written into one map."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        out = torch.empty_like(x)
        means = weight.new_empty(len(x), len(weight))
        spreads = torch.empty_like(means)
        for number in range(len(x)):
            one = slice(number, number + 1)
            torch.ops.aten.native_batch_norm.out(
                x[one], weight, bias, None, None, True, 0.0, eps,
                out=out[one], save_mean=means[number], save_invstd=spreads[number],
            )  # fmt: skip
        ctx.save_for_backward(x, weight, means, spreads)
        ctx.eps = eps
        return out

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        x, weight, means, spreads = ctx.saved_tensors
        slope = slope.contiguous(memory_format=torch.channels_last)
        of_x, of_weight, of_bias = map(torch.empty_like, (x, means, means))
        for number in range(len(x)):
            one = slice(number, number + 1)
            torch.ops.aten.native_batch_norm_backward.out(
                slope[one], x[one], weight, None, None, means[number], spreads[number],
                True, ctx.eps, [True, True, True],
                out0=of_x[one], out1=of_weight[number], out2=of_bias[number],
            )  # fmt: skip
        return of_x, of_weight.sum(0), of_bias.sum(0), None
