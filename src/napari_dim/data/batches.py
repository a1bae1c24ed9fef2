"""Random batches of views from the store."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from napari_dim.data.augment import (
    WeakView,
    beyond,
    look,
    look_labels,
    published_strong_view,
    random_tones,
    strong_view,
)
from napari_dim.data.random_contrast import random_contrast
from napari_dim.data.slice_store import SliceStore
from napari_dim.data.slice_stream import Stream


@dataclass(frozen=True)
class Views:
    """The views of one draw; what each is stands at `systems.dim.Batch`."""

    labelled: Tensor
    labelled_strong: Tensor
    index: Tensor
    unlabelled: Tensor | None = None
    unlabelled_strong: Tensor | None = None
    scans: tuple[Tensor, Tensor] | None = None


@dataclass(frozen=True)
class Drawn:
    """The slices of one draw as they are stored, labelled ones first.

    Attributes
    ----------
    images
        ``(n, channel, row, column)``, neighbours as channels.
    sizes
        ``(n, 2)``: rows and columns that each slice fills.
    scans
        ``(n,)``: the case that each is of.
    labels
        ``(B_l, row, column)``: class index + 1, 0 where there is no target.
    """

    images: Tensor
    sizes: Tensor
    scans: Tensor
    labels: Tensor


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
    factors
        Range of the published strong view's factors; None for ours.
    dark
        Whether what lies beyond a slice is dark and background, not its edge again.
    contrast
        Share of the slices whose strong view is in a random contrast.
    without
        Chance that a slice stands in its neighbours' place, too.
    tones
        Share of the slices whose strong view has random tones.
    corrected
        How often a corrected slice is drawn for each time of another labelled one.
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
    factors: tuple[float, float] | None = None
    dark: bool = False
    contrast: float = 0.0
    without: float = 0.0
    tones: float = 0.0
    corrected: float = 1.0

    def draw(self, *, with_unlabelled: bool, with_strong: bool = True) -> Views:
        """One batch; without unlabelled slices where there are none or none are wanted.

        Without `with_strong`, unlabelled slices have no strong view. All slices of a batch
        go through each view together: a call costs more than a slice.
        """
        return self.views(self.pick(with_unlabelled=with_unlabelled), with_strong=with_strong)

    def pick(self, *, with_unlabelled: bool) -> Drawn:
        """The slices of one batch; only labelled ones where no others are there or wanted."""
        store = self.store
        device = store.images.device
        count = self.labelled
        if store.corrected is None:
            pick = torch.randint(
                len(store.labelled), (count,), generator=self.generator, device=device
            )
        else:
            odds = 1 + (self.corrected - 1) * store.corrected
            pick = torch.multinomial(odds, count, replacement=True, generator=self.generator)
        chosen = [(store, store.labelled[pick])]
        others = store
        if with_unlabelled and self.stream is not None:
            others = self.stream.take(self.unlabelled)
        if with_unlabelled and len(others.unlabelled):
            drawn = torch.multinomial(
                others.odds, self.unlabelled, replacement=True, generator=self.generator
            )
            chosen.append((others, others.unlabelled[drawn]))
        return Drawn(
            self._alone(
                torch.cat([source.with_context(index, self.context) for source, index in chosen])
            ),
            torch.cat([source.sizes[index] for source, index in chosen]),
            torch.cat([source.case[index] for source, index in chosen]),
            store.labels[pick],
        )

    def views(self, drawn: Drawn, *, with_strong: bool = True) -> Views:
        """The views of these slices; nothing here waits for the device."""
        images, sizes, count = drawn.images, drawn.sizes, len(drawn.labels)
        alone = len(images) == count
        with_strong = with_strong and not alone
        canvas = (images.shape[-2], images.shape[-1])
        place = self.weak.grid(sizes, canvas, self.generator, labelled=count)
        weak = look(images, place, sizes)
        index = look_labels(drawn.labels, place[:count], sizes[:count])
        if self.dark:
            outside = beyond(place, sizes)
            weak = torch.where(outside[:, None], weak.amin((1, 2, 3), keepdim=True), weak)
            index = torch.where(outside[:count], 0, index)

        first = 0 if self.strong_labelled else count
        last = len(weak) if with_strong else count
        strong = weak
        if first < last:
            strong = self._strong(weak[first:last])
        labelled_strong = strong[:count] if self.strong_labelled else weak[:count]
        if alone:
            return Views(weak, labelled_strong, index)
        scans = (drawn.scans[:count], drawn.scans[count:])
        other_strong = strong[count - first :] if with_strong else None
        return Views(weak[:count], labelled_strong, index, weak[count:], other_strong, scans)

    def _alone(self, images: Tensor) -> Tensor:
        """Slices with their neighbours as channels, some without them."""
        if self.without <= 0 or not self.context:
            return images
        shown = 2 * self.context + 1
        own = images.chunk(shown, 1)[self.context].repeat(1, shown, 1, 1)
        draw = torch.rand(len(images), generator=self.generator, device=images.device)
        return torch.where((draw < self.without)[:, None, None, None], own, images)

    def _strong(self, weak: Tensor) -> Tensor:
        shown = 2 * self.context + 1
        weak = random_contrast(weak, self.contrast, self.generator, neighbours=shown)
        weak = random_tones(weak, self.tones, self.generator)
        if self.factors is not None:
            return published_strong_view(weak, self.factors, self.generator)
        return strong_view(weak, self.strength, self.generator)
