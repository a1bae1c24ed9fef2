"""Masks for the slices of one volume."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_dim.data.lazy_slices import LazySlices
from napari_dim.data.turning import AS_IT_IS, Turn
from napari_dim.data.working_grid import normalised, padded
from napari_dim.engine.device import is_out_of_memory, pick_device, release_memory
from napari_dim.engine.inference.components import main_pieces
from napari_dim.engine.inference.trained_model import Model
from napari_dim.engine.precision import autocast_for, use_threads
from napari_dim.io.channels import read_as
from napari_dim.method.entropy import sample_entropy
from napari_dim.method.targets import Targets
from napari_dim.volume import Volume

BATCH = 8
"""Slices that go through the network at once."""
CUDA_BATCH = 32
"""On a graphics card, which is told of each layer once for all of them."""
MOST_NEIGHBOURS = 8
"""On each side of a slice, however thin the slices are."""
SPREAD = 12
"""Slices of a wide scan that tell whether its structures lie where they do elsewhere."""
SIZES = 3
"""Sizes of a wide scan that are tried."""


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
    confidence
        Probability of the class that each pixel was given, in 255ths, at the size at which the
        network saw the slices, ``(n, row, column)`` uint8.
    """

    mask: np.ndarray
    slices: np.ndarray
    entropy: np.ndarray
    confidence: np.ndarray


def predict(
    model: Model,
    volume: Volume,
    *,
    device: str = "auto",
    threads: int = 0,
    slices: Sequence[int] | None = None,
    progress: Callable[[float], None] | None = None,
) -> Prediction:
    """Segment a volume.

    Parameters
    ----------
    model
        A trained model.
    volume
        The image, with as many channels as the model was trained on.
    device, threads
        As in `config.Settings`.
    slices
        Numbers of the slices wanted; the others stay 0. All by default: only then are
        neighbouring slices averaged and stray pieces dropped (`engine.inference.components`).
    progress
        Called with the share done, in [0, 1], every few slices; what it raises ends the work.

    Raises
    ------
    InputError
        If the volume doesn't fit the model.
    """
    volume = read_as(volume, model.channels)
    model.check_fits(volume)
    use_threads(threads)
    target_device = pick_device(device)
    numbers = np.arange(volume.array.shape[0]) if slices is None else np.asarray(slices, dtype=int)
    check = None if progress is None else lambda: progress(0.0)
    predictor = Predictor(model, target_device)
    turn = model.grid.turn(volume)
    stack = normalised(volume, predictor.shape(volume), check=check, turn=turn)
    if slices is None:
        found = predictor.whole(volume, stack, progress)
        return replace(found, mask=main_pieces(found.mask, model.pieces))
    found = predictor.masks(stack, numbers, volume.array.shape[1:3], progress, turn)
    whole = np.zeros(volume.array.shape[:3], dtype=found.mask.dtype)
    whole[numbers] = found.mask
    return replace(found, mask=whole)


class Predictor:
    """Runs a model over a normalised stack.

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
        self.batch = CUDA_BATCH if device.type == "cuda" else BATCH
        self.net: nn.Module = model.net.to(device)
        self.targets: Targets = model.targets.to(device)
        self.autocast: Callable[[], AbstractContextManager[object]] = autocast_for(
            device, model.settings.mixed_precision
        )
        largest = max(model.classes, default=0)
        self.ids = np.array((0, *model.classes), dtype=np.min_scalar_type(largest))

    def shape(self, volume: Volume) -> tuple[int, int]:
        """Rows and columns at which a scan is predicted.

        Those of the working grid. Slices that are seen in a window may show the structures
        smaller than the labelled ones did, for their scale is another, or wrong in the file:
        they are enlarged up to `config.Settings.closer` times where the network is then surer
        of what it marks in slices spread over the scan.
        """
        own = self.model.grid.shape(volume)
        closer = self.model.settings.closer
        if closer <= 1 or not (self.model.settings.focus and self.model.grid.is_wide(own)):
            return own
        numbers = _spread(volume.array.shape[0])
        tried: list[tuple[int, float, tuple[int, int]]] = []
        for power in range(SIZES):
            factor = closer ** (power / (SIZES - 1))
            shape = round(own[0] * factor), round(own[1] * factor)
            stack = LazySlices(volume, shape, self.model.grid.turn(volume))
            found = [self._probability(stack, part)[0] for part in _chunks(numbers, self.batch)]
            shown, sure = _marked(torch.cat(found))
            tried.append((shown, sure, shape))
        most = max(shown for shown, _, _ in tried)
        able = [(sure, shape) for shown, sure, shape in tried if 2 * shown >= most > 0]
        return max(able, key=lambda each: each[0])[1] if able else own

    def view(
        self, stack: Tensor | LazySlices, numbers: np.ndarray, *, everywhere: bool = False
    ) -> Tensor:
        """Slices with their neighbours as channels, padded, ``(n, channel, row, column)``.

        Of slices much larger than training's patch only the window around the structures'
        usual place (`WorkingGrid.window`): networks that normalise over what they see are put
        off by a field of view that they were not trained on. All of them if `everywhere`.
        """
        context = self.model.context
        places = numbers[:, None] + np.arange(-context, context + 1)
        places = places.clip(0, len(stack) - 1)
        x = stack[torch.from_numpy(places).to(stack.device)].flatten(1, 2)
        rows, columns = self._window((int(x.shape[-2]), int(x.shape[-1])), everywhere)
        x = padded(x[..., rows, columns].to(self.device).float())
        return x.contiguous(memory_format=torch.channels_last)

    def __call__(
        self,
        stack: Tensor | LazySlices,
        numbers: np.ndarray,
        shape: tuple[int, ...],
        turn: Turn = AS_IT_IS,
    ) -> Prediction:
        """The prediction of some slices of a stack; the mask is ``(n, *shape)``.

        `turn` is how the stack was turned: masks lie as the scan does.
        """
        probability, entropy = self._probability(stack, numbers)
        probability = _emptied(turn.back(probability), self._blank(stack, numbers))
        return Prediction(self._ids(probability, shape), numbers, entropy, _confidence(probability))

    @torch.no_grad()
    def disagreement(
        self, stack: Tensor | LazySlices, progress: Callable[[float], None] | None = None
    ) -> np.ndarray:
        """How far a second network differs on each slice, ``(slice,)``, in [0, 1].

        The difference of each structure's probability, mean of the pixels. Every structure has
        the same share of the whole scan's: a network that hardly finds one of several differs
        little there, and nowhere else is more to be learnt. 0 where there is no second network:
        see `systems.system.System.second_opinion`. `progress` is called with the share done.
        """
        other = self.model.system.second_opinion()
        if other is None:
            return np.zeros(len(stack), dtype=np.float32)
        nets = [self.model.net, other]
        kept = self.net
        found = []
        try:
            for part in _chunks(np.arange(len(stack)), self.batch):
                said = []
                for net in nets:
                    self.net = net.to(self.device)
                    said.append(self._probability(stack, part)[0])
                found.append((said[0] - said[1]).abs().mean((2, 3))[:, 1:].cpu())
                if progress is not None:
                    progress((part[-1] + 1) / len(stack))
        finally:
            self.net = kept
        apart = torch.cat(found)
        of_class = apart.sum(0)
        share = apart / of_class.clamp_min(1e-12)
        return np.asarray((share.mean(1) * of_class.sum()).clamp_max(1.0), dtype=np.float32)

    @torch.no_grad()
    def _probability(
        self, stack: Tensor | LazySlices, numbers: np.ndarray, *, everywhere: bool = False
    ) -> tuple[Tensor, np.ndarray]:
        """Of each class on the working grid, ``(n, class, row, column)``, and entropies.

        Where the memory does not suffice for all slices at once, they are halved.
        """
        try:
            return self._forward(stack, numbers, everywhere)
        except Exception as error:
            if len(numbers) < 2 or not is_out_of_memory(error):
                raise
        # Outside of the handler, which holds on to what filled the memory.
        release_memory(thorough=True)
        middle = len(numbers) // 2
        halves = [
            self._probability(stack, part, everywhere=everywhere)
            for part in (numbers[:middle], numbers[middle:])
        ]
        return torch.cat([half[0] for half in halves]), np.concatenate([half[1] for half in halves])

    def _forward(
        self, stack: Tensor | LazySlices, numbers: np.ndarray, everywhere: bool
    ) -> tuple[Tensor, np.ndarray]:
        was_training = self.net.training
        self.net.eval()
        try:
            with self.autocast():
                logits = self.net(self.view(stack, numbers, everywhere=everywhere))
        finally:
            self.net.train(was_training)
        size = int(stack.shape[-2]), int(stack.shape[-1])
        rows, columns = self._window(size, everywhere)
        height, width = rows.stop - rows.start, columns.stop - columns.start
        logits = logits[..., :height, :width].float()
        entropy = sample_entropy(self.targets, logits)
        probability = self.targets.class_probability(self.targets.probability(logits))
        if (height, width) != size:  # beyond the window all is background
            whole = probability.new_zeros(*probability.shape[:2], *size)
            whole[:, 0] = 1.0
            whole[..., rows, columns] = probability
            probability = whole
        return probability, entropy.cpu().numpy()

    def _window(self, size: tuple[int, int], everywhere: bool) -> tuple[slice, slice]:
        """The rows and columns of such slices that the network sees."""
        if self.model.settings.focus and not everywhere:
            return self.model.grid.window(size)
        return slice(0, size[0]), slice(0, size[1])

    def _misses(self, stack: Tensor | LazySlices) -> bool:
        """Whether slices spread over a scan show nothing at all in their window.

        Then the structures lie elsewhere in this scan's field of view, if they are in it.
        """
        size = int(stack.shape[-2]), int(stack.shape[-1])
        if self._window(size, False) == self._window(size, True):
            return False
        return not any(
            (self._probability(stack, part)[0].argmax(1) > 0).any().item()
            for part in _chunks(_spread(len(stack)), self.batch)
        )

    def _blank(self, stack: Tensor | LazySlices, numbers: np.ndarray) -> Tensor:
        """Which slices hold one value alone, as those that a series lacks: nothing is in them."""
        own = stack[torch.from_numpy(numbers).to(stack.device)].flatten(1)
        return (own.amax(1) == own.amin(1)).to(self.device)

    def _ids(self, probability: Tensor, shape: tuple[int, ...]) -> np.ndarray:
        """The likeliest class of each pixel of the volume's own grid, ``(n, *shape)``."""
        ids = np.zeros((len(probability), *shape), self.ids.dtype)
        # Over the background, per class: one channel less to bring onto the volume's grid.
        lead = probability[:, 1:] - probability[:, :1]
        # Between pixels of background all is background: slices without the structure are done.
        some = (lead > 0).flatten(1).any(1)
        if not some.any():
            return ids
        if not some.all():
            lead = lead[some]
        if tuple(shape) != tuple(lead.shape[-2:]):
            lead = F.interpolate(lead, size=tuple(shape), mode="bilinear", align_corners=False)
        if lead.shape[1] == 1:
            index = lead[:, 0] > 0
        else:
            best, place = lead.max(1)
            index = torch.where(best > 0, place + 1, 0)
        found = index.to(torch.uint8).cpu().numpy()
        known = np.array_equal(self.ids, np.arange(len(self.ids)))  # each id is its index
        ids[some.cpu().numpy()] = found if known else self.ids[found]
        return ids

    def whole(
        self,
        volume: Volume,
        stack: Tensor | LazySlices,
        progress: Callable[[float], None] | None = None,
    ) -> Prediction:
        """The prediction of all slices; stray pieces are still in it.

        Parameters
        ----------
        volume
            The image.
        stack
            Its slices, `data.working_grid.normalised` or `data.lazy_slices.LazySlices`.
        progress
            Called with the share done, in [0, 1].
        """
        count, shape = len(stack), volume.array.shape[1:3]
        mask = np.zeros((count, *shape), dtype=self.ids.dtype)
        entropy = np.zeros(count, dtype=np.float32)
        seen = self.model.grid.turn(volume).own((stack.shape[-2], stack.shape[-1]))
        confidence = np.zeros((count, *seen), dtype=np.uint8)
        for block in self.blocks(volume, stack):
            here = block.slices
            mask[here], entropy[here], confidence[here] = (
                block.mask,
                block.entropy,
                block.confidence,
            )
            if progress is not None:
                progress((int(here[-1]) + 1) / count)
        return Prediction(mask, np.arange(count), entropy, confidence)

    def blocks(self, volume: Volume, stack: Tensor | LazySlices) -> Iterator[Prediction]:
        """The prediction of all slices in order, a few at a time; stray pieces are still in it.

        Each slice's probabilities are averaged with its neighbours' (a Gaussian of
        `config.Settings.smooth` pixels of the working grid): along the slice axis an organ
        is as smooth as within a slice, but the network hardly looks there. What is held in
        memory does not grow with the number of slices.
        """
        count, shape = len(stack), volume.array.shape[1:3]
        everywhere = self._misses(stack)
        entropy = np.zeros(count, dtype=np.float32)
        weights = self._across(volume)
        turn = self.model.grid.turn(volume)
        reach = len(weights) // 2
        blank = torch.zeros(count, dtype=torch.bool, device=self.device)
        kept: list[Tensor] = []  # from slice `first` on; a few slices bound the memory
        first = done = 0
        for start in range(0, count, self.batch):
            part = np.arange(start, min(start + self.batch, count))
            probability, entropy[part] = self._probability(stack, part, everywhere=everywhere)
            blank[start : start + len(part)] = self._blank(stack, part)
            kept += probability.unbind(0)
            ready = count if part[-1] == count - 1 else max(done, part[-1] + 1 - reach)
            if ready <= done:
                continue
            smooth = _averaged(torch.stack(kept), weights, done - first, ready - first)
            smooth = _emptied(turn.back(smooth), blank[done:ready])
            mask = np.zeros((len(smooth), *shape), dtype=self.ids.dtype)
            for at in range(0, len(smooth), self.batch):
                few = slice(at, at + self.batch)
                mask[few] = self._ids(smooth[few], shape)
            here = np.arange(done, ready)
            yield Prediction(mask, here, entropy[here], _confidence(smooth))
            done = ready
            kept = kept[max(0, done - reach) - first :]
            first = max(0, done - reach)

    def _across(self, volume: Volume) -> Tensor:
        """Weights of a slice's neighbours and itself, ``(2 reach + 1,)``."""
        if volume.grid.unit != "mm":
            return torch.ones(1, device=self.device)
        sigma = self.model.settings.smooth * self.model.grid.pixel / volume.spacing[0]
        reach = min(round(2 * sigma), MOST_NEIGHBOURS)
        offsets = torch.arange(-reach, reach + 1, device=self.device)
        return torch.exp(-0.5 * (offsets / max(sigma, 1e-6)) ** 2)

    def masks(
        self,
        stack: Tensor | LazySlices,
        numbers: np.ndarray,
        shape: tuple[int, ...],
        progress: Callable[[float], None] | None = None,
        turn: Turn = AS_IT_IS,
    ) -> Prediction:
        """As a call, for any number of slices, a few at a time."""
        mask = np.zeros((len(numbers), *shape), dtype=self.ids.dtype)
        entropy = np.zeros(len(numbers), dtype=np.float32)
        seen = turn.own((stack.shape[-2], stack.shape[-1]))
        confidence = np.zeros((len(numbers), *seen), dtype=np.uint8)
        for start in range(0, len(numbers), self.batch):
            part = slice(start, start + self.batch)
            found = self(stack, numbers[part], shape, turn)
            mask[part], entropy[part] = found.mask, found.entropy
            confidence[part] = found.confidence
            if progress is not None:
                progress(min(1.0, (start + self.batch) / len(numbers)))
        return Prediction(mask, numbers, entropy, confidence)


def _marked(probability: Tensor) -> tuple[int, float]:
    """How many slices show a structure, and how sure the network is of the pixels in them."""
    top, index = probability.max(1)
    marked = index > 0
    count = int(marked.flatten(1).any(1).sum())
    return count, float(top[marked].mean()) if count else 0.0


def _emptied(probability: Tensor, blank: Tensor) -> Tensor:
    """Background alone in some slices."""
    if not blank.any():
        return probability
    sure = torch.zeros_like(probability)
    sure[:, 0] = 1.0
    return torch.where(blank[:, None, None, None], sure, probability)


def _confidence(probability: Tensor) -> np.ndarray:
    """Of the likeliest class, in 255ths, ``(n, row, column)`` uint8."""
    share: np.ndarray = (probability.amax(1) * 255).round().to(torch.uint8).cpu().numpy()
    return share


def _averaged(x: Tensor, weights: Tensor, begin: int, end: int) -> Tensor:
    """Slices `begin` to `end` of `x`, averaged with their neighbours as far as there are any."""
    reach = len(weights) // 2
    if not reach:
        return x[begin:end]
    offset = torch.arange(len(x), device=x.device) - torch.arange(
        begin, end, device=x.device
    ).unsqueeze(1)
    share = weights[(offset + reach).clamp(0, 2 * reach)] * (offset.abs() <= reach)
    share = share / share.sum(1, keepdim=True)
    return (share @ x.flatten(1)).view(end - begin, *x.shape[1:])


def _spread(count: int) -> np.ndarray:
    """Numbers of slices spread over a scan of so many."""
    return np.unique(np.linspace(0, count - 1, SPREAD).round().astype(int))


def _chunks(numbers: np.ndarray, size: int) -> list[np.ndarray]:
    return [numbers[i : i + size] for i in range(0, len(numbers), size)]
