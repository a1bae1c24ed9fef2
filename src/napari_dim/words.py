"""Numbers and lengths of time, as people write and read them."""

from __future__ import annotations

import math
import re

from napari_dim.errors import InputError

UNTIL_STOPPED = "until-stopped"
"""The budget of a training that somebody ends."""
LONGEST = 7 * 24 * 3600
"""Seconds of the longest budget: a week."""

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def parse_time(text: str, *, where: str) -> float:
    """Seconds in ``60s``, ``3m``, ``1.5h`` or ``180``.

    Parameters
    ----------
    text
        What was written.
    where
        The option or setting it stands for, for the message.

    Raises
    ------
    InputError
        If it is none of these, or longer than a week.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?|\.\d+)\s*([a-z]*)", text.strip().lower())
    if match is None or match[2] not in _UNITS:
        raise InputError(
            f"{text!r} is no length of time", where=where, hint="Write 60s, 3m or 180"
        )  # fmt: skip
    seconds = float(match[1]) * _UNITS[match[2]]
    if not 0 < seconds <= LONGEST:
        raise InputError(f"{text!r} is not between 0 and a week", where=where)
    return seconds


def sentence(error: InputError) -> str:
    """What is wrong, as a sentence of its own; the name that it begins with stays as it is."""
    text = str(error)
    return text if error.where else f"{text[:1].upper()}{text[1:]}"


def clock(seconds: float) -> str:
    """``1:05`` or ``1:02:05``."""
    whole = max(0, round(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def count(number: int, thing: str) -> str:
    """``1 slice``, ``2 slices``, ``1,200 slices``."""
    plural = "es" if thing.endswith("s") else "s"
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}{plural}"


def figure(value: float, digits: int = 3) -> str:
    """``47.5``, ``0.0447``, ``19640``: so many digits that tell, and never a power of ten.

    Parameters
    ----------
    value
        What is written; what stands before the point is written in full.
    digits
        How many digits tell at least; noughts at the end of what stands after the point go.
    """
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:.{places}f}"
    return text.rstrip("0").rstrip(".") if places else text
