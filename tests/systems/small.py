"""A system, ready to train, and batches for it: small, quick, without the engine."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

import torch

from napari_dim.config import Settings
from napari_dim.method.losses import LossForm
from napari_dim.method.targets import Targets
from napari_dim.nets.ranks import Ranks
from napari_dim.systems import SYSTEMS
from napari_dim.systems.system import Course, Plan


@dataclass(frozen=True)
class Views:
    """A batch; see `systems.system.Batch`."""

    labelled: torch.Tensor
    labelled_strong: torch.Tensor
    index: torch.Tensor
    unlabelled: torch.Tensor | None = None
    unlabelled_strong: torch.Tensor | None = None
    scans: tuple[torch.Tensor, torch.Tensor] | None = None


def views(labelled=2, unlabelled=2, classes=3, rows=48, columns=48, seed=1):
    """Discs in discs, brighter inside, in noise; the labels are what is drawn."""
    draws = torch.Generator().manual_seed(seed)
    count = labelled + unlabelled
    row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    centre = 0.35 + 0.3 * torch.rand(2, count, 1, 1, generator=draws)
    radius = (0.25 + 0.1 * torch.rand(count, 1, 1, generator=draws)) * rows
    far = ((row - centre[0] * rows) ** 2 + (column - centre[1] * columns) ** 2).sqrt()
    index = (far < radius).long()
    if classes > 2:
        index += far < radius / 2
    x = (index - 0.5)[:, None] + 0.2 * torch.randn(count, 1, rows, columns, generator=draws)
    strong = x * 1.2 + 0.1
    own = slice(labelled), slice(labelled, None)
    if not unlabelled:
        return Views(x, strong, index)
    return Views(x[own[0]], strong[own[0]], index[own[0]], x[own[1]], strong[own[1]])


def begun(name, *, seed=0, classes=3, regions=(), width=4, lr=0.03, sharpness=0.0, form=None,
          network="published-unet", optimiser=None, ranks=None, plain=False,
          **options):  # fmt: skip
    """A system over the backbone, with SGD as in the tables; `plain` takes it for Adam, too."""
    settings = Settings.make(system=name, **options)
    kind = SYSTEMS[name]
    targets = Targets(classes) if kind.exclusive else Targets(classes, regions)
    torch.manual_seed(seed)
    system = kind(Plan(targets, 1, network, width), settings.system)

    def sgd(parameters):
        made = torch.optim.SGD(parameters, lr=lr, momentum=0.9)
        return based(made, lr)

    def adam(parameters, lr, betas=(0.9, 0.999), weight_decay=0.0):
        if plain:
            return sgd(parameters)
        return based(torch.optim.Adam(parameters, lr=lr, betas=betas), lr)

    system.begin(
        Course(
            torch.device("cpu"), torch.Generator().manual_seed(seed), nullcontext,
            optimiser or sgd, adam, form=form or LossForm(), sharpness=sharpness,
            ranks=ranks or Ranks(),
        )
    )  # fmt: skip
    system.networks.train()
    return system


def based(optimiser, rate):
    for group in optimiser.param_groups:
        group["base"] = rate
    return optimiser


def weights(module):
    return torch.cat([p.detach().flatten() for p in module.parameters()])
