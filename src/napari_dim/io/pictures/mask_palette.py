"""Masks with a palette: its places are the class numbers, unless a program put them in any order.

Programs that make files small give black and white a palette, whose order is by chance.
"""

from __future__ import annotations

import numpy as np

_MOST_SHOWN = 4


def by_palette(values: np.ndarray, palette: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """The class numbers of a mask that has a palette, and what is to be told.

    Parameters
    ----------
    values
        Places in the palette.
    palette
        ``(place, 3)``, 0 to 255.
    """
    used = np.unique(values)
    table = np.zeros((max(256, int(used[-1]) + 1), 3), np.uint8)
    table[: len(palette)] = palette[: len(table)]
    greys = table[used, 0]
    if used.size < 2 or (table[used] != greys[:, None]).any() or (greys == used).all():
        return values, ()
    in_order = (np.diff(greys.astype(int)) > 0).all() and (used[0] > 0 or greys[0] == 0)
    places, shown = _listed(used), _listed(np.sort(greys))
    if in_order:
        return values, (
            f"the mask has a palette of greys: the places in it ({places}) are taken as class "
            f"numbers, not the greys ({shown})",
        )
    return table[values, 0], (
        f"the greys in the mask's palette are in no order: they ({shown}) are taken as class "
        "numbers, not their places",
    )


def _listed(numbers: np.ndarray) -> str:
    more = ", …" if numbers.size > _MOST_SHOWN else ""
    return ", ".join(str(number) for number in numbers[:_MOST_SHOWN]) + more
