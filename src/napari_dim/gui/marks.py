"""Which slices of a labels layer a person has labelled.

A slice counts as labelled once something is painted in it, or once it is marked as done,
which is how a slice that holds background alone is labelled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from napari.layers import Labels

from napari_dim.gui.layers import labels_array

KEY = "napari_dim_done"


@dataclass(frozen=True)
class Marks:
    """Numbers of the labelled slices, ascending: those painted, and those of background alone."""

    painted: tuple[int, ...] = ()
    background: tuple[int, ...] = ()
    total: int = 0

    @property
    def labelled(self) -> tuple[int, ...]:
        """All labelled slices."""
        return tuple(sorted((*self.painted, *self.background)))

    def __str__(self) -> str:
        text = f"slices labelled: {_listed(self.painted)}"
        if self.background:
            text += f"; background only: {_listed(self.background)}"
        return text


def marks_of(layer: Labels) -> Marks:
    """Read the marks of a labels layer."""
    array = labels_array(layer)
    painted = np.array([plane.any() for plane in array], dtype=bool)
    done = {n for n in layer.metadata.get(KEY, ()) if 0 <= n < len(array)}
    return Marks(
        tuple(int(n) for n in np.flatnonzero(painted)),
        tuple(sorted(n for n in done if not painted[n])),
        len(array),
    )


def toggle_done(layer: Labels, number: int) -> bool:
    """Mark a slice as done, or take the mark back; returns whether it is marked now."""
    done = set(layer.metadata.get(KEY, ()))
    done ^= {number}
    layer.metadata[KEY] = tuple(sorted(done))
    return number in done


def is_done(layer: Labels, number: int) -> bool:
    """Whether a slice is marked as done."""
    return number in layer.metadata.get(KEY, ())


def _listed(numbers: tuple[int, ...], most: int = 8) -> str:
    if not numbers:
        return "none"
    shown = ", ".join(str(n) for n in numbers[:most])
    return f"{len(numbers)} ({shown}{', …' if len(numbers) > most else ''})"
