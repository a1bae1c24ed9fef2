"""The parts of a training, made from its settings: optimisers, and the source of batches."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from napari_dim.config import Settings
from napari_dim.data.augment import WeakView
from napari_dim.data.batches import Sampler
from napari_dim.data.slice_store import SliceStore
from napari_dim.data.slice_stream import Stream
from napari_dim.engine.inference.trained_model import Model
from napari_dim.engine.precision import autocast_for
from napari_dim.method.losses import LossForm
from napari_dim.nets.ranks import Ranks
from napari_dim.systems.system import Course, System

BATCH = (4, 2)
"""Labelled and unlabelled slices a step, where the settings leave it open."""
CUDA_BATCH = (8, 8)
"""On a graphics card: three times the slices in a quarter more time (docs/results/gpu.md)."""
TONES = 0.5
"""Share of the slices whose strong view has random tones, where the settings ask for them."""
MOMENTS: dict[type[Optimizer], tuple[str, ...]] = {
    AdamW: ("step", "exp_avg", "exp_avg_sq"),
    Adam: ("step", "exp_avg", "exp_avg_sq"),
    SGD: ("momentum_buffer",),
}
"""What each kind of optimiser keeps for a parameter."""


def begin(
    model: Model,
    device: torch.device,
    generator: torch.Generator,
    *,
    experienced: bool = False,
    moved: bool = True,
    ranks: Ranks | None = None,
) -> System:
    """The model's system, ready to train on a device.

    `experienced` tells that the weights come from an earlier training. With `moved` off the
    networks stay where they are: to look at what the optimisers will keep. `ranks` are the
    processes that share the steps.
    """
    settings = model.settings

    def optimiser(parameters: Iterable[nn.Parameter]) -> Optimizer:
        return _optimiser(settings, parameters, device)

    def adam(
        parameters: Iterable[nn.Parameter],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: float = 0.0,
    ) -> Optimizer:
        return _based(
            Adam(
                parameters,
                lr=_rate(lr, device),
                betas=betas,
                weight_decay=weight_decay,
                capturable=device.type == "cuda",
            ),
            lr,
        )

    course = Course(
        device if moved else torch.device("meta"),
        generator,
        autocast_for(device, settings.mixed_precision),
        optimiser,
        adam,
        LossForm(settings.cross_entropy, settings.dice),
        settings.decay_power,
        settings.sharpness,
        settings.sharpness_every,
        settings.sharpness_from,
        experienced,
        ranks or Ranks(),
    )
    model.system.begin(course)
    return model.system


def sampler_of(
    model: Model,
    store: SliceStore,
    generator: torch.Generator,
    stream: Stream | None = None,
    *,
    wide: bool = False,
) -> Sampler:
    """The source of a training's batches, from the slices in `store`.

    Unlabelled slices that are not in `store` come from `stream`. `wide` tells that some scans
    are looked at in a window (`WorkingGrid.window`).
    """
    settings = model.settings
    toned = settings.random_tones == "always" or (wide and settings.random_tones == "wide")
    usual = CUDA_BATCH if generator.device.type == "cuda" else BATCH
    weak = WeakView(
        model.grid.patch,
        settings.mirror,
        settings.flip,
        settings.rotation,
        settings.zoom,
        settings.elastic,
        model.grid.focus if wide else None,
        settings.closer,
    )
    return Sampler(
        store,
        weak,
        generator,
        model.context,
        settings.labelled_batch or usual[0],
        settings.unlabelled_batch or usual[1],
        settings.strength,
        settings.strong_labelled,
        stream,
        settings.strong_range if settings.strong_view == "published" else None,
        settings.border == "dark",
        settings.random_contrast,
        settings.context_drop,
        TONES if toned else 0,
        settings.corrected,
    )


def set_rates(system: System, progress: float, factor: float) -> None:
    """Give the optimisers their rates at t / T = `progress`, times `factor`; nothing waits."""
    rates = system.rates(progress)
    for name, optimiser in system.optimisers.items():
        for group in optimiser.param_groups:
            rate = factor * group["base"] * rates[name]
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate


def _optimiser(
    settings: Settings, parameters: Iterable[nn.Parameter], device: torch.device
) -> Optimizer:
    rate = settings.learning_rate
    on_cuda = device.type == "cuda"
    made: Optimizer
    if settings.optimiser == "sgd":
        made = SGD(
            parameters,
            lr=_rate(rate, device),
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
            fused=True if on_cuda else None,
        )
    else:
        made = AdamW(
            parameters,
            lr=_rate(rate, device),
            weight_decay=settings.weight_decay,
            fused=on_cuda or device.type == "cpu",
            capturable=on_cuda,
        )
    return _based(made, rate)


def _rate(rate: float, device: torch.device) -> Any:
    """A rate; on CUDA a scalar on the device, so that a recorded step can read it."""
    return torch.tensor(rate, device=device) if device.type == "cuda" else rate


def _based(optimiser: Optimizer, rate: float) -> Optimizer:
    """Remember the optimiser's own rate, which the schedule multiplies."""
    for group in optimiser.param_groups:
        group["base"] = rate
    return optimiser
