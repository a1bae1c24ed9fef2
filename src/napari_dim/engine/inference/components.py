"""Structures that come in one piece: stray specks are dropped where the labels allow it.

Our addition. An organ is one connected body, lesions are many; which of the two a class is,
the labelled slices tell: a class counts as one piece if dropping all but the main piece costs
no agreement with the annotator, or less than the stray pieces on other slices would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from scipy import ndimage
from skimage.measure import block_reduce

from napari_dim.data.case import Case
from napari_dim.states import OPEN
from napari_dim.volume import Grid

SURE = 0.001
"""Dice on the labelled slices whose loss makes no class several pieces."""
MOST = 0.01
"""Dice on the labelled slices whose loss makes a class several pieces, whatever else is seen."""
BLOCKS = 64
"""Blocks along each side of a volume."""
MOST_CASES = 12
"""Labelled cases looked at; more would only take longer."""
MOST_SLICES = 800
"""Slices after which no further case is looked at: this is done while somebody waits."""
LARGEST = 2**28
"""Voxels of a volume above which only some of its slices are looked at."""
OTHERS = 4
"""Unlabelled cases looked at where the labelled ones leave it open."""


def main_pieces(mask: np.ndarray, classes: Iterable[int]) -> np.ndarray:
    """Keep each class only in the connected piece of foreground that holds most of it.

    Pieces are those of all classes together, so a core is never cut out of its shell. They
    are found on blocks of voxels: a gap that is narrow for the volume does not part them.

    Parameters
    ----------
    mask
        Class ids, ``(slice, row, column)``.
    classes
        The ids to clean; others are left as they are.

    Returns
    -------
    numpy.ndarray
        A new mask; dropped voxels are 0.
    """
    pieces = Pieces(mask.shape, classes)
    pieces.add(0, mask)
    return pieces.cleaned(0, mask)


class Pieces:
    """The pieces of a mask that is seen a few slices at a time, in order.

    Parameters
    ----------
    shape
        Of the whole mask, ``(slice, row, column)``.
    classes
        The ids to clean.
    """

    def __init__(self, shape: Sequence[int], classes: Iterable[int]) -> None:
        self._classes = tuple(classes)
        self._block = tuple(max(1, round(length / BLOCKS)) for length in shape)
        size = [-(-length // block) for length, block in zip(shape, self._block, strict=True)]
        self._any = np.zeros(size, bool)
        self._counts = np.zeros((len(self._classes), *size), np.int64)
        self._kept: np.ndarray | None = None

    def add(self, start: int, mask: np.ndarray) -> None:
        """Take slices into account, those from `start` on."""
        deep, down, across = self._block
        places = np.arange(start, start + len(mask)) // deep
        for place in np.unique(places):
            slab = mask[places == place]
            self._any[place] |= block_reduce(slab.any(0), (down, across), np.any)
            for number, class_id in enumerate(self._classes):
                voxels = np.count_nonzero(slab == class_id, axis=0)
                self._counts[number, place] += block_reduce(voxels, (down, across), np.sum)

    def cleaned(self, start: int, mask: np.ndarray) -> np.ndarray:
        """A copy of slices from `start` on without stray pieces; all must have been added."""
        if self._kept is None:
            self._kept = self._find()
        cleaned = mask.copy()
        deep, down, across = self._block
        planes = np.arange(start, start + len(mask)) // deep
        rows, columns = (
            np.arange(length) // block
            for length, block in zip(mask.shape[1:], (down, across), strict=True)
        )
        for number, class_id in enumerate(self._classes):
            if self._kept[number].all():
                continue
            for plane, place in zip(cleaned, planes, strict=True):
                stray = ~self._kept[number, place][rows][:, columns]
                plane[stray & (plane == class_id)] = 0
        return cleaned

    def _find(self) -> np.ndarray:
        """Of each class, the blocks where it is kept, ``(class, *blocks)``."""
        kept = np.ones(self._counts.shape, bool)
        pieces, count = ndimage.label(self._any, structure=np.ones((3, 3, 3)))
        if count < 2:
            return kept
        for number, counts in enumerate(self._counts):
            sizes = np.bincount(pieces.ravel(), counts.ravel(), minlength=count + 1)
            if sizes.any():
                kept[number] = pieces == sizes.argmax()
        return kept


def single_pieces(
    cases: Sequence[Case], classes: Sequence[int], predict: Callable[[Case], np.ndarray]
) -> tuple[int, ...]:
    """The classes that come in one piece, as far as the slices tell.

    A class does if dropping its other pieces costs at most `SURE` Dice on the labelled
    slices. Up to `MOST`, it is asked whether those pieces are more often wrong than right
    elsewhere: they are dropped if they hold more than twice that share of all that is
    predicted, for the labels then vouch for less than half of them.

    Parameters
    ----------
    cases
        The training's cases: the most labelled first, then some unlabelled ones.
    classes
        Class ids.
    predict
        Gives a case's whole mask, ``(slice, row, column)``, not cleaned.
    """
    cases = [thinned(case) for case in cases]
    labelled = sorted((c for c in cases if c.labelled.size), key=lambda c: -c.labelled.size)
    others = [c for c in cases if not c.labelled.size]
    raw = np.zeros((2, len(classes)))  # twice the overlap, and the sizes' sum
    clean = np.zeros_like(raw)
    sizes = np.zeros_like(raw)  # of all pieces, and of the others than the main one

    def cleaned(predicted: np.ndarray) -> np.ndarray:
        mask = main_pieces(predicted, classes)
        for place, class_id in enumerate(classes):
            before = np.count_nonzero(predicted == class_id)
            sizes[:, place] += before, before - np.count_nonzero(mask == class_id)
        return mask

    for case in _within(labelled[:MOST_CASES]):
        predicted = predict(case)
        raw += _agreement(case, predicted, classes)
        clean += _agreement(case, cleaned(predicted), classes)
    lost = raw[0] / np.maximum(raw[1], 1) - clean[0] / np.maximum(clean[1], 1)
    if np.any((lost > SURE) & (lost <= MOST)):
        for case in _within(others[:: max(1, len(others) // OTHERS)][:OTHERS]):
            cleaned(predict(case))
    elsewhere = sizes[1] / np.maximum(sizes[0], 1)
    one = lost <= np.clip(elsewhere / 2, SURE, MOST)
    return tuple(class_id for class_id, single in zip(classes, one, strict=True) if single)


def _within(cases: Sequence[Case]) -> Iterator[Case]:
    """The first of them, and more until `MOST_SLICES` is reached."""
    slices = 0
    for case in cases:
        if slices and slices + len(case.states) > MOST_SLICES:
            return
        slices += len(case.states)
        yield case


def thinned(case: Case, most: int = LARGEST) -> Case:
    """A case itself, or of one with more voxels than `most` its labelled slices and some between.

    Pieces are found on blocks of slices: that some are left out hardly parts them.
    """
    volume = case.volume
    count, rows, columns = volume.array.shape[:3]
    if count * rows * columns <= most:
        return case
    step = -(-count // max(1, most // (rows * columns)))
    numbers = np.union1d(np.arange(0, count, step), case.labelled).astype(int)
    array = np.stack([np.asarray(volume.array[int(number)]) for number in numbers])
    grid = volume.grid
    shape = list(grid.file_shape)
    shape[grid.slice_axis] = len(numbers)
    affine = grid.file_affine.copy()
    affine[:, grid.slice_axis] *= count / len(numbers)
    placed = Grid((shape[0], shape[1], shape[2]), affine, grid.slice_axis, grid.unit)

    def some(of: np.ndarray | None) -> np.ndarray | None:
        return None if of is None else np.stack([np.asarray(of[int(n)]) for n in numbers])

    return replace(
        case,
        volume=replace(volume, array=array, grid=placed),
        mask=some(case.mask),
        states=case.states[numbers],
        painted=some(case.painted),
    )


def _agreement(case: Case, mask: np.ndarray, classes: Sequence[int]) -> np.ndarray:
    """Numerators and denominators of Dice on a case's labelled pixels, ``(2, class)``."""
    assert case.mask is not None
    sums = np.zeros((2, len(classes)))
    for number in case.labelled:
        said, true = mask[number], case.mask[number]
        if case.states[number] in OPEN and case.painted is not None:
            said, true = said[case.painted[number]], true[case.painted[number]]
        for place, class_id in enumerate(classes):
            a, b = said == class_id, true == class_id
            sums[:, place] += 2 * np.sum(a & b), a.sum() + b.sum()
    return sums
