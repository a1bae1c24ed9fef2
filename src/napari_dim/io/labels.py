"""Arrays of label ids: check them, store them in the smallest type that holds them, name them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_dim.errors import InputError

COLOURS = (
    "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#999999",
)  # fmt: skip
"""Colours of the classes, by id: Okabe and Ito's, which colour-blind people can tell apart."""

LOOKED_AT = 9
"""Slices that tell an image from a mask."""
MANY = 64
"""Different values in these: an atlas has more of them, too."""
SHARED = 0.5
"""Share of neighbours in a row of one value: a mask has far more, however many its classes."""


@dataclass(frozen=True)
class LabelClass:
    """One class of a mask: its id, what it is called, and its colour as ``#rrggbb``.

    Without a name it is called by its id; without a colour it has the one of its id.
    """

    id: int
    name: str = ""
    colour: str = ""

    @property
    def label(self) -> str:
        """What it is called: never empty, one line."""
        return " ".join(self.name.split()) or f"class {self.id}"

    @property
    def rgb(self) -> tuple[int, int, int]:
        """Red, green and blue in 0 to 255."""
        text = (self.colour or COLOURS[(self.id - 1) % len(COLOURS)]).lstrip("#")[:6]
        try:
            red, green, blue = bytes.fromhex(text)
        except ValueError as error:
            raise InputError(
                f"{self.colour!r} is no colour", where=self.label, hint="Write it as #RRGGBB"
            ) from error
        return red, green, blue


def classes_in(mask: np.ndarray, known: Iterable[LabelClass] = ()) -> list[LabelClass]:
    """The classes that a mask holds, by id, with the names and colours of those `known`."""
    names = {item.id: item for item in known}
    return [names.get(class_id, LabelClass(class_id)) for class_id in ids_in(mask)]


def ids_in(mask: np.ndarray) -> list[int]:
    """The ids above 0 that a mask ``(slice, row, column)`` holds, ascending.

    Slice by slice: the mask may lie on the disk.
    """
    return sorted(slices_showing(mask))


def slices_showing(mask: np.ndarray) -> dict[int, list[int]]:
    """The ids above 0 of a mask ``(slice, row, column)`` -> the numbers of their slices."""
    found: dict[int, list[int]] = {}
    for number in range(mask.shape[0]):
        for class_id in np.unique(np.asarray(mask[number])).tolist():
            if class_id:
                found.setdefault(class_id, []).append(number)
    return dict(sorted(found.items()))


def as_labels(
    values: np.ndarray, *, where: str | Path | None = None, tolerance: float = 1e-3
) -> np.ndarray:
    """Turn numbers into label ids of the smallest unsigned type that holds them.

    Parameters
    ----------
    values
        Any shape, boolean, integer or floating.
    where
        File they came from, for the message.
    tolerance
        How far from a whole number a float may lie: programs that compute with labels, or
        store them scaled, leave rounding errors.

    Raises
    ------
    InputError
        If there are values that are not finite, not whole, or negative.
    """
    if values.dtype == np.bool_:
        return values.astype(np.uint8)
    if values.dtype.kind not in "iuf":
        raise InputError(f"a mask can't be made of {values.dtype} values", where=where)
    if not values.size:
        return values.astype(np.uint8)
    if values.dtype.kind == "f":
        whole = np.rint(values)
        # Written so that NaN and infinity, which compare false, are refused too.
        with np.errstate(invalid="ignore"):
            bad = ~(np.abs(values - whole) <= tolerance)
        if bad.any() and np.isnan(values[bad]).all():
            raise InputError(
                "the mask holds NaN, which is no class number", where=where,
                hint="If that is its background, save it with 0 there",
            )  # fmt: skip
        if bad.any():
            raise InputError(
                f"a mask holds whole class numbers, this one holds {_exactly(values[bad].flat[0])}",
                where=where,
                hint="Is this an image or a probability map?",
            )
        if np.abs(whole).max() > 2.0**53:
            raise InputError("the mask holds numbers too large for class ids", where=where)
        values = whole.astype(np.int64)
    lowest = values.min()
    if lowest < 0:
        raise InputError(f"a mask holds no negative numbers, this one {lowest}", where=where)
    return values.astype(smallest_type(int(values.max())), copy=False)


def image_like(ids: np.ndarray) -> str:
    """What tells that an image was given as a mask; "" where nothing does.

    Whole numbers as its values are, it would be taken for one of many classes.

    Parameters
    ----------
    ids
        Class ids, ``(slice, row, column)``.
    """
    some = ids[np.unique(np.linspace(0, len(ids) - 1, LOOKED_AT).astype(int))]
    left, right = some[..., :-1], some[..., 1:]
    inside = (left != 0) & (right != 0)
    if not inside.any() or np.mean(left[inside] == right[inside]) >= SHARED:
        return ""
    if (different := len(np.unique(some))) <= MANY:
        return ""
    return (
        f"it holds {different:,} different numbers in {len(some)} slices, and neighbours hardly "
        "ever share one: this is hardly a mask"
    )


def _exactly(value: np.floating) -> str:
    """A number with as many digits as tell it from its neighbours."""
    return np.format_float_positional(value, trim="-") if 1e-4 < abs(value) < 1e16 else str(value)


def smallest_type(largest: int) -> np.dtype[np.unsignedinteger]:
    """The smallest unsigned integer type that holds ids up to `largest`."""
    return np.min_scalar_type(largest)
