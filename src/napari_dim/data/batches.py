"""Random batches of views from the store."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from napari_dim.data.augment import WeakView, look, look_labels, strong_view
from napari_dim.data.store import SliceStore
from napari_dim.data.stream import Stream


@dataclass(frozen=True)
class Views:
    """The views of one draw; what each is stands at `method.dim.Batch`."""

    labelled: Tensor
    labelled_strong: Tensor
    index: Tensor
    unlabelled: Tensor | None = None
    unlabelled_strong: Tensor | None = None
    scans: tuple[Tensor, Tensor] | None = None


@dataclass
class Sampler:
    """Draws batches.

    Attributes
    ----------
    store
        The slices; another one may take its place between two steps.
    weak
        The geometric view.
    generator
        Source of all draws, on the store's device.
    context
        Neighbouring slices on each side.
    labelled, unlabelled
        Slices of each kind in a batch.
    strength
        Of the strong view.
    strong_labelled
        Whether `Views.labelled_strong` is strong, or the weak view again.
    stream
        Where unlabelled slices come from if the store can't hold them.
    """

    store: SliceStore
    weak: WeakView
    generator: torch.Generator
    context: int
    labelled: int
    unlabelled: int
    strength: float
    strong_labelled: bool
    stream: Stream | None = None

    def draw(self, *, with_unlabelled: bool) -> Views:
        """One batch; without unlabelled slices where there are none or none are wanted."""
        store = self.store
        device = store.images.device
        pick = torch.randint(
            len(store.labelled), (self.labelled,), generator=self.generator, device=device
        )
        image, place, sizes = self._view(store, store.labelled[pick])
        owner = store.case[store.labelled[pick]]
        index = look_labels(store.labels[pick], place, sizes)
        strong = (
            strong_view(image, self.strength, self.generator) if self.strong_labelled else image
        )
        if with_unlabelled and self.stream is not None:
            store = self.stream.take(self.unlabelled)
        if not with_unlabelled or not len(store.unlabelled):
            return Views(image, strong, index)
        pick = torch.multinomial(
            store.odds, self.unlabelled, replacement=True, generator=self.generator
        )
        other, _, _ = self._view(store, store.unlabelled[pick])
        other_strong = strong_view(other, self.strength, self.generator)
        scans = owner, store.case[store.unlabelled[pick]]
        return Views(image, strong, index, other, other_strong, scans)

    def _view(self, store: SliceStore, index: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        sizes = store.sizes[index]
        images = store.with_context(index, self.context)
        canvas = (images.shape[-2], images.shape[-1])
        place = self.weak.grid(sizes, canvas, self.generator)
        return look(images, place, sizes), place, sizes
