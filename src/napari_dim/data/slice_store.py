"""All slices of a training on the device at once, in a compact type."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from napari_dim.data.case import Case, unsaid_groups
from napari_dim.data.turning import Turn
from napari_dim.data.working_grid import WorkingGrid, normalised
from napari_dim.states import OPEN, SliceState


@dataclass(frozen=True)
class SliceStore:
    """Slices and labels as tensors on the training device.

    Attributes
    ----------
    images
        ``(n, channel, row, column)``, float16; each slice in the top left corner.
    sizes
        ``(n, 2)``: rows and columns that the slice fills.
    case
        ``(n,)``: the place of each slice's case among the training's.
    first, last
        ``(n,)``: first and last slice of the same case, for neighbours.
    labels
        ``(l, row, column)``, uint8: class index + 1, 0 where there is no target; what may
        be background or a class that was not looked for as `method.targets.Targets.allow`
        says, its groups those of `data.case.unsaid_groups`.
    labelled, unlabelled
        ``(l,)`` and ``(u,)``: their places in `images`.
    odds
        ``(u,)``: chance of each unlabelled slice to be drawn.
    corrected
        ``(l,)``, 1 where a person changed the machine's mask, else 0; None where nobody did.
    """

    images: Tensor
    sizes: Tensor
    case: Tensor
    first: Tensor
    last: Tensor
    labels: Tensor
    labelled: Tensor
    unlabelled: Tensor
    odds: Tensor
    corrected: Tensor | None = None

    @classmethod
    def build(
        cls,
        cases: Sequence[Case],
        grid: WorkingGrid,
        classes: Mapping[int, int],
        device: torch.device,
        *,
        with_labelled: bool = True,
        unlabelled: Sequence[np.ndarray] | None = None,
        neighbours: int = 0,
        check: Callable[[], None] | None = None,
    ) -> SliceStore:
        """Bring cases onto the working grid and the device.

        Parameters
        ----------
        cases
            What to train on.
        grid
            The working grid.
        classes
            Class id -> class index; ids that are missing count as background.
        device
            Where the tensors go.
        with_labelled
            Whether labelled slices are wanted.
        unlabelled
            Numbers of the unlabelled slices that are wanted, for each case; by default all
            slices are kept, and those in `Case.guessed` are drawn.
        neighbours
            How many slices on each side of a wanted one are kept too.
        check
            Called after every few slices; what it raises ends the work.
        """
        wanted = [case.guessed for case in cases] if unlabelled is None else unlabelled
        rows, columns = np.max([grid.shape(case.volume) for case in cases], axis=0)
        canvas = (max(int(rows), grid.patch[0]), max(int(columns), grid.patch[1]))
        images: list[Tensor] = []
        sizes: list[tuple[int, int]] = []
        owner: list[int] = []
        first: list[int] = []
        last: list[int] = []
        labels: list[Tensor] = []
        labelled: list[int] = []
        without: list[int] = []
        sites: list[str] = []
        groups = unsaid_groups(cases, classes)
        start = 0
        for number_of_case, (case, others) in enumerate(zip(cases, wanted, strict=True)):
            targets = np.concatenate([case.labelled, others]) if with_labelled else others
            if unlabelled is None:  # any slice may be labelled later: `relabelled`
                targets = np.arange(len(case.states))
            numbers = near(targets, neighbours, len(case.states))
            if not numbers.size:
                continue
            shape = grid.shape(case.volume)
            turn = grid.turn(case.volume)
            stack = normalised(case.volume, shape, numbers, check, turn)
            images.append(_cornered(stack, canvas))
            sizes += [shape] * len(numbers)
            owner += [number_of_case] * len(numbers)
            first += [start] * len(numbers)
            last += [start + len(numbers) - 1] * len(numbers)
            is_labelled = np.isin(numbers, case.labelled) & with_labelled
            is_other = np.isin(numbers, others)
            for place, number in enumerate(numbers):
                if is_labelled[place]:
                    labels.append(
                        _cornered(_label(case, int(number), classes, groups, shape, turn), canvas)[
                            0, 0
                        ]
                    )
                    labelled.append(start + place)
                elif is_other[place]:
                    without.append(start + place)
                    sites.append(case.site)
            start += len(numbers)
        return cls(
            torch.cat(images).to(device),
            torch.tensor(sizes, device=device),
            torch.tensor(owner, device=device),
            torch.tensor(first, device=device),
            torch.tensor(last, device=device),
            (torch.stack(labels) if labels else torch.zeros(0, *canvas, dtype=torch.uint8)).to(
                device
            ),
            torch.tensor(labelled, dtype=torch.long, device=device),
            torch.tensor(without, dtype=torch.long, device=device),
            _odds(sites).to(device),
            _corrected(cases, device) if with_labelled else None,
        )

    def relabelled(
        self, cases: Sequence[Case], grid: WorkingGrid, classes: Mapping[int, int]
    ) -> SliceStore:
        """The same slices with other labels; every slice of `cases` must be in this store."""
        canvas = (int(self.images.shape[-2]), int(self.images.shape[-1]))
        device = self.images.device
        labels: list[Tensor] = []
        labelled: list[int] = []
        without: list[int] = []
        sites: list[str] = []
        groups = unsaid_groups(cases, classes)
        start = 0
        for case in cases:
            shape, turn = grid.shape(case.volume), grid.turn(case.volume)
            labelled += [start + int(n) for n in case.labelled]
            labels += [
                _cornered(_label(case, int(n), classes, groups, shape, turn), canvas)[0, 0]
                for n in case.labelled
            ]
            without += [start + int(n) for n in case.guessed]
            sites += [case.site] * len(case.guessed)
            start += len(case.states)
        return replace(
            self,
            labels=torch.stack(labels).to(device),
            labelled=torch.tensor(labelled, dtype=torch.long, device=device),
            unlabelled=torch.tensor(without, dtype=torch.long, device=device),
            odds=_odds(sites).to(device),
            corrected=_corrected(cases, device),
        )

    def with_context(self, index: Tensor, context: int) -> Tensor:
        """Slices with `context` neighbours each side as channels, float32.

        Beyond the ends of a case the end slice is repeated.
        """
        offsets = torch.arange(-context, context + 1, device=index.device)
        places = index[:, None] + offsets
        places = torch.minimum(
            torch.maximum(places, self.first[index, None]), self.last[index, None]
        )
        return self.images[places].flatten(1, 2).float()


def near(targets: np.ndarray, neighbours: int, count: int) -> np.ndarray:
    """The numbers of `targets` and their neighbours, ascending, within ``range(count)``."""
    offsets = np.arange(-neighbours, neighbours + 1)
    numbers = np.unique(targets[:, None] + offsets)
    return numbers[(numbers >= 0) & (numbers < count)]


def _cornered(stack: Tensor, canvas: tuple[int, int]) -> Tensor:
    rows, columns = stack.shape[-2:]
    return F.pad(stack, (0, canvas[1] - columns, 0, canvas[0] - rows))


def _label(
    case: Case,
    number: int,
    classes: Mapping[int, int],
    groups: Sequence[tuple[int, ...]],
    shape: tuple[int, int],
    turn: Turn,
) -> Tensor:
    """One slice's labels on the working grid, ``(1, 1, row, column)`` uint8."""
    assert case.mask is not None
    plane = np.asarray(case.mask[number])
    unsaid = case.unsaid(number, classes)
    background = len(classes) + 1 + groups.index(unsaid) if unsaid else 0
    index = np.full(plane.shape, background + 1, dtype=np.uint8)
    for class_id, class_index in classes.items():
        index[plane == class_id] = class_index + 1
    if case.states[number] in OPEN and case.painted is not None:
        index[~case.painted[number]] = 0
    index = np.ascontiguousarray(turn.to(index))
    tensor = torch.from_numpy(index)[None, None]
    if index.shape == tuple(shape):
        return tensor
    # Area-weighted vote of what lies under each new pixel.
    votes = F.one_hot(tensor[0, 0].long(), int(index.max()) + 1).permute(2, 0, 1)[None].float()
    votes = F.interpolate(votes, size=shape, mode="bilinear", antialias=True, align_corners=False)
    return votes.argmax(1, keepdim=True).to(torch.uint8)


def _corrected(cases: Sequence[Case], device: torch.device) -> Tensor | None:
    """1 for each labelled slice of the cases that a person corrected, in their order."""
    found = np.concatenate([case.states[case.labelled] == SliceState.CORRECTED for case in cases])
    return torch.from_numpy(found).float().to(device) if found.any() else None


def _odds(sites: Sequence[str]) -> Tensor:
    """A site's share grows with the root of its slices: rare scanners are seen, not copied."""
    if not sites:
        return torch.zeros(0)
    _, place, counts = np.unique(np.array(sites), return_inverse=True, return_counts=True)
    odds = 1.0 / np.sqrt(counts[place])
    return torch.from_numpy(odds / odds.sum()).float()
