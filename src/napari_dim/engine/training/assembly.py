"""The parts of a training, made from its settings: the step and the source of its batches."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import torch

from napari_dim.data.augment import WeakView
from napari_dim.data.batches import Sampler
from napari_dim.data.slice_store import SliceStore
from napari_dim.data.slice_stream import Stream
from napari_dim.engine.inference.trained_model import Model
from napari_dim.engine.precision import autocast_for
from napari_dim.systems.dim import DiM, Options


def training_method(
    model: Model,
    store: SliceStore,
    device: torch.device,
    stream: Stream | None = None,
    *,
    experienced: bool = False,
) -> tuple[DiM, Sampler]:
    """The step and the source of its batches, for a model and the slices in `store`.

    Unlabelled slices that are not in `store` come from `stream`;
    `experienced` tells that the weights come from an earlier training.
    """
    settings = model.settings
    generator = torch.Generator(device).manual_seed(settings.seed)
    student = model.student.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    teacher = model.teacher
    if teacher is not None:
        teacher = teacher.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    on_cuda = device.type == "cuda"
    # There the rate is a scalar on the device, so that a recorded step can read it.
    rate: Any = settings.learning_rate
    if on_cuda:
        rate = torch.tensor(rate, device=device)
    optimiser: torch.optim.Optimizer
    if settings.optimiser == "sgd":
        optimiser = torch.optim.SGD(
            student.parameters(),
            lr=rate,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
            fused=True if on_cuda else None,
        )
    else:
        optimiser = torch.optim.AdamW(
            student.parameters(),
            lr=rate,
            weight_decay=settings.weight_decay,
            fused=on_cuda or device.type == "cpu",
            capturable=on_cuda,
        )
    options = Options(**{f.name: getattr(settings, f.name) for f in fields(Options)})
    method = DiM(
        student,
        teacher,
        model.targets.to(device),
        optimiser,
        options,
        generator,
        autocast_for(device, settings.mixed_precision),
        experienced=experienced,
    )
    weak = WeakView(
        model.grid.patch,
        settings.mirror,
        settings.flip,
        settings.rotation,
        settings.zoom,
        settings.elastic,
    )
    sampler = Sampler(
        store,
        weak,
        generator,
        model.context,
        settings.labelled_batch,
        settings.unlabelled_batch,
        settings.strength,
        settings.strong_labelled,
        stream,
    )
    return method, sampler


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Give all of an optimiser's parameters this learning rate, without waiting for the device."""
    for group in optimiser.param_groups:
        if isinstance(group["lr"], torch.Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate
