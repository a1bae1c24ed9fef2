"""Run in two processes by `test_ranks`: each system's steps, dealt and alone, side by side."""

from __future__ import annotations

import sys

import torch
from torch import nn

from napari_dim.engine.training.launched import Launch
from napari_dim.nets.batch_norm import share_batch_norm
from napari_dim.nets.ranks import Ranks
from napari_dim.systems import SYSTEMS
from tests.systems.small import begun, views, weights
from tests.systems.test_all_systems import QUICK

STEPS = (0.0, 0.95)
FEW = ("caussl", "coranet", "dim", "sifa", "ssnet", "uamt", "uda-vae")
"""Those whose networks are called in ways of their own."""
APART = {"sifa": 0.05}
"""Share of the way by which weights may be apart; SIFA's are as much by other threads alone."""


def main() -> None:
    """Compare, in both processes."""
    torch.set_num_threads(1)
    launch = Launch.found()
    launch.join("cpu")
    norms(launch.ranks)
    for name in sorted(SYSTEMS) if "--all" in sys.argv else FEW:
        steps(name, launch.ranks)
    if launch.ranks.first:
        print("the systems agree")
    launch.close()


def steps(name: str, ranks: Ranks) -> None:
    """The same weights, statistics and losses after steps of a system's first and last stage.

    Without Adam, which makes steps of one size even of gradients that are rounding.
    """
    sharp = 0.5 if hasattr(SYSTEMS[name], "losses") else 0.0
    options = {"sharpness": sharp, "lr": 1e-3, "plain": True, **QUICK.get(name, {})}
    dealt, alone = begun(name, ranks=ranks, **options), begun(name, **options)
    before = [t.clone() for t in alone.networks.state_dict().values()]
    for number, progress in enumerate(STEPS):
        batch = views(4, 2, rows=32, columns=32, seed=number)
        found = dealt.step(batch, progress, 2 * number)
        expected = alone.step(batch, progress, 2 * number)
        for term, loss in expected.items():
            near = 3e-2 if name in APART else 1e-3
            torch.testing.assert_close(
                found[term], loss, rtol=near, atol=1e-4, msg=f"{name} {term}"
            )
    pairs = zip(dealt.networks.state_dict().items(), alone.networks.state_dict().values(), before,
                strict=True)  # fmt: skip
    moved = apart = 0.0
    for (key, mine), theirs, old in pairs:
        if not mine.is_floating_point():
            assert torch.equal(mine, theirs), f"{name} {key}"
            continue
        moved += float((theirs - old).square().sum())
        apart += float((mine - theirs).square().sum())
    assert moved > 0, name
    share = (apart / moved) ** 0.5
    assert share <= APART.get(name, 3e-3), f"{name}: {share:.2g} of the way apart"
    if ranks.first:
        print(f"{name}: {share:.1g} of the way apart")
    both = [torch.empty_like(weights(dealt.networks)) for _ in range(ranks.count)]
    torch.distributed.all_gather(both, weights(dealt.networks))
    assert torch.equal(*both), f"{name}: the processes have other weights"


def norms(ranks: Ranks) -> None:
    """Batch norm of parts is that of the whole: outputs, gradients, running statistics."""
    torch.manual_seed(0)
    x = torch.randn(4, 3, 5, 5) * 3 + 1
    layers = []
    for shared in (True, False):
        layer = nn.Sequential(nn.BatchNorm2d(3))
        with torch.no_grad():
            layer[0].weight.copy_(torch.tensor([0.5, 2.0, -1.0]))
        own = x.clone().requires_grad_(True)
        if shared:
            share_batch_norm(layer, ranks)
            said = ranks.passed(layer, own)
        else:
            said = layer(own)
        (said.square() * torch.arange(4).view(4, 1, 1, 1)).sum().backward()
        if shared:
            ranks.average(layer.parameters())
        layers.append([said, own.grad, *(p.grad for p in layer.parameters()), *layer.buffers()])
    for mine, theirs in zip(*layers, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4)


if __name__ == "__main__":
    main()
