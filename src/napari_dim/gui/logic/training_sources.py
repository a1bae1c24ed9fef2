"""Which slices a training would learn from, by state and by site, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from napari_dim.gui.state.scan_mask import ScanMask
from napari_dim.states import SliceState, guessed
from napari_dim.words import count as counted


@dataclass(frozen=True)
class Learnt:
    """One scan that a training learns from: its name, slices, site, and mask, if it has one.

    `separate` slices are pictures of their own: none is far from the labelled ones.
    """

    name: str
    count: int
    site: str = ""
    mask: ScanMask | None = None
    separate: bool = False


def describe(parts: Sequence[Learnt]) -> str:
    """What a training on these scans would learn from, as rich text."""
    lines = [_slices(part, len(parts) > 1) for part in parts if part.mask is not None]
    rest: Counter[str] = Counter()
    labelled: Counter[str] = Counter()
    for part in parts:
        site = part.site or part.name
        labelled[site] += 0 if part.mask is None else len(part.mask.labelled)
        rest[site] += _unlabelled(part)
    unlabelled = sum(rest.values())
    out = sum(_slice_count(part) for part in parts) - unlabelled - sum(labelled.values())
    text = f"{'<br>'.join(lines)}<br>It also learns from {counted(unlabelled, 'unlabelled slice')}"
    text += f"; {counted(out, 'slice')} far beyond the labelled ones left out." if out else "."
    if len(rest) > 1:
        rows = "".join(
            f"<tr><td>{escape(site)}&nbsp;</td><td align=right>&nbsp;{labelled[site]}&nbsp;</td>"
            f"<td align=right>&nbsp;{rest[site]}</td></tr>"
            for site in rest
        )
        text += (
            f"<table><tr><td>{len(rest)} sites</td><td>&nbsp;labelled&nbsp;</td>"
            f"<td>&nbsp;unlabelled</td></tr>{rows}</table>"
        )
    return text


def _slices(part: Learnt, named: bool) -> str:
    assert part.mask is not None
    states = part.mask.states
    drawn = np.isin(states, (SliceState.PAINTED, SliceState.CORRECTED))
    found = [f"Slices painted or corrected: {listed(np.flatnonzero(drawn))}"]
    for title, state in (
        ("background only", SliceState.EMPTY),
        ("partial", SliceState.PARTIAL),
        ("accepted unchanged", SliceState.ACCEPTED),
        ("accepted in part", SliceState.ACCEPTED_PART),
        ("filled in but not confirmed, so unlabelled", SliceState.FILLED),
    ):
        if (states == state).any():
            found.append(f"{title}: {listed(np.flatnonzero(states == state))}")
    return (f"{escape(part.name)}: " if named else "") + "; ".join(found)


def _slice_count(part: Learnt) -> int:
    return part.count if part.mask is None else len(part.mask.states)


def _unlabelled(part: Learnt) -> int:
    if part.mask is None:
        return part.count
    if part.separate:
        return part.count - len(part.mask.labelled)
    return int(guessed(part.mask.states).size)


def listed(numbers: np.ndarray, most: int = 8) -> str:
    """How many there are, and the first of them."""
    if not numbers.size:
        return "none"
    shown = ", ".join(str(n) for n in numbers[:most])
    return f"{numbers.size} ({shown}{', …' if numbers.size > most else ''})"
