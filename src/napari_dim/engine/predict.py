"""Masks for the slices of one volume."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_dim.data.case import Case
from napari_dim.data.working import normalised, padded
from napari_dim.engine.adapt import adapted
from napari_dim.engine.device import pick_device
from napari_dim.engine.model import Model
from napari_dim.engine.pieces import main_pieces
from napari_dim.engine.precision import autocast_for, use_threads
from napari_dim.errors import InputError
from napari_dim.method.entropy import sample_entropy
from napari_dim.method.targets import Targets
from napari_dim.volume import Volume

BATCH = 8


@dataclass(frozen=True)
class Prediction:
    """The masks of a volume.

    Attributes
    ----------
    mask
        Class ids, ``(slice, row, column)`` in the volume's own grid, smallest unsigned type.
    slices
        Numbers of the slices predicted, ``(n,)``.
    entropy
        Mean entropy of each of them as a share of its maximum, ``(n,)``, in [0, 1].
    """

    mask: np.ndarray
    slices: np.ndarray
    entropy: np.ndarray


def predict(
    model: Model,
    volume: Volume,
    *,
    device: str = "auto",
    threads: int = 0,
    adapt: bool = False,
    slices: Sequence[int] | None = None,
    progress: Callable[[float], None] | None = None,
) -> Prediction:
    """Segment a volume with the student.

    Parameters
    ----------
    model
        A trained model.
    volume
        The image, with as many channels as the model was trained on.
    device, threads
        As in `config.Settings`.
    adapt
        First fit a copy of the model to this scan, without labels (section 3.2).
    slices
        Numbers of the slices wanted; the others stay 0. All by default: only then are
        stray pieces dropped (`engine.pieces`).
    progress
        Called with the share done, in [0, 1].

    Raises
    ------
    InputError
        If the volume doesn't fit the model.
    """
    if volume.channels != model.channels:
        raise InputError(
            f"the image has {volume.channels} channels, the model was trained on {model.channels}",
            where=volume.path,
        )
    use_threads(threads)
    target_device = pick_device(device)
    numbers = np.arange(volume.array.shape[0]) if slices is None else np.asarray(slices, dtype=int)
    stack = normalised(volume, model.grid.shape(volume))
    predictor = Predictor(model, target_device)
    if adapt:
        views = [predictor.view(stack, chunk) for chunk in _chunks(np.arange(len(stack)))]
        predictor.net = adapted(
            predictor.net, views, predictor.targets, model.settings, predictor.autocast
        )
    mask, entropy = predictor.masks(stack, numbers, volume.array.shape[1:3], progress)
    if slices is None:
        return Prediction(main_pieces(mask, model.pieces), numbers, entropy)
    whole = np.zeros(volume.array.shape[:3], dtype=mask.dtype)
    whole[numbers] = mask
    return Prediction(whole, numbers, entropy)


class Predictor:
    """Runs a model's student over a normalised stack.

    Parameters
    ----------
    model
        A trained model, or one in training: its mode is set and put back.
    device
        Where to run.
    """

    def __init__(self, model: Model, device: torch.device) -> None:
        self.model = model
        self.device = device
        self.net: nn.Module = model.student.to(device)
        self.targets: Targets = model.targets.to(device)
        self.autocast: Callable[[], AbstractContextManager[object]] = autocast_for(
            device, model.settings.mixed_precision
        )
        largest = max(model.classes, default=0)
        self.ids = np.array((0, *model.classes), dtype=np.min_scalar_type(largest))

    def view(self, stack: Tensor, numbers: np.ndarray) -> Tensor:
        """Slices with their neighbours as channels, padded, ``(n, channel, row, column)``."""
        context = self.model.context
        places = numbers[:, None] + np.arange(-context, context + 1)
        places = places.clip(0, len(stack) - 1)
        x = stack[torch.from_numpy(places).to(stack.device)].flatten(1, 2)
        x = padded(x.to(self.device).float())
        return x.contiguous(memory_format=torch.channels_last)

    @torch.no_grad()
    def __call__(
        self, stack: Tensor, numbers: np.ndarray, shape: tuple[int, ...]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Class ids ``(n, *shape)`` and entropies ``(n,)`` of some slices of a stack."""
        rows, columns = stack.shape[-2:]
        was_training = self.net.training
        self.net.eval()
        try:
            with self.autocast():
                logits = self.net(self.view(stack, numbers))
        finally:
            self.net.train(was_training)
        logits = logits[..., :rows, :columns].float()
        entropy = sample_entropy(self.targets, logits)
        probability = self.targets.class_probability(self.targets.probability(logits))
        if tuple(shape) != (rows, columns):
            probability = F.interpolate(
                probability, size=tuple(shape), mode="bilinear", align_corners=False
            )
        index = probability.argmax(1).cpu().numpy()
        return self.ids[index], entropy.cpu().numpy()

    def whole(self, case: Case) -> np.ndarray:
        """The mask of all slices of a case, ``(slice, row, column)``, as the network says."""
        stack = normalised(case.volume, self.model.grid.shape(case.volume))
        shape = case.volume.array.shape[1:3]
        return self.masks(stack, np.arange(len(stack)), shape)[0]

    def masks(
        self,
        stack: Tensor,
        numbers: np.ndarray,
        shape: tuple[int, ...],
        progress: Callable[[float], None] | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """As a call, for any number of slices, a few at a time."""
        mask = np.zeros((len(numbers), *shape), dtype=self.ids.dtype)
        entropy = np.zeros(len(numbers), dtype=np.float32)
        for start in range(0, len(numbers), BATCH):
            part = slice(start, start + BATCH)
            mask[part], entropy[part] = self(stack, numbers[part], shape)
            if progress is not None:
                progress(min(1.0, (start + BATCH) / len(numbers)))
        return mask, entropy


def _chunks(numbers: np.ndarray) -> list[np.ndarray]:
    return [numbers[i : i + BATCH] for i in range(0, len(numbers), BATCH)]
