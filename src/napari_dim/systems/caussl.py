"""CauSSL (Miao et al., ICCV 2023), the variant on CPS: two networks kept independent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from napari_dim.method.ramps import squared_ramp
from napari_dim.systems.cps import CPS, PAIR
from napari_dim.systems.system import Batch, Pace, Stage

if TYPE_CHECKING:
    from napari_dim.options import CausslOptions

ALONE, TAUGHT, APART = 0, 1, 2
"""`Stage.part`: labelled slices alone, with each other's labels, and kept independent."""


class Maps(nn.Module):
    """For each layer a square matrix by which the other network's filters explain one's own."""

    def __init__(self, sizes: list[int]) -> None:
        super().__init__()
        self.layers = nn.ParameterList(nn.Parameter(1e-3 * torch.randn(n, n)) for n in sizes)


def filters(network: nn.Module) -> list[Tensor]:
    """The kernels of a network's spatial convolutions, ``(out, in · k · k)``.

    Layers with as many outputs as inputs in all are left out: any filter could be explained.
    """
    kernels = [
        layer.weight
        for layer in network.modules()
        if isinstance(layer, nn.Conv2d) and max(layer.kernel_size) > 1
    ]
    return [w.flatten(1) for w in kernels if w.shape[0] < w[0].numel()]


def dependence(own: list[Tensor], other: list[Tensor], maps: Maps) -> Tensor:
    """``mean over layers and rows of cos²(W, A W')``: 1 where A W' gives W, 0 where nothing."""
    found = [
        F.cosine_similarity(w, a @ v, dim=1).square().mean()
        for w, v, a in zip(own, other, maps.layers, strict=True)
    ]
    return torch.stack(found).mean()


class CauSSL(CPS):
    """CPS, and from a tenth of the schedule on ``+ w D(f_i | f_j)``, D the dependence.

    Now and then the maps are trained to raise it; the networks lower it.
    """

    name = "caussl"
    title = "CauSSL: two networks teach each other and are kept independent"
    terms = {**CPS.terms, "dependence": "dependence of both networks"}  # noqa: RUF012
    grows = False
    options: CausslOptions  # type: ignore[assignment]

    def build(self) -> dict[str, nn.Module]:  # noqa: D102
        networks = super().build()
        sizes = [len(w) for w in filters(networks["student"])]
        return {**networks, "maps": nn.ModuleDict({name: Maps(sizes) for name in PAIR})}

    def make_optimisers(self) -> dict[str, Optimizer]:  # noqa: D102
        maps = self.networks["maps"].parameters()
        search = self.course.adam(maps, lr=self.options.inner_rate)
        return {**super().make_optimisers(), "maps": search}

    def rates(self, progress: float) -> dict[str, float]:  # noqa: D102
        return {**super().rates(progress), "maps": 1.0}

    def stage(self, progress: float, step: int) -> Stage:  # noqa: D102
        options = self.options
        apart = progress >= options.independent_from
        taught = progress >= options.teach_from
        part = APART if apart else TAUGHT if taught else ALONE
        return Stage(part != ALONE, part, self.course.climbs(progress, step))

    def pace(self, progress: float, step: int) -> Pace:  # noqa: D102
        return {"progress": progress, "weight": self.options.weight * squared_ramp(progress / 1.2)}

    def prepare(self, stage: Stage, progress: float, step: int) -> None:
        """Search for the dependence; the networks stand still."""
        if stage.part != APART or step % self.options.inner_every:
            return
        search = self.optimisers["maps"]
        kernels = {name: [w.detach() for w in filters(self.networks[name])] for name in PAIR}
        for _ in range(self.options.inner_steps):
            search.zero_grad(set_to_none=True)
            (-self._dependence(kernels, kernels)).backward()  # type: ignore[no-untyped-call]
            self.course.ranks.average(self.networks["maps"].parameters())
            search.step()
        search.zero_grad(set_to_none=True)

    def _dependence(self, own: dict[str, list[Tensor]], other: dict[str, list[Tensor]]) -> Tensor:
        """Of each network on the other, summed."""
        maps: Any = self.networks["maps"]
        student, peer = PAIR
        return dependence(own[student], other[peer], maps[student]) + dependence(
            own[peer], other[student], maps[peer]
        )

    def losses(  # noqa: D102
        self, batch: Batch, guide: Any, stage: Stage, pace: Pace
    ) -> dict[str, Tensor]:
        parts = super().losses(batch, guide, stage, pace)
        if stage.part != APART:
            return parts
        own = {name: filters(self.networks[name]) for name in PAIR}
        fixed = {name: [w.detach() for w in own[name]] for name in PAIR}
        parts["dependence"] = self._dependence(own, fixed)
        parts["total"] = parts["total"] + self.options.independence * parts["dependence"]
        return parts

    def take(self, batch: Batch, stage: Stage, pace: Pace) -> dict[str, Tensor]:  # noqa: D102
        # The maps take part in the loss but are trained by `prepare` alone.
        search = self.optimisers.pop("maps")
        try:
            self.networks["maps"].requires_grad_(False)
            return super().take(batch, stage, pace)
        finally:
            self.networks["maps"].requires_grad_(True)
            self.optimisers["maps"] = search
