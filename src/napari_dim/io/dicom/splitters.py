"""The tags that tell apart several images of one place in one series, and their values."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Value = float | tuple[float, ...] | str | None
"""What a tag says, in a form that can be compared."""


@dataclass(frozen=True)
class Splitter:
    """A tag, or several that mean the same.

    Attributes
    ----------
    name
        What people call it.
    tags
        Keyword, and the sequences of a multi-frame file that it stands in; the first that says
        anything counts.
    shown
        Whether its value says more to a person than the image's number does.
    """

    name: str
    tags: tuple[tuple[str, ...], ...]
    shown: bool = True


_CONTENT = "FrameContentSequence"
SPLITTERS = (
    Splitter("image type", (
        ("FrameType", "MRImageFrameTypeSequence"), ("FrameType", "CTImageFrameTypeSequence"),
        ("ImageType",),
    )),
    Splitter("echo time", (("EchoTime",), ("EffectiveEchoTime", "MREchoSequence"))),
    Splitter("echo", (("EchoNumbers",),)),
    Splitter("inversion time", (("InversionTime",),)),
    Splitter("flip angle", (("FlipAngle",), ("FlipAngle", "MRTimingAndRelatedParametersSequence"))),
    Splitter("b value", (("DiffusionBValue", "MRDiffusionSequence"),)),
    Splitter("gradient", (
        ("DiffusionGradientOrientation", "MRDiffusionSequence",
         "DiffusionGradientDirectionSequence"),
    )),
    Splitter("time point", (
        ("TemporalPositionIdentifier",), ("TemporalPositionIndex", _CONTENT),
    )),
    Splitter("trigger time", (
        ("TriggerTime",), ("NominalCardiacTriggerDelayTime", "CardiacSynchronizationSequence"),
    )),
    Splitter("frame time", (("FrameReferenceTime",),)),
    Splitter("energy", (("KVP",),)),
    Splitter("kernel", (("ConvolutionKernel",),)),
    Splitter("stack", (("StackID", _CONTENT),), shown=False),
    Splitter("acquisition", (("AcquisitionNumber",), ("FrameAcquisitionNumber", _CONTENT))),
    Splitter("time of acquisition", (("AcquisitionTime",),), shown=False),
    Splitter("time of content", (("ContentTime",),), shown=False),
)  # fmt: skip
"""In the order tried."""

STACK = next(n for n, one in enumerate(SPLITTERS) if one.name == "stack")
B_VALUE = next(n for n, one in enumerate(SPLITTERS) if one.name == "b value")


def comparable(value: Any) -> Value:
    """A tag's value as a number, several numbers, or text."""
    if value is None or value == "":
        return None
    if hasattr(value, "__len__") and not isinstance(value, str):
        numbers = [_number(one) for one in value]
        if numbers and None not in numbers:
            return tuple(one for one in numbers if one is not None)
        return "/".join(str(one) for one in value) or None
    number = _number(value)
    return str(value) if number is None else number


def codes(values: Sequence[Value]) -> tuple[list[int], list[Value]]:
    """The number of each value among those that differ, and these in order.

    Numbers that differ by less than rounding are one: 4.76 and 4.760001, "1000" and "1000.0".
    """
    if all(isinstance(one, float) for one in values):
        numbers = sorted({one for one in values if isinstance(one, float)})
        kept: list[float] = []
        for one in numbers:
            if not kept or not _same(kept[-1], one):
                kept.append(one)
        return [_find(kept, one) for one in values], list(kept)
    found: list[Value] = []
    for value in sorted(set(values), key=_order):
        if not any(_alike(value, other) for other in found):
            found.append(value)
    return [next(n for n, other in enumerate(found) if _alike(one, other)) for one in values], found


def described(number: int, value: Value, place: int, count: int) -> str:
    """One value of a splitter to a person; `place` of `count` where it says nothing."""
    one = SPLITTERS[number]
    if value is None:
        return f"no {one.name}"
    if one.shown and isinstance(value, float):
        return f"{one.name} {value:g}"
    if one.shown and isinstance(value, str):
        return f"{one.name} {value}"
    return f"{one.name} {place + 1} of {count}"


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _same(one: float, other: float) -> bool:
    return abs(one - other) <= 1e-3 + 1e-6 * max(abs(one), abs(other))


def _find(kept: list[float], value: Value) -> int:
    """The last of the kept numbers that is not above `value`, but for rounding."""
    assert isinstance(value, float)
    return bisect_right(kept, value) - 1


def _alike(one: Value, other: Value) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return _same(one, other)
    if isinstance(one, tuple) and isinstance(other, tuple) and len(one) == len(other):
        return all(_same(a, b) for a, b in zip(one, other, strict=True))
    return one == other


def _order(value: Value) -> tuple[int, Any]:
    """Nothing, then numbers, then lists of them, then text."""
    if value is None:
        return 0, 0
    return (1, value) if isinstance(value, float) else (2 if isinstance(value, tuple) else 3, value)
