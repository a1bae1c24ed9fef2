"""Masks of the slices between labelled ones: what those tell of them, beside what the network does.

Few labelled slices of one body tell more of the slices between them than a network that has
learnt from them for half a minute, and it still gains from them when it has learnt longer. So
random walks from the two labelled slices at the ends (`editing.slab_walks`) take the network's
say as evidence, the more of it, the better the network does on those two slices themselves.
Measured in docs/decisions/0032.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
from skimage.transform import resize

from napari_dim.data.case import Case
from napari_dim.editing.slab_walks import Grown, grown, said_shares
from napari_dim.engine.inference.predictor import Prediction
from napari_dim.states import WHOLE

AGAIN = 0.5
"""How much of the network's say counts once more at the end, where it is right on the ends."""
LONGEST = 100
"""Slices of a slab at most: longer ones come in portions, as the network alone sees them."""


class BetweenLabels:
    """The slabs of a case, each between two slices of which a person stands behind every pixel.

    Parameters
    ----------
    case
        A volume with labels; one of pictures of their own has no slabs.
    classes
        The ids that are learnt; others in the labels are background here. A slice in which one
        was not looked for is no end of a slab.
    """

    def __init__(self, case: Case, classes: Iterable[int]) -> None:
        self._case = case
        known, mask = tuple(classes), case.mask
        self._ends: dict[int, np.ndarray] = {}
        if mask is not None and not case.volume.separate:
            self._ends = {
                number: np.where(np.isin(mask[number], known), mask[number], 0)
                for number in np.flatnonzero(np.isin(case.states, WHOLE)).tolist()
                if not case.unsaid(number, known)
            }
        self.slabs = [
            np.arange(first, last + 1)
            for first, last in itertools.pairwise(self._ends)
            if 1 < last - first < LONGEST and (self._ends[first].any() or self._ends[last].any())
        ]
        """Slice numbers of each slab, both ends among them; where the ends show nothing, or lie
        too far apart, there is none."""

    def lean(self, found: Prediction, check: Callable[[float], None]) -> Prediction:
        """Change a prediction of whole slabs, and perhaps of other slices, by what the ends tell.

        Parameters
        ----------
        found
            What the network says; masks of the case's own rows and columns. Its mask and
            confidence, which may lie on the disk, are written into.
        check
            Called now and then with the share done; what it raises ends the work.

        Returns
        -------
        Prediction
            `found`. Slices at the ends and outside of slabs stay the network's.
        """
        place = {int(number): at for at, number in enumerate(found.slices)}
        here = [slab for slab in self.slabs if all(int(n) in place for n in slab)]
        for done, slab in enumerate(here):
            at = np.array([place[int(n)] for n in slab])
            told = self._told(
                slab, found.mask[at], found.confidence[at], partial(_part, check, done, len(here))
            )
            for number, one in told.items():
                ids, certain = self._beside(one, found, place[number])
                found.mask[place[number]], found.confidence[place[number]] = ids, certain
        return found

    def _told(
        self, slab: np.ndarray, said: np.ndarray, sure: np.ndarray, check: Callable[[float], None]
    ) -> dict[int, Grown]:
        """What the ends, the image and the network tell of the slices of a slab."""
        volume, first, last = self._case.volume, int(slab[0]), int(slab[-1])
        walls = {number: self._ends[number] for number in (first, last)}
        right = agreement(said[[0, -1]], np.stack(list(walls.values())))

        def model(number: int, classes: Iterable[int]) -> np.ndarray:
            return said_shares(said[number - first], sure[number - first], tuple(classes))

        return grown(
            lambda number: np.asarray(volume.array[number]),
            walls, range(first + 1, last), volume.spacing,
            model=model, trust=right**2, again=AGAIN * right**4, report=check,
        )  # fmt: skip

    def _beside(self, told: Grown, found: Prediction, at: int) -> tuple[np.ndarray, np.ndarray]:
        """Class ids of a slice, and how sure; a class that no end shows is the network's to find.

        Returns
        -------
        numpy.ndarray, numpy.ndarray
            ``(row, column)``, and 255ths on the rows and columns of `found.confidence`.
        """
        own = found.mask[at]
        others = (own != 0) & ~np.isin(own, told.classes) & (told.ids == 0)
        ids = np.where(others, own, told.ids).astype(own.dtype)
        shape = found.confidence.shape[1:]
        certain = resize(told.certain.astype(np.float32), shape, order=1, preserve_range=True)
        if others.any():
            where = resize(others.astype(np.float32), shape, order=1) > 0.5
            certain = np.where(where, found.confidence[at], certain)
        return ids, certain.round().astype(np.uint8)


def agreement(said: np.ndarray, known: np.ndarray) -> float:
    """Mean Dice over the classes that are known in some slices, in [0, 1]; 0 where there are none.

    Parameters
    ----------
    said, known
        Class ids, ``(n, row, column)``.
    """
    dice = [
        2 * np.count_nonzero((said == one) & (known == one))
        / (np.count_nonzero(said == one) + np.count_nonzero(known == one))
        for one in np.unique(known[known > 0])
    ]  # fmt: skip
    return float(np.mean(dice)) if dice else 0.0


def _part(check: Callable[[float], None], done: int, of: int, share: float) -> None:
    """Tell how much is done of all slabs."""
    check((done + share) / of)
