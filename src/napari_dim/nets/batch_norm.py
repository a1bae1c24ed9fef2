"""Batch norm whose statistics are those of the whole batch, whoever passes which part of it."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from napari_dim.nets.ranks import Ranks, summed


class SharedBatchNorm(_BatchNorm):
    """As `nn.BatchNorm1d` to `3d`, of a batch that several processes pass in parts.

    PyTorch's own, `nn.SyncBatchNorm`, does so on graphics cards alone.
    """

    ranks: Ranks

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, channel, ...)``, each channel by the statistics of the whole batch."""
        if not (self.training and self.ranks.split):
            return super().forward(x)
        across = [0, *range(2, x.ndim)]
        shape = [1, -1, *[1] * (x.ndim - 2)]
        values = x.float()
        count = self.ranks.parts * x.numel() // x.shape[1]
        mean = summed(values.sum(across)) / count
        values = values - mean.view(shape)
        variance = summed(values.square().sum(across)) / count
        if self.track_running_stats and self.running_mean is not None:
            self._record(mean.detach(), variance.detach() * (count / max(1, count - 1)))
        values = values * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            values = values * self.weight.view(shape) + self.bias.view(shape)
        return values.to(x.dtype)

    def _record(self, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance, share)

    def _check_input_dim(self, x: Tensor) -> None:
        """Any number of dimensions will do."""


def share_batch_norm(network: nn.Module, ranks: Ranks) -> None:
    """Put `SharedBatchNorm` in the place of all batch norm; weights and their names stay."""
    if not ranks.several:
        return
    for layer in list(network.modules()):
        for name, child in list(layer.named_children()):
            if isinstance(child, _BatchNorm):
                made = SharedBatchNorm(
                    child.num_features, child.eps, child.momentum, child.affine,
                    child.track_running_stats,
                )  # fmt: skip
                made._parameters, made._buffers = child._parameters, child._buffers
                made.training, made.ranks = child.training, ranks
                setattr(layer, name, made)
