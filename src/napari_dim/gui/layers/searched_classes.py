"""Which classes a person looked for in each labelled slice, kept in the layer's metadata.

Usually all. A class that is added late was not looked for in slices labelled before: what is
background there may be of it, and training leaves that open (`data.case.Case.unsaid`). A slice
in which it is painted, or that a person confirms once more, was searched for it.
"""

from __future__ import annotations

from collections.abc import Iterable

from napari.layers import Labels

KEY = "napari_dim_searched"
"""Where metadata hold it: slice number -> ids; slices that are missing were searched for all."""


def searched_in(layer: Labels) -> dict[int, tuple[int, ...]]:
    """Slice number -> ids of the classes that were looked for, where not all were."""
    return dict(layer.metadata.get(KEY, {}))


def searched_of(
    layer: Labels, labelled: Iterable[int], named: Iterable[int]
) -> dict[int, tuple[int, ...]]:
    """What training is told: for each labelled slice the classes that were looked for.

    Parameters
    ----------
    labelled
        Numbers of the labelled slices.
    named
        Ids of the layer's classes, which are all that anyone looked for in this scan; none
        where the classes have no names yet.
    """
    known, ids = searched_in(layer), tuple(named)
    return {n: known.get(n, ids) for n in labelled} if ids else known


def class_added(layer: Labels, labelled: Iterable[int], before: Iterable[int]) -> int:
    """Say that a class came after the slices that are labelled; returns how many these are.

    Parameters
    ----------
    labelled
        Numbers of the labelled slices.
    before
        Ids of the classes there were.
    """
    known, ids = searched_in(layer), tuple(sorted(before))
    layer.metadata[KEY] = {int(n): known.get(int(n), ids) for n in labelled}
    return len(layer.metadata[KEY])


def complete(layer: Labels, numbers: Iterable[int] | None = None) -> None:
    """Say that some slices, by default all, were searched for all classes."""
    gone = None if numbers is None else {int(n) for n in numbers}
    known = searched_in(layer)
    layer.metadata[KEY] = {n: ids for n, ids in known.items() if gone is not None and n not in gone}


def renumbered(layer: Labels, old: int, new: int) -> None:
    """Follow a class that got another id."""
    known = searched_in(layer).items()
    layer.metadata[KEY] = {
        n: tuple(sorted(new if i == old else i for i in ids)) for n, ids in known
    }


def removed(layer: Labels, gone: int, left: Iterable[int]) -> None:
    """Forget a class: slices that were searched for all that are left are complete.

    Parameters
    ----------
    gone
        Its id.
    left
        Ids of the other classes.
    """
    others = set(left)
    layer.metadata[KEY] = {
        n: tuple(i for i in ids if i != gone)
        for n, ids in searched_in(layer).items()
        if not others <= set(ids)
    }
